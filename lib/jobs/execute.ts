import type { ReportError, TableReport } from '../contract.ts';
import { findingsOf } from '../partition/health.ts';
import { applyUnit, heldItself, type StepOutcome } from '../postgres/apply/apply.ts';
import { HOPELESS } from '../postgres/apply/explain.ts';
import type { Found } from '../postgres/inspect/inspected.ts';
import type { Step } from '../postgres/step.ts';
import { type BeginEvent, DEFAULT_MAX_WAIT_MS, type StepEvent, type WaitEvent } from './options.ts';
import type { TablePlan } from './plan-table.ts';
import { executedStep, plannedStep } from './report.ts';
import { base, healthInput, type Run } from './run-context.ts';

/** A table with what is to be done to it. */
export interface Planned {
  readonly entry: Found;
  readonly plan: TablePlan;
}

/** Several problems of one table as one error. */
function joined(problems: readonly ReportError[]): ReportError | undefined {
  const [first, ...others] = problems;
  if (first === undefined || others.length === 0) return first;
  return { ...first, message: problems.map(({ message }) => message).join(' ') };
}

/** A plan as a dry run, or a guard's refusal, shows it. */
export function unexecuted({ entry, plan }: Planned, dryRun: boolean): TableReport {
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

/**
 * Whether the next partition would fare no better: the server or the connection is at fault, or somebody holds more than
 * the partition itself. Any other failure concerns one partition only.
 */
const endsTable = (outcome: StepOutcome): boolean =>
  outcome.error !== undefined &&
  (HOPELESS.includes(outcome.error.code) ||
    (outcome.error.code === 'lock-not-available' && !heldItself(outcome)));

/** What is told while a plan is applied. */
export interface Told {
  readonly onBegin: (step: Pick<BeginEvent, 'kind' | 'partition'>) => void;
  readonly onStep: (step: StepEvent['step']) => void;
  readonly onWait: (wait: Pick<WaitEvent, 'partition' | 'waitingFor'>) => void;
}

/** Applies a plan, one partition after the other: one that fails does not keep the others from their turn. */
export async function execute(
  run: Run,
  { entry, plan }: Planned,
  { onBegin, onStep, onWait }: Told,
): Promise<TableReport> {
  const { table, config } = entry;
  const steps: TableReport['steps'][number][] = [];
  const errors: ReportError[] = [...plan.problems];
  const context = {
    client: run.session.client,
    budgetMs: run.options.maxWaitMs ?? DEFAULT_MAX_WAIT_MS,
    signal: run.options.signal ?? new AbortController().signal,
    onBegin: ({ kind, partition }: Step) => onBegin({ kind, partition }),
    onOutcome: (outcome: Parameters<typeof executedStep>[0]) => onStep(executedStep(outcome, table, config)),
    onWait: ({ partition }: Step, waitingFor: WaitEvent['waitingFor']) => onWait({ partition, waitingFor }),
  };
  let ended = false;
  for (const unit of plan.units) {
    if (ended) {
      steps.push(...unit.map((step) => plannedStep(step, table, config, 'not-run')));
      continue;
    }
    const outcomes = await applyUnit(unit, context);
    steps.push(...outcomes.map((outcome) => executedStep(outcome, table, config)));
    errors.push(...outcomes.flatMap(({ error }) => error ?? []));
    ended = outcomes.some(endsTable);
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
