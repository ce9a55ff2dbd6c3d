import type { ReportError } from '../../contract.ts';
import { isoText, keyText, parseKeyText } from '../../partition/key-type.ts';
import { BOUNDARY } from '../../partition/names.ts';
import type { Point } from '../../partition/range.ts';
import { scheduleOf } from '../../partition/schedule.ts';
import type { StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { boundaryOf } from '../boundary.ts';
import { helperIndexes, indexPlans } from '../indexes.ts';
import type { ConversionMarker } from '../marker.ts';
import { parentName } from '../names.ts';
import { nullableKey } from '../nullable.ts';
import { parentStep } from '../parent.ts';
import { parentToBe, partitionPlan } from '../partitions.ts';
import { preparedOf } from '../prepared.ts';
import { replicaIdentityOf } from '../replica-identity.ts';
import type { Situation } from '../situation.ts';
import { switchStep } from '../switch/switch.ts';
import type { Unit } from '../unit.ts';
import { discardStep } from './discard.ts';
import { boundarySteps, helperIndexStep, notNullSteps } from './steps.ts';

/** Work begun so long ago, or after a table that has changed since, is begun anew; it holds no rows. */
function usable(marker: ConversionMarker | null, situation: Situation): marker is ConversionMarker {
  const { table, config, now } = situation;
  if (marker === null || marker.fingerprint !== table.fingerprint) return false;
  if (marker.strategy !== 'attach' || marker.boundary === null) return false;
  const point = parseKeyText(table.keyType, marker.boundary);
  const tomorrow = scheduleOf(config, table.keyType, now).pointOf(now.add({ hours: 24 }));
  return point !== undefined && point > tomorrow && (table.keys.newest === null || table.keys.newest < point);
}

const newMarker = ({ table, config, now }: Situation, context: StatementContext): ConversionMarker => {
  const schedule = scheduleOf(config, table.keyType, now);
  return {
    tableOid: table.oid,
    strategy: 'attach',
    boundary: keyText(table.keyType, boundaryOf(schedule, table.keys, config.premake).point),
    nullableKey: nullableKey(table),
    fingerprint: table.fingerprint,
    startedAt: context.startedAt,
    by: context.role,
    runId: context.runId,
  };
};

/** As it is once what is of no use has been discarded: the names of its partitions are free again. */
function withoutPrepared(situation: Situation): Situation {
  const { table } = situation;
  const freed = new Set(preparedOf(situation)?.parent.partitions.map(({ name }) => name));
  return {
    ...situation,
    parent: null,
    table: { ...table, taken: new Set([...table.taken].filter((name) => !freed.has(name))) },
  };
}

/** The look-ahead from the boundary on, made with what the old table has of its own; called by the final name. */
function partitionSteps(
  situation: Situation,
  boundary: Point,
  context: StatementContext,
): { readonly steps: Step[]; readonly problem: ReportError | null } {
  const { table } = situation;
  const parent = situation.parent ?? parentToBe(table, parentName(table.name));
  const { steps, problem } = partitionPlan(
    situation,
    { ...parent, template: { ...table.template, replicaIdentity: replicaIdentityOf(table) } },
    { from: boundary, base: table.name, approve: true },
    context,
  );
  return {
    steps: steps.filter(({ range }) => range.from >= boundary).map(({ step }) => step),
    problem,
  };
}

export interface AttachPlan {
  readonly units: readonly Unit[];
  readonly marker: ConversionMarker;
  readonly boundary: Point;
  /** Why not all of it can be done; null: it can. */
  readonly refusal: ReportError | null;
}

/**
 * What is left to do until the table is the first partition of a partitioned one, in order; every step sees from the
 * catalog whether it has been done.
 */
export function planAttach(situation: Situation, context: StatementContext): AttachPlan {
  const { table, parent, config } = situation;
  const found = preparedOf(situation)?.marker ?? null;
  const marker = usable(found, situation) ? found : newMarker(situation, context);
  const going = marker === found;
  const boundary = parseKeyText(table.keyType, marker.boundary ?? '') ?? 0n;
  const text = isoText(table.keyType, config.timeZone, boundary) ?? 'the boundary';
  const discard = going ? null : discardStep(situation, context);
  const current = going ? situation : withoutPrepared(situation);
  const withoutCheck = going
    ? table
    : { ...table, constraints: table.constraints.filter(({ name }) => name !== BOUNDARY) };
  const partitions = partitionSteps(current, boundary, context);
  const valid = new Set(
    helperIndexes(table)
      .filter((index) => index.valid)
      .map(({ name }) => name),
  );
  const each = (stage: Unit['stage'], steps: readonly Step[]): Unit[] =>
    steps.map((step) => ({ stage, steps: [step] }));
  const units: Unit[] = [
    ...each('prepare', discard === null ? [] : [discard]),
    ...each('prepare', going && parent !== null ? [] : [parentStep(withoutCheck, marker, context)]),
    ...each('prepare', partitions.steps),
    ...each(
      'prepare',
      indexPlans(table).flatMap((plan) =>
        plan.helper === null || valid.has(plan.helper) ? [] : [helperIndexStep(table, plan, plan.helper)],
      ),
    ),
    ...each('prepare', notNullSteps(table, context)),
    ...each('verify', boundarySteps(withoutCheck, boundary, text, context)),
    ...each('switch', [switchStep(withoutCheck, boundary, marker, context)]),
  ];
  return { units, marker, boundary, refusal: partitions.problem };
}
