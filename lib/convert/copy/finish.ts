import { displayName, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import {
  begin,
  ensure,
  lockNeed,
  lockTable,
  nameOf,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { type ConversionMarker, conversionText } from '../marker.ts';
import type { LegacyTable } from '../model.ts';
import { constraintsOf } from '../parts.ts';
import { dropLocker, lockReferenced } from '../switch/referenced.ts';
import type { Leaf } from './build.ts';
import { comparedSql } from './compared.ts';
import { dropTriggersSql } from './mirror.ts';
import { changesOf, hasRoom, lockable, mirrorOf, type Pair } from './pair.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

/** It is the table with our marker, and of the same owner as the one it was made for or after. */
const isOurs = ({ pair: { source }, other, marker }: Removal): string =>
  `pg_catalog.to_regclass(${quoteLiteral(nameOf(other))}) = ${other.oid}::pg_catalog.regclass
    AND pg_catalog.obj_description(${other.oid}, 'pg_class') = ${quoteLiteral(conversionText(marker))}
    AND EXISTS (SELECT FROM pg_catalog.pg_class AS o JOIN pg_catalog.pg_class AS t ON t.relowner = o.relowner
                WHERE t.oid = pg_catalog.to_regclass(${quoteLiteral(nameOf(source))}) AND o.oid = ${other.oid})`;

/** The table that is not in use, with all that belongs to the copy. */
export interface Removal {
  readonly pair: Pair;
  readonly other: LegacyTable;
  readonly marker: ConversionMarker;
  readonly leaves: readonly Leaf[];
  /** Whether triggers are on the table in use; whether there is the log, and the function. */
  readonly tied: boolean;
  readonly log: boolean;
  readonly mirrored: boolean;
  /** What else is taken back of the table in use. */
  readonly takenBack: readonly string[];
  /** Whether its rows must have been compared with those of the table in use before it goes. */
  readonly compared: boolean;
}

/** From here on the other table does not follow any more. */
function endStep(removal: Removal, context: StatementContext): Step[] {
  const { pair, other, tied, log, mirrored, takenBack, compared } = removal;
  const { source } = pair;
  const locked = tied || takenBack.length > 0;
  if (!tied && !log && !mirrored) return [];
  return [
    {
      kind: 'discard',
      partition: displayName(source.schema, source.name),
      partitionOid: source.oid,
      range: EVERYWHERE,
      reason: `its triggers for ${displayName(other.schema, other.name)}, which does not follow any more`,
      hazards: locked
        ? [`an ACCESS EXCLUSIVE lock on ${displayName(source.schema, source.name)} for a moment`]
        : [],
      locks: locked ? [lockNeed(source, 'AccessExclusiveLock')] : [],
      statements: [
        ...begin(source, context),
        UNDER_LOCK_TIMEOUT,
        ...(locked ? lockTable(lockable(pair), 'ACCESS EXCLUSIVE') : []),
        ensure(
          compared
            ? `${isOurs(removal)}
    AND ${comparedSql(pair)}
    AND NOT EXISTS (SELECT FROM ${changesOf(pair)} AS l WHERE ${hasRoom(pair, 'l')})`
            : isOurs(removal),
          `${displayName(other.schema, other.name)} is no longer as it was compared; nothing is removed`,
        ),
        ...(tied ? dropTriggersSql(nameOf(source)) : []),
        ...takenBack,
        ...(mirrored ? [`DROP FUNCTION ${mirrorOf(pair)}()`] : []),
        ...(log ? [`DROP TABLE ${changesOf(pair)}`] : []),
        'COMMIT',
      ],
    },
  ];
}

/** A partition of the other table; none of what foreign keys refer to is locked for it. */
const leafStep = (removal: Removal, leaf: Leaf, context: StatementContext): Step => ({
  kind: 'drop',
  partition: displayName(leaf.schema, leaf.name),
  partitionOid: leaf.oid,
  range: leaf.range ?? EVERYWHERE,
  reason: `is of ${displayName(removal.other.schema, removal.other.name)}, which is no longer needed`,
  hazards: [],
  locks: [],
  statements: [
    ...begin(removal.pair.source, context),
    UNDER_LOCK_TIMEOUT,
    ensure(
      `${isOurs(removal)}
    AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = ${leaf.oid} AND i.inhparent = ${removal.other.oid})
    AND pg_catalog.to_regclass(${quoteLiteral(nameOf(leaf))}) = ${leaf.oid}::pg_catalog.regclass`,
      `${displayName(leaf.schema, leaf.name)} is no longer a partition of ${displayName(removal.other.schema, removal.other.name)}; nothing is removed`,
    ),
    `DROP TABLE ${nameOf(leaf)}`,
    'COMMIT',
  ],
});

/**
 * Removes the table that is not in use: its triggers on the other, its foreign keys, its partitions one by one, and
 * itself. Never with CASCADE; what depends on it is in the way.
 */
export function removalSteps(removal: Removal, context: StatementContext): Step[] {
  const { pair, other, leaves } = removal;
  const { source } = pair;
  const partitions = leaves
    .filter(({ range, oid }) => range !== null && oid !== null)
    .toSorted((a, b) => ((a.range?.from ?? 0n) < (b.range?.from ?? 0n) ? -1 : 1));
  const step = (
    kind: 'drop' | 'discard',
    reason: string,
    statement: string,
    keys: LegacyTable['foreignKeys'],
  ): Step => {
    const about = { ...other, foreignKeys: keys };
    return {
      kind,
      partition: displayName(other.schema, other.name),
      partitionOid: other.oid,
      range: EVERYWHERE,
      reason,
      hazards: referencedHazard(about, 'an ACCESS EXCLUSIVE lock'),
      locks: referencedLocks(about, 'AccessExclusiveLock'),
      statements: [
        ...begin(source, context),
        UNDER_LOCK_TIMEOUT,
        ...lockReferenced(about),
        ensure(
          isOurs(removal),
          `${displayName(other.schema, other.name)} is not what it was; nothing is removed`,
        ),
        statement,
        ...dropLocker(about),
        'COMMIT',
      ],
    };
  };
  return [
    ...endStep(removal, context),
    // One key after the other, so that no two of the tables they refer to are locked at once.
    ...constraintsOf(other, 'foreign key').map(({ name }) =>
      step(
        'discard',
        `its foreign key ${name}`,
        `ALTER TABLE ${nameOf(other)} DROP CONSTRAINT ${quoteIdentifier(name)}`,
        other.foreignKeys.filter((key) => key.name === name),
      ),
    ),
    ...partitions.map((leaf) => leafStep(removal, leaf, context)),
    step('drop', 'is no longer needed', `DROP TABLE ${nameOf(other)}`, []),
  ];
}
