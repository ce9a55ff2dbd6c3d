import { displayName, qualified } from '../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../partition/range.ts';
import {
  begin,
  lockReferenced,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../postgres/statements/common.ts';
import type { Step } from '../postgres/step.ts';
import { indexPlans } from './indexes.ts';
import { type ConversionMarker, conversionText } from './marker.ts';
import type { LegacyTable } from './model.ts';
import { parentName } from './names.ts';
import { constraintsOf, constraintsSql, indexSql, shellSql, triggerSql } from './parts.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

/**
 * Makes the partitioned table to be, without partitions, with everything the old one has, under names of its own
 * where a schema allows a name only once. Nobody knows it yet; foreign keys lock what they refer to for a moment.
 */
export function parentStep(table: LegacyTable, marker: ConversionMarker, context: StatementContext): Step {
  const name = parentName(table.name);
  const parent = qualified(table.schema, name);
  return {
    kind: 'prepare',
    partition: displayName(table.schema, name),
    partitionOid: null,
    range: EVERYWHERE,
    reason: `the partitioned table to be, made after ${displayName(table.schema, table.name)}`,
    hazards: referencedHazard(table, 'a SHARE ROW EXCLUSIVE lock'),
    locks: referencedLocks(table, 'ShareRowExclusiveLock'),
    statements: [
      ...begin(table, context),
      UNDER_LOCK_TIMEOUT,
      ...lockReferenced(table),
      ...shellSql(table, name, conversionText(marker), {
        layout: 'partitioned',
        interim: parentName,
        filled: false,
      }),
      ...indexPlans(table).flatMap((plan) => indexSql(table, parent, plan)),
      ...table.triggers.flatMap((trigger) => triggerSql(parent, trigger)),
      ...constraintsSql(parent, constraintsOf(table, 'foreign key')),
      'COMMIT',
    ],
  };
}
