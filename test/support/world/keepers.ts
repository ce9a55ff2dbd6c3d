import { setTimeout as delay } from 'node:timers/promises';
import type { Report, ReportStep } from '../../../lib/index.ts';
import { codeOf } from '../../../lib/postgres/sqlstate.ts';
import { runCli } from '../cli.ts';
import { configFile, keeper, type Settings } from '../keeper.ts';
import { KEEP, type KeeperRun, PREMAKE, type Setting } from './actions.ts';
import type { Stretch } from './axis.ts';
import type { World } from './world.ts';

/** Why a table or a step may fail at any time: others hold locks for longer than the run may wait. */
const LOCKED = 'lock-not-available';

/** Why it may fail while somebody changes by hand what was planned, and only then. */
const CHANGED: ReadonlySet<string> = new Set([
  'PKCHG', // our own check under the lock
  'table-missing', // the parent is renamed
  'name-taken', // a table detached by hand has it still
  '42P01', // a relation of the plan is gone or renamed
  '42P07', // somebody made a table of the name
  '42P17', // somebody attached a partition there
  '42703', // a column is gone
  '42704', // an index is gone
  '42809', // it is no partition any more
  '55000', // it is being detached
]);

/** Of these, what lasts: a table that keeps its name, a detach that stays pending. */
const LASTING: ReadonlySet<string> = new Set(['name-taken', '55000']);

/** Why it may fail when its connection was ended by hand. */
const ENDED: ReadonlySet<string> = new Set(['57P01', 'connection-lost', 'ECONNRESET', 'connection-failed']);

/** What the steps of all runs say together. */
export interface Deeds {
  readonly steps: (ReportStep & { readonly endedAt: number })[];
  readonly runs: { readonly began: number; ended: number }[];
}

export const noDeeds = (): Deeds => ({ steps: [], runs: [] });

const RETENTION_UNITS = { day: 'days', week: 'weeks', month: 'months' } as const;

const REMOVAL: Readonly<Record<Setting['expired'], Settings>> = {
  drop: { expired: 'drop' },
  detach: { expired: 'detach' },
  'drop after grace': { expired: 'drop', grace: { hours: 1 } },
};

export const settingsOf = ({ setting }: World, run: Pick<KeeperRun, 'premake' | 'keep'>): Settings => ({
  interval: setting.interval,
  premake: run.premake,
  retention: { [RETENTION_UNITS[setting.interval]]: run.keep },
  overdueAfter: { hours: 1 },
  maxExpiredShare: 1,
  ...REMOVAL[setting.expired],
});

export const PLAIN: Pick<KeeperRun, 'premake' | 'keep'> = { premake: PREMAKE, keep: KEEP };

/** Where a step works; undefined where it does not say. */
export const stretchOf = ({ from, to }: ReportStep): Stretch | undefined =>
  from === null || to === null ? undefined : { from: Date.parse(from), to: Date.parse(to) };

const REMOVING: ReadonlySet<string> = new Set(['drop', 'detach', 'finalize-detach']);

/** A report must agree with itself, with the retention it was given, and with what went on around it. */
function judge(world: World, who: string, run: KeeperRun, report: Report, began: number, deeds: Deeds): void {
  const { axis, journal, coverage } = world;
  const wrong = (what: string) => journal.complain(who, what);
  const forgiven = (code: string): boolean =>
    code === LOCKED ||
    (CHANGED.has(code) && journal.wasDisturbed(LASTING.has(code) ? 0 : began)) ||
    (ENDED.has(code) && journal.wasDisturbed(began, 'terminate'));
  const [table] = report.tables;
  if (table === undefined || report.tables.length !== 1) throw new Error('the report is not about one table');
  journal.tell(
    who,
    `${table.status} ${table.error?.code ?? ''} ${table.error?.message ?? ''} ${table.steps.map(({ kind, partition, status }) => `${kind} ${partition} ${status}`).join(', ')}`,
  );
  journal.count(`${run.job}: ${table.status}`);
  if (report.ok !== (table.status === 'ok' || table.status === 'skipped'))
    wrong(`ok is ${report.ok} for a table that is ${table.status}`);
  if ((table.error === undefined) !== (table.status === 'ok'))
    wrong(`${table.status} with error ${table.error?.code}`);
  if (table.status === 'refused') wrong('nothing was to be refused');
  if (
    table.status === 'skipped' &&
    !deeds.runs.some((other) => other.began !== began && other.ended >= began) &&
    !journal.wasDisturbed(0, 'terminate')
  )
    wrong('skipped, but there is no other run');
  if (table.status === 'failed' && !forgiven(table.error?.code ?? ''))
    wrong(`failed without need: ${table.error?.code} ${table.error?.message}`);
  const cutoff = axis.before(Date.parse(report.now), run.keep);
  for (const step of table.steps) {
    journal.count(`${step.kind}: ${step.status}`);
    if (step.waitedMs > 0) journal.count('steps that waited for locks');
    if ((step.error === undefined) !== (step.status === 'done') && step.status !== 'not-run')
      wrong(`${step.kind} ${step.partition} is ${step.status} with error ${step.error?.code}`);
    if (step.status === 'failed' && !forgiven(step.error?.code ?? ''))
      wrong(`${step.kind} ${step.partition} failed without need: ${step.error?.code} ${step.error?.message}`);
    if (table.status === 'ok' && step.status !== 'done')
      wrong(`ok, but ${step.kind} ${step.partition} is ${step.status}`);
    const stretch = stretchOf(step);
    if (REMOVING.has(step.kind) && (stretch === undefined || stretch.to > cutoff))
      wrong(`${step.kind} ${step.partition} up to ${step.to} is inside retention`);
    if (step.status !== 'done') continue;
    deeds.steps.push({ ...step, endedAt: performance.now() });
    if (stretch !== undefined && !REMOVING.has(step.kind)) coverage.close(stretch, began);
  }
}

async function runIn(world: World, run: KeeperRun): Promise<Report> {
  const settings = settingsOf(world, run);
  if (!run.process) return await keeper({ url: world.keeperUrl }, settings)[run.job]({ maxWaitMs: 1_500 });
  const { stdout, stderr, code } = await runCli([run.job, '--format', 'json', '--max-wait', '2'], {
    config: configFile(settings),
    url: world.keeperUrl,
  });
  if (stdout.trim() === '') throw new Error(`exit code ${code}: ${stderr}`);
  const report: Report = JSON.parse(stdout);
  if ((code === 0) !== report.ok) throw new Error(`exit code ${code} though ok is ${report.ok}`);
  return report;
}

/** One run, beside all others. */
export async function runKeeper(world: World, who: string, run: KeeperRun, deeds: Deeds): Promise<void> {
  await delay(run.pause);
  const began = performance.now();
  const mine = { began, ended: Number.POSITIVE_INFINITY };
  if (deeds.runs.some(({ ended }) => ended === Number.POSITIVE_INFINITY))
    world.journal.count('two runs at once');
  deeds.runs.push(mine);
  world.journal.tell(
    who,
    `${run.job} begins: premake ${run.premake}, keep ${run.keep}${run.process ? ', a process' : ''}`,
  );
  try {
    judge(world, who, run, await runIn(world, run), began, deeds);
  } catch (error) {
    world.journal.count(`${run.job}: no report`);
    if (!world.journal.wasDisturbed(began, 'terminate'))
      world.journal.complain(who, `no report: ${codeOf(error)} ${error}`);
  } finally {
    mine.ended = performance.now();
  }
}
