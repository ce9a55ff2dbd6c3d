import type { Finding, Report, ReportError, TableReport } from '../contract.ts';
import { usageError } from '../errors.ts';
import { DEFAULT_MAX_WAIT_MS, type JobOptions, type ProgressEvent, selectTables } from '../jobs/options.ts';
import { executedStep, plannedStep } from '../jobs/report.ts';
import { base, type Run, reportOf, SKIPPED, start } from '../jobs/run-context.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { takeTableLocks } from '../postgres/advisory-lock.ts';
import { applyUnit, type StepOutcome } from '../postgres/apply/apply.ts';
import { untilDone } from '../postgres/session.ts';
import { SQLSTATE } from '../postgres/sqlstate.ts';
import { comparisonFindings } from './copy/standing.ts';
import type { Strategy } from './marker.ts';
import { begun, checkWish, outlook, type Wish } from './outlook.ts';
import { checkPace, keepPace, type Pace } from './pace.ts';
import { lookAt } from './situation.ts';
import { surroundings } from './surroundings.ts';
import type { Stage } from './unit.ts';

export interface ConvertJobOptions extends Omit<JobOptions, 'tables' | 'now'>, Pace {
  /** `schema.table` of the config. */
  readonly table: string;
  /** Absent: the one that was begun, else `attach`. `unconvert` turns a partitioned table back into a plain one. */
  readonly strategy?: Strategy | undefined;
  /** The last stage to be carried out. Default: `switch`, which is all of them. */
  readonly until?: Stage | undefined;
  /** Shows what is left to do, and does nothing. */
  readonly dryRun?: boolean | undefined;
  /** Goes on where a guard would refuse. */
  readonly approve?: boolean | undefined;
  /** Takes back what has been prepared; or, where rows were copied, puts the table that was replaced back. */
  readonly undo?: boolean | undefined;
  /** Removes the table that was replaced. */
  readonly finish?: boolean | undefined;
  /** Told again and again how far a long step is. */
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

const failedReport = (config: TableConfig, error: ReportError): TableReport => ({
  ...base(config),
  status: 'failed',
  steps: [],
  findings: [],
  error,
});

function wishOf({ strategy, until, approve, undo, finish, maxRate }: ConvertJobOptions): Wish {
  if (undo === true && finish === true) {
    throw usageError(
      'undo-and-finish',
      'A conversion is either undone or finished.',
      'Nothing has been done.',
    );
  }
  const aim = undo === true ? 'undo' : finish === true ? 'finish' : 'convert';
  return { strategy, aim, until: until ?? 'switch', approve: approve === true, maxRate };
}

/** More often than that, it is no longer others that make the same thing necessary again. */
const MOST_REPEATS = 50;

/** One unit after the other; what is left is seen anew after each, as others may have changed something. */
async function carryOut(run: Run, config: TableConfig, options: ConvertJobOptions): Promise<TableReport> {
  const { client, server } = run.session;
  const asked = wishOf(options);
  const signal = options.signal ?? new AbortController().signal;
  await checkPace(client, options);
  const pace = keepPace(client, options, signal);
  const outcomes: StepOutcome[] = [];
  let situation = await lookAt(client, config, server, run.context.now);
  checkWish(situation, asked);
  // What was begun is not seen any more once it has been undone.
  const wish = { ...asked, strategy: asked.strategy ?? begun(situation) ?? undefined };
  let left = outlook(run, situation, wish);
  const changes = left.findings.filter(({ finding }) => finding === 'changes');
  /** What else is worth knowing: of the surroundings, and what was mended on the way. */
  const others = new Map<string, Finding>();
  const { keyType, keys } = situation.table;
  const reported = (outcome: StepOutcome) => executedStep(outcome, { keyType }, config);
  const steps = () => left.units.flatMap((unit) => unit.steps);
  const report = (status: TableReport['status'], error?: ReportError): TableReport => ({
    ...base(config),
    status,
    steps: [
      ...outcomes.map(reported),
      ...steps()
        .slice(done)
        .map((step) =>
          plannedStep(step, { keyType }, config, options.dryRun === true ? 'planned' : 'not-run'),
        ),
    ],
    // What changes for the application is worth knowing also once it has changed.
    findings: [
      ...left.findings.filter(({ finding }) => finding !== 'changes'),
      ...changes,
      ...others.values(),
    ],
    ...(error === undefined ? {} : { error }),
  });
  /** How often what was done last has been left to do again, as others go on writing. */
  let repeats = 0;
  /** Steps of what is left that have been dealt with since it was looked at. */
  let done = 0;
  if (left.refusal !== null) return report('refused', left.refusal);
  if (options.dryRun === true) {
    for (const finding of await surroundings(client, steps())) others.set(finding.message, finding);
    return report('ok');
  }
  const name = { schema: config.schema, table: config.table };
  for (;;) {
    const next = left.units.find((unit) => unit.steps.length > 0);
    if (next === undefined) return report('ok');
    const before = outcomes.length;
    const total = before + steps().length;
    const found = await applyUnit(next.steps, {
      client,
      budgetMs: options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
      signal,
      onOutcome: (one) => {
        done++;
        options.onStep?.({ ...name, step: reported(one), finished: before + done, total });
      },
      onWait: ({ partition }, waitingFor) =>
        options.onWait?.({ ...name, partition, waitingFor, finished: before + done, total }),
      betweenRounds: async ({ kind, partition }, progress) => {
        options.onProgress?.({ ...name, kind, partition, ...progress });
        await pace(situation.table, progress);
      },
    });
    const last = found.at(-1);
    const overtaken = situation.copy !== null && last?.error?.code === SQLSTATE.changedSincePlan;
    outcomes.push(...found.filter((one) => one.status !== 'not-run' && !(overtaken && one === last)));
    if (last?.status === 'not-run') done--;
    if (last !== undefined && last.status !== 'done' && !overtaken) return report('failed', last.error);
    const was = JSON.stringify(next.steps.map(({ statements }) => statements));
    const astray = situation.copy?.log?.outside === true;
    situation = await lookAt(client, config, server, run.context.now, astray ? null : keys);
    if (!astray && situation.copy?.log?.outside === true)
      situation = await lookAt(client, config, server, run.context.now);
    left = outlook(run, situation, wish);
    for (const finding of comparisonFindings(situation)) others.set(finding.message, finding);
    done = 0;
    if (left.refusal !== null) return report('refused', left.refusal);
    const again = left.units.find((unit) => unit.steps.length > 0);
    const same =
      again !== undefined && JSON.stringify(again.steps.map(({ statements }) => statements)) === was;
    if (same && overtaken) return report('failed', last?.error);
    repeats = same ? repeats + 1 : 0;
    if (same && (again.steps.every(({ progress }) => progress === undefined) || repeats === MOST_REPEATS))
      throw new Error(`the steps have been done and are still left to do: ${again.steps[0]?.reason}`);
  }
}

/**
 * Converts a table while it is in use: a plain one becomes partitioned, by becoming the first partition or by being
 * copied; a partitioned one is copied into other partitions, or becomes plain. Whatever interrupts it, the same call
 * goes on where it was.
 * @throws KeeperError when nothing could be begun: no connection, no such table, a key it cannot have
 */
export async function runConvert(options: ConvertJobOptions): Promise<Report> {
  const tables = selectTables(options.config, [options.table]);
  const dryRun = options.dryRun === true;
  const run = await start('convert', options, dryRun ? 'read' : 'write');
  return await untilDone(run.session.client, async () => {
    const reports: TableReport[] = [];
    for (const config of tables) {
      const [ours] = dryRun ? [true] : await takeTableLocks(run.session.client, [config]);
      reports.push(
        ours === true
          ? await carryOut(run, config, options)
          : { ...failedReport(config, SKIPPED), status: 'skipped' },
      );
    }
    return reportOf(run, dryRun, reports);
  });
}
