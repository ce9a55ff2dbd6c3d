import type { ReportError } from '../../contract.ts';
import { displayName, quoteIdentifier } from '../../partition/identifiers.ts';
import { isoText } from '../../partition/key-type.ts';
import { MAX_CREATIONS } from '../../partition/plan-create.ts';
import { isBounded, type Point, union } from '../../partition/range.ts';
import { nameOf, type StatementContext } from '../../postgres/statements/common.ts';
import { analyzeStep, notNullSteps } from '../attach/steps.ts';
import { type IndexPlan, indexPlans } from '../indexes.ts';
import type { LegacyTable } from '../model.ts';
import { replacedName } from '../names.ts';
import { parentToBe, partitionPlan } from '../partitions.ts';
import { replicaIdentityOf } from '../replica-identity.ts';
import type { Situation } from '../situation.ts';
import type { Unit } from '../unit.ts';
import { discard } from './afterwards.ts';
import { copyStep, settleStep } from './backfill.ts';
import { foreignKeySteps, indexSteps, type Leaf } from './build.ts';
import { boundsOf, type CopyPlan, followSteps, unit } from './follow.ts';
import { identityOf } from './identity.ts';
import { captureStep } from './mirror.ts';
import type { Pair } from './pair.ts';
import { newMarker, prepareStep } from './prepare.ts';
import { type CopyState, roomOf } from './state.ts';
import { type CopyStrategy, interimOf, layoutOf } from './strategy.ts';
import { exchangeStep } from './switch.ts';
import { isVerified, noRoom, verificationFailed } from './verified.ts';
import { verifyStep } from './verify.ts';

/** Work on a table that has changed since is begun anew, and so is a copy that missed changes. */
const usable = (copy: CopyState, table: LegacyTable): boolean =>
  copy.marker.fingerprint === table.fingerprint &&
  copy.log !== null &&
  !copy.log.truncated &&
  copy.mirrored &&
  (copy.captured || copy.log.progress?.leaf === 0);

/** As it is once a copy that is of no use has been discarded: the names of its partitions are free again. */
function withoutCopy(situation: Situation): Situation {
  const { table, copy } = situation;
  const freed = new Set(copy?.leaves.map(({ name }) => name));
  return {
    ...situation,
    table: { ...table, taken: new Set([...table.taken].filter((name) => !freed.has(name))) },
  };
}

/** So many partitions come of single rows that are dated long ago, more often than not. */
function farBack(problem: ReportError, { table, config }: Situation): ReportError {
  if (problem.code !== 'too-many-creations' || table.keys.oldest === null) return problem;
  const oldest = isoText(table.keyType, config.timeZone, table.keys.oldest) ?? '-infinity';
  return {
    ...problem,
    message: `The oldest row of ${displayName(table.schema, table.name)} is of ${oldest}: from there on it takes more than ${MAX_CREATIONS} partitions.`,
    hint: `Correct or remove such rows (SELECT * FROM ${nameOf(table)} ORDER BY ${quoteIdentifier(table.keyColumn)} LIMIT 100;), choose a longer interval, use --strategy attach, or repeat the command with --approve.`,
  };
}

/** What is left to do until the other table has taken the place; every step sees from the catalog whether it is done. */
export function forward(
  situation: Situation,
  strategy: CopyStrategy,
  { approve, maxRate }: { readonly approve: boolean; readonly maxRate?: number | undefined },
  context: StatementContext,
): CopyPlan {
  const { table, own } = situation;
  const layout = layoutOf(strategy);
  const interim = interimOf(strategy);
  const going = situation.copy !== null && usable(situation.copy, table);
  const copy = going ? situation.copy : null;
  const identity = copy?.marker.identity ?? identityOf(table) ?? [];
  const target = { schema: table.schema, name: interim(table.name) };
  const parent = going && situation.parent !== null ? situation.parent : parentToBe(table, target.name);
  const keyless = copy === null || !copy.other.constraints.some(({ kind }) => kind === 'foreign key');
  const replicaIdentity = replicaIdentityOf(table);
  const base = strategy === 'split' ? `partition_keeper_${table.oid}` : table.name;
  const partitions =
    layout === 'plain'
      ? { steps: [], problem: null }
      : partitionPlan(
          going ? situation : withoutCopy(situation),
          {
            ...parent,
            foreignKeys: keyless ? [] : parent.foreignKeys,
            template: {
              ...table.template,
              // Its index is made after the rows.
              replicaIdentity: replicaIdentity === 'index' ? 'default' : replicaIdentity,
            },
          },
          {
            from: startOf(situation),
            base,
            approve,
          },
          context,
        );
  const leaves: readonly Leaf[] =
    layout === 'plain'
      ? (copy?.leaves ?? [{ oid: null, ...target, range: null, indexes: 0, foreignKeys: [] }])
      : [
          ...(copy?.leaves ?? []),
          ...partitions.steps.map(
            ({ name, range }): Leaf => ({
              oid: null,
              schema: table.schema,
              name,
              range,
              indexes: 0,
              foreignKeys: [],
            }),
          ),
        ];
  const ranges = leaves.flatMap(({ range }) => range ?? []);
  const pair: Pair = { source: table, target, identity, room: layout === 'plain' ? null : union(ranges) };
  const marker = copy?.marker ?? newMarker(situation, strategy, identity, context);
  const progress = copy?.log?.progress ?? null;
  const there = (names: readonly { readonly name: string }[] | undefined) =>
    new Set(names?.map(({ name }) => name));
  const plans = indexPlans(table, interim);
  const other = copy?.other ?? otherToBe(table, target.name, plans, interim);
  const units: Unit[] = [
    ...(situation.copy !== null && !going ? unit('prepare', discard(situation, context)) : []),
    ...unit('prepare', copy === null ? [prepareStep(pair, strategy, marker, context)] : []),
    ...unit(
      'prepare',
      partitions.steps.map(({ step }) => step),
    ),
    ...unit('prepare', notNullSteps(table, context)),
    ...unit('copy', copy?.captured === true ? [] : [captureStep(pair, context)]),
    ...unit('copy', progress?.copied === true ? [] : [copyStep(pair, maxRate, context)]),
    ...unit('copy', progress?.settled === true ? [] : [settleStep(pair, context)]),
    ...unit('copy', indexSteps(pair, layout, leaves, plans, there(copy?.other.indexes), context)),
    ...unit('copy', followSteps(copy, pair, context)),
    ...unit('copy', foreignKeySteps(pair, layout, leaves, there(copy?.other.constraints), context)),
    ...unit(
      'verify',
      copy !== null && copy.other.rows !== null
        ? []
        : [
            {
              ...analyzeStep(other, context),
              reason: 'statistics, so that plans are good from the first statement on',
            },
          ],
    ),
    ...unit(
      'verify',
      isVerified(copy, context)
        ? []
        : [
            verifyStep(
              pair,
              boundsOf([...ranges, ...(own?.partitions ?? []).map(({ range }) => range)]),
              null,
              context,
            ),
          ],
    ),
    ...unit('switch', [
      exchangeStep(
        {
          pair,
          other,
          waiting: interim,
          aside: replacedName,
          since: copy?.follows?.since ?? '0',
          marker,
          renamed: strategy === 'split' ? finalNames(situation, leaves, base) : [],
          takenBack: [],
          follow: { room: roomOf(own) },
        },
        context,
      ),
    ]),
  ];
  const stuck = partitions.steps.length === 0 ? noRoom(copy, table) : null;
  const far = partitions.problem === null ? null : farBack(partitions.problem, situation);
  return { units, refusal: far ?? stuck ?? verificationFailed(copy, context) };
}

/** The table to be, as far as a switch has to know it: for a plan that is made before it is there. */
const otherToBe = (
  table: LegacyTable,
  name: string,
  plans: readonly IndexPlan[],
  interim: (name: string) => string,
): LegacyTable => ({
  ...table,
  oid: 0,
  name,
  indexes: plans.map((plan) => ({ ...plan.index, name: plan.interim })),
  statistics: table.statistics.map((one) => ({ ...one, name: interim(one.name) })),
  sequences: table.sequences
    .filter(({ identity }) => identity)
    .map((one) => ({ ...one, name: interim(one.name) })),
  constraints: table.constraints.filter(({ kind, validated }) => kind !== 'check' || validated),
});

/** Everything there is gets a partition: from the oldest row, or the oldest partition, on. */
function startOf({ table, own, now }: Situation): Point {
  const points = [
    table.keys.oldest,
    ...(own?.partitions ?? []).flatMap(({ range }) => [range.from, range.to]),
  ];
  const bounded = points.filter((point): point is Point => point !== null && isBounded(point));
  return bounded.reduce(
    (least, point) => (point < least ? point : least),
    BigInt(now.epochMilliseconds) * 1000n,
  );
}

/** The partitions get the names of those they replace, which make room. */
function finalNames({ table, own }: Situation, leaves: readonly Leaf[], base: string) {
  const taken = new Set(own?.partitions.map(({ name }) => name));
  return leaves.flatMap(({ schema, name }) => {
    const final = `${table.name}${name.slice(base.length)}`;
    return [
      ...(taken.has(final) ? [{ schema, from: final, to: replacedName(final) }] : []),
      { schema, from: name, to: final },
    ];
  });
}
