import type { Finding, Report, ReportError, TableReport } from '../contract.ts';
import { KeeperError, usageError } from '../errors.ts';
import { DEFAULT_MAX_WAIT_MS, type JobOptions, selectTables } from '../jobs/options.ts';
import { ownershipProblem, statementContext } from '../jobs/plan-table.ts';
import { executedStep, plannedStep } from '../jobs/report.ts';
import { base, type Run, reportOf, SKIPPED, start } from '../jobs/run-context.ts';
import { displayName } from '../partition/identifiers.ts';
import { scheduleOf } from '../partition/schedule.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { takeTableLocks } from '../postgres/advisory-lock.ts';
import { applyUnit, type StepOutcome } from '../postgres/apply/apply.ts';
import { CONNECTION_LOST, isConnectionLoss } from '../postgres/connect.ts';
import type { Step } from '../postgres/step.ts';
import { undoSteps } from './attach/discard.ts';
import { planAttach } from './attach/plan.ts';
import { analyzeStep } from './attach/steps.ts';
import { boundaryOf } from './boundary.ts';
import type { Situation } from './model.ts';
import { preflight } from './preflight.ts';
import { preparedOf, undoRefusal } from './prepared.ts';
import { lookAt } from './situation.ts';
import { standing } from './standing.ts';

export interface ConvertJobOptions extends Omit<JobOptions, 'tables' | 'now'> {
  /** `schema.table` of the config. */
  readonly table: string;
  /** Shows what is left to do, and does nothing. */
  readonly dryRun?: boolean | undefined;
  /** Goes on where a guard would refuse. */
  readonly approve?: boolean | undefined;
  /** Takes back what has been prepared, as long as the table has not been switched. */
  readonly undo?: boolean | undefined;
}

/** What is left to do, and what is to be said about it. */
interface Outlook {
  readonly steps: readonly Step[];
  readonly findings: readonly Finding[];
  readonly refusal: ReportError | null;
}

const nothingLeft = (finding: Finding): Outlook => ({ steps: [], findings: [finding], refusal: null });

const partitioned = ({ table }: Situation): Finding => ({
  finding: 'conversion',
  severity: 'info',
  message: `${displayName(table.schema, table.name)} is a partitioned table.`,
  remedy: `npx partition-keeper status --table ${table.schema}.${table.name}`,
  facts: { phase: 'converted' },
});

function outlook(run: Run, situation: Situation, options: ConvertJobOptions): Outlook {
  const { table, config, now } = situation;
  const context = statementContext(run.context);
  if (table.kind === 'partitioned table') {
    if (options.undo === true) {
      throw usageError(
        'already-converted',
        `${displayName(table.schema, table.name)} is partitioned already: what was prepared is in use.`,
        'Nothing has been done.',
      );
    }
    const steps = table.rows === null && table.mayManage ? [analyzeStep(table, context)] : [];
    return { ...nothingLeft(partitioned(situation)), steps };
  }
  if (table.kind === 'other') {
    throw usageError(
      'not-a-table',
      `${displayName(table.schema, table.name)} is no ordinary table.`,
      'Only tables can be converted; check the name in the config.',
    );
  }
  const problem = ownershipProblem(table, run.context.server);
  if (problem !== null) throw new KeeperError(problem);
  if (options.undo === true) {
    return { steps: undoSteps(situation, context), findings: [], refusal: undoRefusal(situation) };
  }
  const schedule = scheduleOf(config, table.keyType, now);
  const boundary = boundaryOf(schedule, table.keys, config.premake);
  const ours = preparedOf(situation) !== null;
  const judged = preflight(table, config, boundary, { approve: options.approve === true, ours });
  const plan = planAttach(situation, context);
  const steps = plan.units.flat();
  return {
    steps,
    findings: [standing(situation, plan, steps.length), ...judged.findings],
    refusal: judged.refusal,
  };
}

const failedReport = (config: TableConfig, error: ReportError): TableReport => ({
  ...base(config),
  status: 'failed',
  steps: [],
  findings: [],
  error,
});

/** One step after the other; what is left is seen anew after each, as others may have changed something. */
async function carryOut(run: Run, config: TableConfig, options: ConvertJobOptions): Promise<TableReport> {
  const { client, server } = run.session;
  const outcomes: StepOutcome[] = [];
  let situation = await lookAt(client, config, server, run.context.now);
  let left = outlook(run, situation, options);
  const changes = left.findings.filter(({ finding }) => finding === 'changes');
  const { keyType } = situation.table;
  const reported = (outcome: StepOutcome) => executedStep(outcome, { keyType }, config);
  const report = (status: TableReport['status'], error?: ReportError): TableReport => ({
    ...base(config),
    status,
    steps: [
      ...outcomes.map(reported),
      ...left.steps
        .slice(outcomes.at(-1)?.status === 'failed' ? 1 : 0)
        .map((step) =>
          plannedStep(step, { keyType }, config, options.dryRun === true ? 'planned' : 'not-run'),
        ),
    ],
    // What changes for the application is worth knowing also once it has changed.
    findings: [...left.findings.filter(({ finding }) => finding !== 'changes'), ...changes],
    ...(error === undefined ? {} : { error }),
  });
  if (left.refusal !== null) return report('refused', left.refusal);
  if (options.dryRun === true) return report('ok');
  const name = { schema: config.schema, table: config.table };
  for (;;) {
    const [next] = left.steps;
    if (next === undefined) return report('ok');
    const total = outcomes.length + left.steps.length;
    const [outcome] = await applyUnit([next], {
      client,
      budgetMs: options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
      signal: options.signal ?? new AbortController().signal,
      onOutcome: (one) =>
        options.onStep?.({ ...name, step: reported(one), finished: outcomes.length + 1, total }),
      onWait: ({ partition }, waitingFor) =>
        options.onWait?.({ ...name, partition, waitingFor, finished: outcomes.length, total }),
    });
    if (outcome === undefined) return report('ok');
    if (outcome.status === 'not-run') return report('failed', outcome.error);
    outcomes.push(outcome);
    if (outcome.status === 'failed') return report('failed', outcome.error);
    const before = next.statements.join(';');
    situation = await lookAt(client, config, server, run.context.now);
    left = outlook(run, situation, options);
    if (left.refusal !== null) return report('refused', left.refusal);
    if (left.steps[0]?.statements.join(';') === before)
      throw new Error(`the step has been done and is still left to do: ${next.reason}`);
  }
}

/**
 * Turns a plain table into a partitioned one, while it is in use: the table becomes the first partition, and no row is
 * moved. Whatever interrupts it, the same call goes on where it was.
 * @throws KeeperError when nothing could be begun: no connection, no such table, a key it cannot have
 */
export async function runConvert(options: ConvertJobOptions): Promise<Report> {
  const tables = selectTables(options.config, [options.table]);
  const dryRun = options.dryRun === true;
  const run = await start('convert', options, dryRun ? 'read' : 'write');
  try {
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
  } catch (error) {
    if (isConnectionLoss(run.session.client, error))
      throw new KeeperError({ ...CONNECTION_LOST, cause: error });
    throw error;
  } finally {
    await run.session.client.end();
  }
}
