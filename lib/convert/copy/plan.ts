import type { ReportError } from '../../contract.ts';
import { displayName } from '../../partition/identifiers.ts';
import { isBounded, MAXVALUE, MINVALUE, type Point, union } from '../../partition/range.ts';
import { begin, nameOf, type StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { analyzeStep, notNullSteps } from '../attach/steps.ts';
import { type IndexPlan, indexPlans } from '../indexes.ts';
import { type ConversionMarker, conversionText, type Strategy } from '../marker.ts';
import type { LegacyTable, Situation } from '../model.ts';
import { MIRROR, parentName, plainName, replacedName, TRUNCATE } from '../names.ts';
import { parentToBe, partitionPlan } from '../partitions.ts';
import { type Layout, shellSql } from '../parts.ts';
import type { Unit } from '../unit.ts';
import { copyBegins, copyStep, settleStep } from './backfill.ts';
import { foreignKeySteps, indexSteps, type Leaf } from './build.ts';
import { catchUpStep, changesTable } from './changes.ts';
import { columnsDiffer, sharing } from './columns.ts';
import { type Removal, removalSteps } from './finish.ts';
import { identityOf } from './identity.ts';
import { captureStep, followingDigest, LAST_CHANGES, mirrorStep, notingFunction } from './mirror.ts';
import type { Pair } from './pair.ts';
import { type CopyState, roomOf } from './state.ts';
import { exchangeStep } from './switch.ts';
import { verifyStep } from './verify.ts';

export interface CopyPlan {
  readonly units: readonly Unit[];
  readonly refusal: ReportError | null;
}

export type CopyStrategy = Exclude<Strategy, 'attach'>;

export const layoutOf = (strategy: CopyStrategy): Layout =>
  strategy === 'unconvert' ? 'plain' : 'partitioned';

/** What the table to be, and what belongs to it, is called until the switch. */
export const interimOf = (strategy: CopyStrategy) => (strategy === 'unconvert' ? plainName : parentName);

/** What was compared longer ago is compared again before anything depends on it. */
const COMPARED_FOR_HOURS = 24;

/** Work on a table that has changed since is begun anew, and so is a copy that missed changes. */
const usable = (copy: CopyState, table: LegacyTable): boolean =>
  copy.marker.fingerprint === table.fingerprint &&
  copy.log !== null &&
  !copy.log.truncated &&
  copy.mirrored &&
  (copy.captured || copy.log.progress?.leaf === 0);

const newMarker = (
  { table }: Situation,
  strategy: CopyStrategy,
  identity: readonly string[],
  context: StatementContext,
): ConversionMarker => ({
  tableOid: table.oid,
  strategy,
  boundary: null,
  identity: [...identity],
  fingerprint: table.fingerprint,
  startedAt: context.startedAt,
  by: context.role,
  runId: context.runId,
});

/** The table to be, the log, and the function that writes to it; nobody feels any of it. */
function prepareStep(
  pair: Pair,
  strategy: CopyStrategy,
  marker: ConversionMarker,
  context: StatementContext,
): Step {
  const { source, target } = pair;
  return {
    kind: 'prepare',
    partition: displayName(target.schema, target.name),
    partitionOid: null,
    range: { from: MINVALUE, to: MAXVALUE },
    reason: `the table to be, made after ${displayName(source.schema, source.name)}`,
    hazards: [],
    locks: [],
    statements: [
      ...begin(source, context),
      ...shellSql(source, target.name, conversionText(marker), {
        layout: layoutOf(strategy),
        interim: interimOf(strategy),
        filled: true,
      }),
      changesTable(pair),
      copyBegins(pair),
      ...notingFunction(pair),
      'COMMIT',
    ],
  };
}

/** Whether both tables were compared lately and found equal. */
export const isVerified = (copy: CopyState | null, { now }: Pick<Situation, 'now'>): boolean => {
  const verified = copy?.log?.progress?.verified;
  return (
    verified !== undefined &&
    verified.differences === 0 &&
    verified.shape === copy?.shape &&
    now.subtract({ hours: COMPARED_FOR_HOURS }).toString() < verified.at
  );
};

/** Rows that differ once are taken over anew; if they still differ, something changes them on the way. */
function verificationFailed(copy: CopyState | null, context: StatementContext): ReportError | null {
  const verified = copy?.log?.progress?.verified;
  if (copy === null || verified === undefined || verified.differences === 0) return null;
  if (verified.runId !== context.runId || verified.round < 2) return null;
  const name = displayName(copy.other.schema, copy.other.name);
  return {
    code: 'verification-failed',
    message: `${verified.differences} rows of ${name} differ, though they have been taken over anew: ${verified.examples.join(', ')}.`,
    hint: `Find out what changes them (a trigger, a default or a rule of ${name}), mend it, and repeat the command; or give the copy up with --undo. Nothing has been switched.`,
  };
}

/** Rows that the other table cannot take, though it has all the partitions it can be given. */
function noRoom(copy: CopyState | null, table: LegacyTable): ReportError | null {
  if (copy?.log?.outside !== true) return null;
  const other = displayName(copy.other.schema, copy.other.name);
  return {
    code: 'no-partition',
    message: `${displayName(table.schema, table.name)} has rows for which ${other} has no partition.`,
    hint: `Create the partition of ${other} that they need, or correct their ${table.keyColumn}, and repeat the command. Nothing has been switched.`,
  };
}

const boundsOf = (ranges: readonly { readonly from: Point; readonly to: Point }[]): Point[] =>
  [...new Set(ranges.flatMap(({ from, to }) => [from, to]))]
    .filter(isBounded)
    .sort((a, b) => (a < b ? -1 : 1));

/** What is outstanding while the other table follows, or is about to. */
function followSteps(copy: CopyState | null, pair: Pair, context: StatementContext): Step[] {
  const outstanding = copy?.log?.outstanding ?? 'few';
  const follows = copy?.follows?.digest === followingDigest(pair);
  return [
    ...(copy?.follows == null && outstanding !== 'none' ? [catchUpStep(pair, LAST_CHANGES, context)] : []),
    ...(follows && outstanding === 'none' ? [] : [mirrorStep(pair, follows, context)]),
  ];
}

const unit = (stage: Unit['stage'], steps: readonly Step[]): Unit[] =>
  steps.length === 0 ? [] : [{ stage, steps }];

/** As it is once a copy that is of no use has been discarded: the names of its partitions are free again. */
function withoutCopy(situation: Situation): Situation {
  const { table, copy } = situation;
  const freed = new Set(copy?.leaves.map(({ name }) => name));
  return {
    ...situation,
    table: { ...table, taken: new Set([...table.taken].filter((name) => !freed.has(name))) },
  };
}

/** What is left to do until the other table has taken the place; every step sees from the catalog whether it is done. */
function forward(
  situation: Situation,
  strategy: CopyStrategy,
  context: StatementContext,
  approve: boolean,
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
              replicaIdentity:
                table.template.replicaIdentity === 'index' ? 'default' : table.template.replicaIdentity,
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
    ...unit('copy', progress?.copied === true ? [] : [copyStep(pair, context)]),
    ...unit('copy', progress?.settled === true ? [] : [settleStep(pair, context)]),
    ...unit('copy', indexSteps(pair, layout, leaves, plans, there(copy?.other.indexes), context)),
    ...unit('copy', followSteps(copy, pair, context)),
    ...unit('copy', foreignKeySteps(pair, layout, leaves, there(copy?.other.constraints), context)),
    ...unit(
      'copy',
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
      isVerified(copy, situation)
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
          follow: { room: roomOf(own) },
        },
        context,
      ),
    ]),
  ];
  const stuck = partitions.steps.length === 0 ? noRoom(copy, table) : null;
  return { units, refusal: partitions.problem ?? stuck ?? verificationFailed(copy, context) };
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

/** Partitions get back the names they had before they made room. */
function formerNames({ own }: Situation, leaves: readonly Leaf[]) {
  const there = new Set(leaves.map(({ name }) => name));
  return (own?.partitions ?? [])
    .filter(({ name }) => there.has(replacedName(name)))
    .flatMap(({ schema, name }) => [
      { schema, from: name, to: parentName(name) },
      { schema, from: replacedName(name), to: name },
    ]);
}

function pairOf({ table, copy }: Situation): Pair {
  if (copy === null) throw new Error('there is no copy');
  return {
    source: sharing(table, copy.other),
    target: copy.other,
    identity: copy.marker.identity ?? [],
    room: copy.room,
  };
}

function removalOf(situation: Situation, compared: boolean): Removal {
  const { copy } = situation;
  if (copy === null) throw new Error('there is no copy');
  const { other, marker, leaves, tied, mirrored, log } = copy;
  return { pair: pairOf(situation), other, marker, leaves, tied, log: log !== null, mirrored, compared };
}

/** Gives a copy up that has not taken the place: nothing is lost, the table in use has every row. */
const discard = (situation: Situation, context: StatementContext): Step[] =>
  removalSteps(removalOf(situation, false), context);

/**
 * Compared is what the partitions in use hold: rows of those that retention has removed meanwhile are still in the
 * table that was replaced, and stay there.
 */
function comparison(situation: Situation, pair: Pair, context: StatementContext): Step {
  const { own, copy } = situation;
  if (own === null)
    return verifyStep(
      pair,
      boundsOf((copy?.leaves ?? []).flatMap(({ range }) => range ?? [])),
      null,
      context,
    );
  const ranges = own.partitions.map(({ range }) => range);
  const bounds = boundsOf(ranges);
  const held = (point: Point) =>
    own.defaultPartition !== null || ranges.some(({ from, to }) => from <= point && point < to);
  const stretches = [MINVALUE, ...bounds].flatMap((from, stretch) => (held(from) ? [stretch] : []));
  return verifyStep(pair, bounds, stretches, context);
}

/** Until it is removed, the table that was replaced follows; what its triggers could only note is taken over. */
const keepUp = (situation: Situation, context: StatementContext): Unit[] =>
  unit('copy', situation.copy?.tied === true ? followSteps(situation.copy, pairOf(situation), context) : []);

const verified = (situation: Situation, context: StatementContext): Unit[] =>
  unit(
    'verify',
    isVerified(situation.copy, situation) ? [] : [comparison(situation, pairOf(situation), context)],
  );

/** Removes the table that was replaced, once it is known that nothing of it is missing. */
function finish(situation: Situation, context: StatementContext): CopyPlan {
  const { copy } = situation;
  // Once it does not follow any more, it has been compared.
  const ended = copy?.tied !== true;
  return {
    units: [
      ...(ended ? [] : [...keepUp(situation, context), ...verified(situation, context)]),
      ...unit('switch', removalSteps(removalOf(situation, !ended), context)),
    ],
    refusal: verificationFailed(copy, context),
  };
}

/** Why the table that was replaced cannot take its place again: it may lack what was written since. */
function notFollowing(table: LegacyTable, tied: boolean): ReportError {
  const about = `${displayName(table.schema, replacedName(table.name))} does not follow ${displayName(table.schema, table.name)}`;
  if (tied) {
    const enable = [MIRROR, TRUNCATE]
      .map((trigger) => `ALTER TABLE ${nameOf(table)} ENABLE ALWAYS TRIGGER ${trigger};`)
      .join(' ');
    return {
      code: 'not-following',
      message: `${about}: a trigger that it is to follow by is missing or disabled.`,
      hint: `Enable them (${enable}) and repeat the command, which takes over what was missed; or keep the conversion, with --finish.`,
    };
  }
  return {
    code: 'undo-too-late',
    message: `${about} any more: it has begun to be removed.`,
    hint: 'Complete that with --finish; to go back, use unconvert.',
  };
}

/** The table that was replaced takes its place again, with all that was written since. */
function exchangeBack(situation: Situation, context: StatementContext): CopyPlan {
  const { copy, table } = situation;
  if (copy === null || !copy.captured)
    return { units: [], refusal: notFollowing(table, copy?.tied === true) };
  const strategy = copy.marker.strategy === 'unconvert' ? 'unconvert' : 'copy';
  return {
    units: [
      ...keepUp(situation, context),
      ...verified(situation, context),
      ...unit('switch', [
        exchangeStep(
          {
            pair: pairOf(situation),
            other: copy.other,
            waiting: replacedName,
            aside: interimOf(strategy),
            since: copy.follows?.since ?? '0',
            marker: copy.marker,
            renamed: formerNames(situation, copy.leaves),
            follow: null,
          },
          context,
        ),
      ]),
    ],
    refusal: columnsDiffer(table, copy.other) ?? noRoom(copy, table) ?? verificationFailed(copy, context),
  };
}

/** What is wanted of a conversion: to go on, to go back, or to remove what is no longer needed. */
export type Aim = 'convert' | 'undo' | 'finish';

/** What is left to do, in units after each of which the catalog is looked at anew. */
export function planCopy(
  situation: Situation,
  strategy: CopyStrategy,
  aim: Aim,
  context: StatementContext,
  approve: boolean,
): CopyPlan {
  const { copy, table } = situation;
  if (copy?.phase === 'after') {
    if (aim === 'undo') return exchangeBack(situation, context);
    if (aim === 'finish') return finish(situation, context);
    return {
      units: [
        ...keepUp(situation, context),
        ...(table.rows === null && table.mayManage ? unit('switch', [analyzeStep(table, context)]) : []),
      ],
      refusal: null,
    };
  }
  if (aim === 'undo')
    return { units: copy === null ? [] : unit('prepare', discard(situation, context)), refusal: null };
  return forward(situation, strategy, context, approve);
}
