import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import type { PartitionedTable } from '../../partition/model.ts';
import { BOUNDARY } from '../../partition/names.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import {
  begin,
  ensure,
  lockNeed,
  lockReferenced,
  nameOf,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { helperIndexes } from '../indexes.ts';
import type { LegacyTable } from '../model.ts';
import { NOT_NULL, parentName } from '../names.ts';
import { nullableAgain } from '../nullable.ts';
import { preparedOf } from '../prepared.ts';
import type { Situation } from '../situation.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

/**
 * Nobody but us uses it, so nobody minds that it is locked first and with all its partitions. It is looked at again
 * under that lock: no row goes with it, nor anything but what a conversion has made. A partition that somebody is
 * detaching would go unseen, and row security that is forced upon the owner would hide rows.
 */
const lockEmptyParent = (table: LegacyTable, parent: PartitionedTable): string[] => [
  `LOCK TABLE ${nameOf(parent)} IN ACCESS EXCLUSIVE MODE`,
  ...(parent.template.forceRowSecurity ? [`ALTER TABLE ${nameOf(parent)} NO FORCE ROW LEVEL SECURITY`] : []),
  ensure(
    `pg_catalog.to_regclass(${quoteLiteral(nameOf(parent))}) = ${parent.oid}::pg_catalog.regclass
    AND pg_catalog.obj_description(${parent.oid}, 'pg_class') = ${quoteLiteral(parent.template.comment ?? '')}
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = ${parent.oid} AND i.inhdetachpending)
    AND NOT EXISTS (SELECT FROM ${nameOf(parent)})`,
    `${displayName(parent.schema, parent.name)} holds rows, or is no longer what was prepared to replace ${displayName(table.schema, table.name)}; nothing is removed`,
  ),
];

/**
 * Takes back what a conversion has prepared: the partitioned table to be, which is empty, the checks, and that the key
 * is NOT NULL. Null where there is nothing of the kind.
 */
export function discardStep(situation: Situation, context: StatementContext): Step | null {
  const { table } = situation;
  const prepared = preparedOf(situation);
  const parent = prepared?.parent ?? null;
  const changes = [
    ...table.constraints
      .filter(({ name }) => name === BOUNDARY || name === NOT_NULL)
      .map((check) => `ALTER TABLE ${nameOf(table)} DROP CONSTRAINT ${quoteIdentifier(check.name)}`),
    ...(prepared === null ? [] : nullableAgain(table, prepared.marker)),
  ];
  if (parent === null && changes.length === 0) return null;
  const name = displayName(table.schema, table.name);
  return {
    kind: 'discard',
    partition: displayName(table.schema, parentName(table.name)),
    partitionOid: null,
    range: EVERYWHERE,
    reason: 'what was prepared, and holds no row',
    hazards: [
      ...(changes.length === 0 ? [] : [`an ACCESS EXCLUSIVE lock on ${name} for a moment`]),
      ...(parent === null ? [] : referencedHazard(table, 'an ACCESS EXCLUSIVE lock')),
    ],
    locks: [
      ...(changes.length === 0 ? [] : [lockNeed(table, 'AccessExclusiveLock')]),
      ...(parent === null
        ? []
        : [lockNeed(parent, 'AccessExclusiveLock'), ...referencedLocks(table, 'AccessExclusiveLock')]),
    ],
    statements: [
      ...begin(table, context),
      UNDER_LOCK_TIMEOUT,
      ...(parent === null ? [] : [...lockEmptyParent(table, parent), ...lockReferenced(table)]),
      ...changes,
      ...(parent === null ? [] : [`DROP TABLE ${nameOf(parent)}`]),
      'COMMIT',
    ],
  };
}

/** Everything a conversion has added to the table so far, indexes included. */
export function undoSteps(situation: Situation, context: StatementContext): Step[] {
  const { table } = situation;
  const discard = discardStep(situation, context);
  return [
    ...(discard === null ? [] : [discard]),
    ...helperIndexes(table).map(
      (index): Step => ({
        kind: 'discard',
        partition: displayName(index.schema, index.name),
        partitionOid: null,
        range: EVERYWHERE,
        reason: 'an index made for the conversion',
        hazards: ['waits for every transaction that is older'],
        locks: [lockNeed(table, 'ShareUpdateExclusiveLock')],
        statements: [
          ...(table.isOwner ? [] : [`SET ROLE ${quoteIdentifier(table.owner)}`]),
          "SET lock_timeout = '10min'",
          "SET statement_timeout = '0'",
          `DROP INDEX CONCURRENTLY ${qualified(index.schema, index.name)}`,
        ],
      }),
    ),
  ];
}
