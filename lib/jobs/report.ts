import type { ReportStep, StepStatus } from '../contract.ts';
import { isoText } from '../partition/key-type.ts';
import type { ManagedTable } from '../partition/model.ts';
import type { TableConfig } from '../partition/table-config.ts';
import type { StepOutcome } from '../postgres/apply/apply.ts';
import type { Step } from '../postgres/step.ts';

/** A step that has not been run. */
export function plannedStep(
  step: Step,
  table: Pick<ManagedTable, 'keyType'>,
  config: TableConfig,
  status: StepStatus,
): ReportStep {
  return {
    kind: step.kind,
    partition: step.partition,
    from: isoText(table.keyType, config.timeZone, step.range.from),
    to: isoText(table.keyType, config.timeZone, step.range.to),
    reason: step.reason,
    hazards: step.hazards,
    status,
    attempts: 0,
    waitedMs: 0,
    durationMs: 0,
    statements: step.statements,
    ...(step.progress === undefined ? {} : { repeatedUntil: step.progress }),
  };
}

export function executedStep(
  outcome: StepOutcome,
  table: Pick<ManagedTable, 'keyType'>,
  config: TableConfig,
): ReportStep {
  return {
    ...plannedStep(outcome.step, table, config, outcome.status),
    attempts: outcome.attempts,
    waitedMs: outcome.waitedMs,
    durationMs: outcome.durationMs,
    ...(outcome.blockers.length === 0 ? {} : { waitedFor: outcome.blockers }),
    ...(outcome.error === undefined ? {} : { error: outcome.error }),
  };
}
