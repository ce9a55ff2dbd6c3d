import type { ReportError } from '../../contract.ts';
import { displayName } from '../../partition/identifiers.ts';
import { MIRROR } from '../../partition/names.ts';
import { MINVALUE, type Point } from '../../partition/range.ts';
import type { StatementContext } from '../../postgres/statements/common.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import type { LegacyTable } from '../model.ts';
import { parentName, replacedName, TRUNCATE } from '../names.ts';
import { nullableAgain } from '../nullable.ts';
import type { Interim } from '../parts.ts';
import type { Situation } from '../situation.ts';
import type { Unit } from '../unit.ts';
import type { Leaf } from './build.ts';
import { columnsDiffer, sharing } from './columns.ts';
import { type Removal, removalSteps } from './finish.ts';
import { boundsOf, type CopyPlan, followSteps, unit } from './follow.ts';
import type { Pair } from './pair.ts';
import { dependedOn, unlikeSince } from './since.ts';
import type { CopyState } from './state.ts';
import { interimOf } from './strategy.ts';
import { exchangeStep, markerOfReplaced } from './switch.ts';
import { isVerified, noRoom, verificationFailed } from './verified.ts';
import { verifyStep } from './verify.ts';

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

function removalOf(
  situation: Situation,
  { compared, takenBack }: Pick<Removal, 'compared' | 'takenBack'>,
): Removal {
  const { copy } = situation;
  if (copy === null) throw new Error('there is no copy');
  const { other, marker, leaves, tied, mirrored, log } = copy;
  return {
    pair: pairOf(situation),
    other,
    marker,
    leaves,
    tied,
    log: log !== null,
    mirrored,
    takenBack,
    compared,
  };
}

/** Gives a copy up that has not taken the place: nothing is lost, the table in use has every row. */
export function discard(situation: Situation, context: StatementContext): Step[] {
  const { table, copy } = situation;
  const takenBack = copy === null ? [] : nullableAgain(table, copy.marker);
  return removalSteps(removalOf(situation, { compared: false, takenBack }), context);
}

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
export const keepUp = (situation: Situation, context: StatementContext): Unit[] =>
  unit('copy', situation.copy?.tied === true ? followSteps(situation.copy, pairOf(situation), context) : []);

const verified = (situation: Situation, context: StatementContext): Unit[] =>
  unit(
    'verify',
    isVerified(situation.copy, context) ? [] : [comparison(situation, pairOf(situation), context)],
  );

/** Removes the table that was replaced, once it is known that nothing of it is missing. */
export function finish(situation: Situation, context: StatementContext): CopyPlan {
  const { copy } = situation;
  // Once it does not follow any more, it has been compared.
  const ended = copy?.tied !== true;
  return {
    units: [
      ...(ended ? [] : [...keepUp(situation, context), ...verified(situation, context)]),
      ...unit('switch', removalSteps(removalOf(situation, { compared: !ended, takenBack: [] }), context)),
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

/** The copy as it is when it has made room: what is in use now, under the name that it waits by. */
function afterExchangeBack(situation: Situation, copy: CopyState, aside: Interim): Removal {
  const { table, own } = situation;
  const names = new Map(formerNames(situation, copy.leaves).map(({ from, to }) => [from, to]));
  const other = { ...table, name: aside(table.name) };
  return {
    pair: { ...pairOf(situation), source: { ...copy.other, name: table.name }, target: other },
    other,
    marker: markerOfReplaced(copy.marker, copy.other),
    leaves: (own?.partitions ?? []).map(({ oid, schema, name, range }) => ({
      oid,
      schema,
      name: names.get(name) ?? name,
      range,
      indexes: 0,
      foreignKeys: [],
    })),
    tied: false,
    log: true,
    mirrored: true,
    takenBack: [],
    compared: false,
  };
}

/**
 * The table that was replaced takes its place again, with all that was written since.
 * @param approve whether it may lack what the table in use has got since
 */
export function exchangeBack(situation: Situation, context: StatementContext, approve: boolean): CopyPlan {
  const { copy, table } = situation;
  if (copy === null || !copy.captured)
    return { units: [], refusal: notFollowing(table, copy?.tied === true) };
  const aside = interimOf(copy.marker.strategy === 'unconvert' ? 'unconvert' : 'copy');
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
            aside,
            since: copy.follows?.since ?? '0',
            marker: copy.marker,
            renamed: formerNames(situation, copy.leaves),
            takenBack: nullableAgain({ ...copy.other, name: table.name }, copy.marker),
            follow: null,
          },
          context,
        ),
      ]),
      ...unit('switch', removalSteps(afterExchangeBack(situation, copy, aside), context)),
    ],
    refusal:
      dependedOn(table, copy.other) ??
      columnsDiffer(table, copy.other) ??
      (approve ? null : unlikeSince(table, copy.other)) ??
      noRoom(copy, table) ??
      verificationFailed(copy, context),
  };
}
