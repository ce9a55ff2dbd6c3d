import { randomUUID } from 'node:crypto';
import { Temporal } from 'temporal-polyfill';
import type { Finding, FindingName, Report, ReportError, ReportKind, TableReport } from '../contract.ts';
import { findingsOf, gaugesOf } from '../partition/health.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { takeTableLocks } from '../postgres/advisory-lock.ts';
import { applyUnit } from '../postgres/apply/apply.ts';
import { explain } from '../postgres/apply/explain.ts';
import { type Inspected, inspect } from '../postgres/inspect/inspect.ts';
import { openSession, type ServerFacts, type Session } from '../postgres/session.ts';
import { coverageOf } from './coverage.ts';
import {
  DEFAULT_MAX_WAIT_MS,
  type InspectJobOptions,
  type JobOptions,
  type StepEvent,
  selectTables,
} from './options.ts';
import { ownershipProblem, type PlanContext, type TablePlan } from './plan-table.ts';
import { executedStep, plannedStep, succeeded } from './report.ts';

/** How to plan one table; the rest of a run is the same for every job. */
export type Planner = (
  context: PlanContext,
  entry: Extract<Inspected, { readonly table: unknown }>,
) => Promise<TablePlan>;

interface Run {
  readonly kind: ReportKind;
  readonly options: JobOptions;
  readonly session: Session;
  readonly startedAt: Temporal.Instant;
  readonly context: PlanContext;
}

async function start(kind: ReportKind, options: JobOptions, access: 'read' | 'write'): Promise<Run> {
  const startedAt = Temporal.Now.instant();
  const session = await openSession(options.connection, kind, access);
  const localClock = Temporal.Now.instant();
  const context = {
    client: session.client,
    server: session.server,
    runId: randomUUID(),
    now: options.now ?? session.server.clock,
    localClock,
  };
  return { kind, options, session, startedAt, context };
}

function reportOf(run: Run, dryRun: boolean, tables: readonly TableReport[]): Report {
  const { kind, context, startedAt, session } = run;
  return {
    version: 1,
    job: kind,
    runId: context.runId,
    database: session.server.database,
    serverVersion: session.server.version,
    startedAt: startedAt.toString(),
    now: context.now.toString(),
    durationMs: Temporal.Now.instant().epochMilliseconds - startedAt.epochMilliseconds,
    dryRun,
    ok: succeeded(tables),
    tables,
  };
}

const FINDING_OF_ERROR: Readonly<Record<string, FindingName>> = {
  'table-missing': 'not-partitioned',
  'not-partitioned': 'not-partitioned',
  'wrong-key': 'wrong-key',
};

/** A table that cannot be managed as configured: it fails alone. */
function unmanageable(config: TableConfig, error: ReportError): TableReport {
  const name = FINDING_OF_ERROR[error.code];
  const findings: Finding[] =
    name === undefined
      ? []
      : [
          {
            finding: name,
            severity: 'critical',
            message: error.message,
            remedy: error.hint,
            facts: { code: error.code },
          },
        ];
  return { schema: config.schema, table: config.table, status: 'failed', steps: [], findings, error };
}

const base = (config: TableConfig) => ({ schema: config.schema, table: config.table });

const healthInput = (run: Run, entry: Extract<Inspected, { readonly table: unknown }>) => ({
  ...entry,
  now: run.context.now,
  serverClock: run.context.server.clock,
  localClock: run.context.localClock,
});

/** Several problems of one table as one error. */
function joined(problems: readonly ReportError[]): ReportError | undefined {
  const [first, ...others] = problems;
  if (first === undefined || others.length === 0) return first;
  return { ...first, message: problems.map(({ message }) => message).join(' ') };
}

interface Planned {
  readonly entry: Extract<Inspected, { readonly table: unknown }>;
  readonly plan: TablePlan;
}

async function planTable(
  run: Run,
  entry: Planned['entry'],
  planner: Planner,
): Promise<Planned | TableReport> {
  const problem = ownershipProblem(entry.table, run.context.server);
  if (problem !== null)
    return { ...base(entry.config), status: 'failed', steps: [], findings: [], error: problem };
  try {
    return { entry, plan: await planner(run.context, entry) };
  } catch (error) {
    return { ...base(entry.config), status: 'failed', steps: [], findings: [], error: explain(error) };
  }
}

/** A plan as a dry run, or a guard's refusal, shows it. */
function unexecuted({ entry, plan }: Planned, dryRun: boolean): TableReport {
  const error = plan.refusal ?? joined(plan.problems);
  return {
    ...base(entry.config),
    status: plan.refusal !== null ? 'refused' : plan.problems.length > 0 ? 'failed' : 'ok',
    steps: plan.units
      .flat()
      .map((step) => plannedStep(step, entry.table, entry.config, dryRun ? 'planned' : 'not-run')),
    findings: plan.findings,
    ...(error === undefined ? {} : { error }),
  };
}

async function execute(
  run: Run,
  { entry, plan }: Planned,
  onStep: (step: StepEvent['step']) => void,
): Promise<TableReport> {
  const { table, config } = entry;
  const steps: TableReport['steps'][number][] = [];
  const errors: ReportError[] = [...plan.problems];
  const context = {
    client: run.session.client,
    budgetMs: run.options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
    signal: run.options.signal ?? new AbortController().signal,
    onOutcome: (outcome: Parameters<typeof executedStep>[0]) => onStep(executedStep(outcome, table, config)),
  };
  for (const unit of plan.units) {
    if (errors.length > plan.problems.length) {
      steps.push(...unit.map((step) => plannedStep(step, table, config, 'not-run')));
      continue;
    }
    const outcomes = await applyUnit(unit, context);
    steps.push(...outcomes.map((outcome) => executedStep(outcome, table, config)));
    errors.push(...outcomes.flatMap(({ error }) => error ?? []));
  }
  const error = joined(errors);
  const stuck = steps.some(({ kind, status }) => kind === 'move-rows' && status === 'failed');
  const stuckRows = stuck
    ? findingsOf(healthInput(run, entry)).filter(({ finding }) => finding === 'default-rows')
    : [];
  return {
    ...base(config),
    status: error === undefined ? 'ok' : 'failed',
    steps,
    findings: [...plan.findings, ...stuckRows],
    ...(error === undefined ? {} : { error }),
  };
}

const isReport = (value: Planned | TableReport): value is TableReport => 'status' in value;

/** What was done, beside the figures of an inspection. */
function withGauges(run: Run, reports: readonly TableReport[], after: readonly Inspected[]): TableReport[] {
  return reports.map((report, index) => {
    const entry = after[index];
    return entry === undefined || !('table' in entry)
      ? report
      : { ...report, gauges: gaugesOf(healthInput(run, entry)) };
  });
}

const SKIPPED: ReportError = {
  code: 'skipped',
  message: 'Another run of Partition Keeper is working on this table.',
  hint: 'Nothing to do: the other run does the work. If it hangs, look for application_name partition-keeper in pg_stat_activity.',
};

/**
 * Inspects, plans and, unless it is a dry run, applies, table by table: a failure in one never stops the others.
 * @throws KeeperError when nothing could be begun: no connection, a server of the wrong kind, an unknown table
 */
export async function runPlanned(
  kind: ReportKind,
  options: JobOptions,
  dryRun: boolean,
  planner: Planner,
): Promise<Report> {
  const tables = selectTables(options.config, options.tables);
  const run = await start(kind, options, dryRun ? 'read' : 'write');
  try {
    const ours = dryRun ? tables.map(() => true) : await takeTableLocks(run.session.client, tables);
    // Inspected only now: what another run did until it let go of its locks is seen.
    const inspected = await inspect(run.session.client, tables);
    const planned: (Planned | TableReport)[] = [];
    for (const [index, entry] of inspected.entries()) {
      if (ours[index] !== true)
        planned.push({ ...base(entry.config), status: 'skipped', steps: [], findings: [], error: SKIPPED });
      else if ('error' in entry) planned.push(unmanageable(entry.config, entry.error));
      else planned.push(await planTable(run, entry, planner));
    }
    const total = planned.reduce(
      (sum, item) => sum + (isReport(item) ? 0 : item.plan.units.flat().length),
      0,
    );
    let finished = 0;
    const reports: TableReport[] = [];
    for (const item of planned) {
      if (isReport(item)) reports.push(item);
      else if (dryRun || item.plan.refusal !== null) reports.push(unexecuted(item, dryRun));
      else {
        const { schema, table } = item.entry.config;
        reports.push(
          await execute(run, item, (step) => {
            finished++;
            options.onStep?.({ schema, table, step, finished, total: Math.max(total, finished) });
          }),
        );
      }
    }
    // Where nothing was changed, nothing has changed; where the connection is gone, there are no figures.
    const after = dryRun ? inspected : await inspect(run.session.client, tables).catch(() => []);
    return reportOf(run, dryRun, withGauges(run, reports, after));
  } finally {
    await run.session.client.end();
  }
}

/** Inspects and tells, changing nothing: the base of `health`, `status` and `validate`. */
export async function runInspection(
  kind: 'health' | 'status' | 'validate',
  options: InspectJobOptions,
): Promise<Report> {
  const tables = selectTables(options.config, options.tables);
  const run = await start(kind, options, 'read');
  try {
    const inspected = await inspect(run.session.client, tables, { exactSizes: options.exactSizes });
    const reports = inspected.map((entry) => inspectionReport(run, entry, run.context.server));
    return reportOf(run, true, reports);
  } finally {
    await run.session.client.end();
  }
}

function inspectionReport(run: Run, entry: Inspected, server: ServerFacts): TableReport {
  if ('error' in entry) return unmanageable(entry.config, entry.error);
  const problem = run.kind === 'validate' ? ownershipProblem(entry.table, server) : null;
  const input = healthInput(run, entry);
  return {
    ...base(entry.config),
    status: problem === null ? 'ok' : 'failed',
    steps: [],
    findings: run.kind === 'validate' ? [] : findingsOf(input),
    gauges: gaugesOf(input),
    ...(run.kind === 'status' ? { coverage: coverageOf(entry.table, entry.config, run.context.now) } : {}),
    ...(problem === null ? {} : { error: problem }),
  };
}
