import type { ReportError } from '../contract.ts';
import type { PartitionedTable } from '../partition/model.ts';
import { planCreate } from '../partition/plan-create.ts';
import type { Point, Range } from '../partition/range.ts';
import { scheduleOf } from '../partition/schedule.ts';
import type { StatementContext } from '../postgres/statements/common.ts';
import { createStep } from '../postgres/statements/create.ts';
import type { Step } from '../postgres/step.ts';
import type { LegacyTable } from './model.ts';
import type { Situation } from './situation.ts';

/** The partitioned table to be, as it will be: for a plan that is made before it is there. */
export const parentToBe = (table: LegacyTable, name: string): PartitionedTable => ({
  ...table,
  name,
  partitions: [],
  unreadable: [],
  defaultPartition: null,
  detached: [],
  doubtful: [],
  mirrored: false,
  takenNames: new Map(),
});

export interface PartitionPlan {
  readonly steps: readonly { readonly name: string; readonly range: Range; readonly step: Step }[];
  readonly problem: ReportError | null;
}

/**
 * The partitions that the partitioned table to be lacks, made with what the old table has of its own.
 * @param from the first key to be covered; nothing below it is
 * @param base what their names begin with
 */
export function partitionPlan(
  { table, config, now }: Situation,
  parent: PartitionedTable,
  { from, base, approve }: { readonly from: Point; readonly base: string; readonly approve: boolean },
  context: StatementContext,
): PartitionPlan {
  const own = new Set(parent.partitions.map(({ name }) => name));
  const takenNames = new Map(
    [...table.taken].map((name) => [name, own.has(name) ? ('own partition' as const) : ('other' as const)]),
  );
  const schedule = scheduleOf(config, table.keyType, now);
  // Rows past retention are not for a conversion to leave out.
  const plan = planCreate(
    { ...parent, name: base, takenNames },
    { ...config, retention: null },
    { now, from: schedule.latest(from), approve },
  );
  const [taken] = plan.problems.map((problem) => ({
    ...problem,
    hint: 'Rename that relation, then repeat the command.',
  }));
  return {
    steps: plan.steps
      .filter(({ range }) => range.to > from)
      .map((one) => ({ ...one, step: createStep(parent, one, 0, context) })),
    problem: plan.refusal ?? taken ?? null,
  };
}
