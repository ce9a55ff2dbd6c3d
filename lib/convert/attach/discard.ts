import { displayName, qualified, quoteIdentifier } from '../../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import {
  begin,
  lockNeed,
  lockReferenced,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import type { Situation } from '../model.ts';
import { BOUNDARY, isHelperIndex, NOT_NULL, parentName } from '../names.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

/**
 * Takes back what a conversion has prepared: the partitioned table to be, which is empty, and the checks. Null where
 * there is nothing of the kind.
 */
export function discardStep({ table, parent }: Situation, context: StatementContext): Step | null {
  const checks = table.constraints.filter(({ name }) => name === BOUNDARY || name === NOT_NULL);
  if (parent === null && checks.length === 0) return null;
  const name = displayName(table.schema, table.name);
  return {
    kind: 'discard',
    partition: displayName(table.schema, parentName(table.name)),
    partitionOid: null,
    range: EVERYWHERE,
    reason: 'what was prepared, and holds no row',
    hazards: [
      ...(checks.length === 0 ? [] : [`an ACCESS EXCLUSIVE lock on ${name} for a moment`]),
      ...(parent === null ? [] : referencedHazard(table, 'an ACCESS EXCLUSIVE lock')),
    ],
    locks: [
      ...(checks.length === 0 ? [] : [lockNeed(table, 'AccessExclusiveLock')]),
      ...(parent === null ? [] : referencedLocks(table, 'AccessExclusiveLock')),
    ],
    statements: [
      ...begin(table, context),
      UNDER_LOCK_TIMEOUT,
      ...(parent === null ? [] : lockReferenced(table)),
      ...checks.map(
        (check) =>
          `ALTER TABLE ${qualified(table.schema, table.name)} DROP CONSTRAINT ${quoteIdentifier(check.name)}`,
      ),
      ...(parent === null ? [] : [`DROP TABLE ${qualified(parent.schema, parent.name)}`]),
      'COMMIT',
    ],
  };
}

/** Everything a conversion has added to the table so far, indexes included; a column stays NOT NULL. */
export function undoSteps(situation: Situation, context: StatementContext): Step[] {
  const { table } = situation;
  const discard = discardStep(situation, context);
  const indexes = table.indexes.filter(({ name }) => isHelperIndex(name));
  return [
    ...(discard === null ? [] : [discard]),
    ...indexes.map(
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
