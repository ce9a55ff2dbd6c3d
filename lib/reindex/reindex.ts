import type { Finding, Report, ReportError, TableReport } from '../contract.ts';
import { usageError } from '../errors.ts';
import type { JobOptions, ProgressEvent } from '../jobs/options.ts';
import { ownershipProblem, statementContext } from '../jobs/plan-table.ts';
import { executedStep, plannedStep } from '../jobs/report.ts';
import { base, type Run, reportOf, SKIPPED, start, unmanageable } from '../jobs/run-context.ts';
import { displayName } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { takeTableLocks } from '../postgres/advisory-lock.ts';
import { applyUnit, type StepOutcome } from '../postgres/apply/apply.ts';
import { concurrentIndexProblem } from '../postgres/concurrent-indexes.ts';
import { inspect } from '../postgres/inspect/inspect.ts';
import type { Found } from '../postgres/inspect/inspected.ts';
import { openSession, untilDone } from '../postgres/session.ts';
import { SQLSTATE } from '../postgres/sqlstate.ts';
import type { Step } from '../postgres/step.ts';
import { readIndexes, readMarked } from './indexes.ts';
import type { Choice } from './model.ts';
import { planReindex, type ReindexPlan } from './plan.ts';
import { rebuildAll } from './pool.ts';

export interface ReindexJobOptions extends Omit<JobOptions, 'tables' | 'now'>, Choice {
  /** `schema.table` of the config, or `schema.index` of such a table or of a partition of it. */
  readonly target: string;
  /** Indexes that are rebuilt at a time, each over a connection of its own. Default: 1. */
  readonly jobs?: number | undefined;
  readonly dryRun?: boolean | undefined;
  /** Rebuilds all of them, also those that an interrupted run has rebuilt. */
  readonly restart?: boolean | undefined;
  /** Told again and again how far the rebuilds at hand are. */
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** How long one index waits for older transactions: whoever comes meanwhile does not wait for it. */
const DEFAULT_MAX_WAIT_MS = 600_000;

/** Locks of the notes, which are comments. */
const NOTE_BUDGET_MS = 60_000;

interface Target {
  readonly config: TableConfig;
  readonly choice: Choice;
}

const choiceOf = ({ indexes, partitions, invalid }: ReindexJobOptions): Choice => ({
  indexes,
  partitions,
  invalid,
});

/** Which table, and which index of it, is meant. */
async function targetOf(run: Run, options: ReindexJobOptions): Promise<Target> {
  const { config, target } = options;
  const choice = choiceOf(options);
  const isTable = ({ schema, table }: TableConfig): boolean =>
    [`${schema}.${table}`, displayName(schema, table)].includes(target);
  const table = config.tables.find(isTable);
  if (table !== undefined) return { config: table, choice };
  const { client } = run.session;
  for (const entry of await inspect(client, config.tables)) {
    if (!('table' in entry)) continue;
    const indexes = await readIndexes(client, entry.table.oid);
    const names = indexes
      .flatMap((index) => (index.parent === null ? [index] : [index, index.parent]))
      .flatMap(({ schema, name }) => [`${schema}.${name}`, displayName(schema, name)]);
    if (!names.includes(target)) continue;
    if (choice.indexes !== undefined && choice.indexes.length > 0)
      throw usageError(
        'index-twice',
        `${target} is an index already.`,
        'Give its table, or leave --index out.',
      );
    return { config: entry.config, choice: { ...choice, indexes: [target] } };
  }
  throw usageError(
    'target-unknown',
    `${target} is neither a table of the config nor an index of one.`,
    `Write schema.table or schema.index. The tables are ${config.tables.map(({ schema, table: name }) => displayName(schema, name)).join(', ')}.`,
  );
}

const failed = (
  config: TableConfig,
  error: ReportError,
  status: TableReport['status'] = 'failed',
): TableReport => ({
  ...base(config),
  status,
  steps: [],
  findings: [],
  error,
});

const stepsOf = ({ notes, units, forget }: ReindexPlan): Step[] => [
  ...notes,
  ...units
    .flat()
    .flatMap(({ leftovers, step }) => [
      ...leftovers.map((one) => one.step),
      ...(step === null ? [] : [step]),
    ]),
  ...(forget === null ? [] : [forget]),
];

/** Several failures as one: which index, and why, is with the steps. */
function summed(errors: readonly ReportError[]): ReportError | undefined {
  const [first, ...others] = errors;
  if (first === undefined || others.length === 0) return first;
  return { ...first, message: `${first.message} And ${others.length} more, which their steps tell.` };
}

async function carryOut(
  run: Run,
  { config, table }: Found,
  plan: ReindexPlan,
  options: ReindexJobOptions,
): Promise<TableReport> {
  const { client } = run.session;
  const signal = options.signal ?? new AbortController().signal;
  const name = { schema: config.schema, table: config.table };
  const steps = stepsOf(plan);
  const outcomes: StepOutcome[] = [];
  const fewer: Finding[] = [];
  let finished = 0;
  const onOutcome = (outcome: StepOutcome): void => {
    finished++;
    const total = Math.max(steps.length, finished);
    options.onStep?.({ ...name, step: executedStep(outcome, table, config), finished, total });
  };
  const onWait = (
    { partition }: Step,
    waitingFor: Parameters<NonNullable<typeof options.onWait>>[0]['waitingFor'],
  ) =>
    options.onWait?.({ ...name, partition, waitingFor, finished, total: Math.max(steps.length, finished) });
  const applied = async (step: Step): Promise<boolean> => {
    const found = await applyUnit([step], { client, budgetMs: NOTE_BUDGET_MS, signal, onOutcome, onWait });
    // A note on what is gone meanwhile is of no use to anybody.
    outcomes.push(
      ...found.map((one) => (one.error?.code === SQLSTATE.undefinedTable ? withoutError(one) : one)),
    );
    return outcomes.at(-1)?.status !== 'failed';
  };
  let going = true;
  for (const step of plan.notes) going &&= await applied(step);
  if (going) {
    outcomes.push(
      ...(await rebuildAll({
        plan,
        tableOid: table.oid,
        watcher: client,
        open: () => openSession(options.connection, 'reindex', 'write'),
        jobs: options.jobs ?? 1,
        onFewer: (connections, jobs) => fewer.push(fewerConnections(connections, jobs)),
        budgetMs: options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
        signal,
        onOutcome,
        onWait,
        onSight: (sights) => {
          const done = sights.map(([, sight]) => sight.finished).reduce((a, b) => a + b, 0);
          const total = sights.map(([, sight]) => sight.total).reduce((a, b) => a + b, 0);
          options.onProgress?.({
            ...name,
            kind: 'reindex',
            partition: sights.map(([step]) => step.partition).join(', '),
            phase: sights.flatMap(([, sight]) => sight.phase ?? []).join(', '),
            finished: done,
            total,
            rows: null,
          });
        },
      })),
    );
  }
  // Every index that is listed has been rebuilt, or is gone.
  const dealtWith = new Set(outcomes.filter(isSettled).map(({ step }) => step));
  const rebuilt = plan.units.flat().every(({ step }) => step === null || dealtWith.has(step));
  if (going && rebuilt && plan.forget !== null) await applied(plan.forget);
  const seen = new Set(outcomes.map(({ step }) => step));
  const error = summed(outcomes.flatMap((one) => (isSettled(one) ? [] : (one.error ?? []))));
  const left = steps.filter((step) => !seen.has(step));
  return {
    ...base(config),
    status: error === undefined ? 'ok' : 'failed',
    steps: [
      ...outcomes.map((one) => executedStep(one, table, config)),
      ...left.map((step) => plannedStep(step, table, config, 'not-run')),
    ],
    findings: [...plan.findings, ...fewer],
    ...(error === undefined ? {} : { error }),
  };
}

const fewerConnections = (connections: number, jobs: number): Finding => ({
  finding: 'reindex',
  severity: 'info',
  message: `The server gave ${connections} of ${jobs} connections: so many partitions were worked on at a time.`,
  remedy: 'Use fewer --jobs, or raise max_connections or the limit of the role.',
  facts: { connections, jobs },
});

const isSettled = ({ status, error }: StepOutcome): boolean => status === 'done' || error?.code === 'gone';

const withoutError = ({ error: _, ...outcome }: StepOutcome): StepOutcome => ({
  ...outcome,
  status: 'not-run',
});

async function reindexTable(
  run: Run,
  { config, choice }: Target,
  options: ReindexJobOptions,
): Promise<TableReport> {
  const { client, server } = run.session;
  const dryRun = options.dryRun === true;
  const bug = concurrentIndexProblem(server);
  if (bug !== null) return failed(config, bug, 'refused');
  const [ours] = dryRun ? [true] : await takeTableLocks(client, [config], 'indexes');
  if (ours !== true) return failed(config, SKIPPED, 'skipped');
  const [entry] = await inspect(client, [config]);
  if (entry === undefined) throw new Error(`the inspection told nothing of ${config.table}`);
  if ('error' in entry) return unmanageable(config, entry.error);
  // New tables are not made.
  const problem = ownershipProblem({ ...entry.table, mayCreate: true }, server);
  if (problem !== null) return failed(config, problem);
  const plan = planReindex({
    table: entry.table,
    indexes: await readIndexes(client, entry.table.oid),
    marked: await readMarked(client, entry.table.oid),
    choice,
    restart: options.restart === true,
    jobs: options.jobs ?? 1,
    maxWaitMs: options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
    context: statementContext(run.context),
  });
  if (!dryRun) return await carryOut(run, entry, plan, options);
  return {
    ...base(config),
    status: 'ok',
    steps: stepsOf(plan).map((step) => plannedStep(step, entry.table, config, 'planned')),
    findings: [...plan.outlook, ...plan.findings],
  };
}

/**
 * Rebuilds the indexes of a table's partitions while everybody works. What interrupts it, the same call goes on where
 * it was.
 * @throws KeeperError when nothing could be begun: no connection, no such table or index
 */
export async function runReindex(options: ReindexJobOptions): Promise<Report> {
  const dryRun = options.dryRun === true;
  const run = await start('reindex', options, dryRun ? 'read' : 'write');
  return await untilDone(run.session.client, async () => {
    return reportOf(run, dryRun, [await reindexTable(run, await targetOf(run, options), options)]);
  });
}
