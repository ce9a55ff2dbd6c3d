import { boundsSql } from '../../partition/bounds.ts';
import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { keyText } from '../../partition/key-type.ts';
import { BOUNDARY } from '../../partition/names.ts';
import { MINVALUE, type Point } from '../../partition/range.ts';
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
import { type IndexPlan, indexPlans, isConstraint } from '../indexes.ts';
import { fingerprintSql } from '../inspect/queries.ts';
import { type ConversionMarker, conversionText } from '../marker.ts';
import type { LegacyTable } from '../model.ts';
import { legacyName, parentName } from '../names.ts';
import { isReplicaIdentity, replicaIdentitySql } from '../replica-identity.ts';
import { dependentsSql, lockViews, viewLocks } from './dependents.ts';
import type { Names } from './names.ts';
import { dropLocker, lockReferenced } from './referenced.ts';
import { sequenceSql } from './sequences.ts';

/**
 * Nobody has changed the table since the partitioned one was made after it, by and for its owner, and the attach has
 * nothing to look through.
 */
const asPlanned = (table: LegacyTable, marker: ConversionMarker): string =>
  ensure(
    `pg_catalog.to_regclass(${quoteLiteral(nameOf(table))}) = ${table.oid}::pg_catalog.regclass
    AND pg_catalog.obj_description(pg_catalog.to_regclass(${quoteLiteral(qualified(table.schema, parentName(table.name)))}), 'pg_class') = ${quoteLiteral(conversionText(marker))}
    AND EXISTS (SELECT FROM pg_catalog.pg_class AS p JOIN pg_catalog.pg_class AS t ON t.relowner = p.relowner WHERE t.oid = ${table.oid} AND p.oid = pg_catalog.to_regclass(${quoteLiteral(qualified(table.schema, parentName(table.name)))}))
    AND EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = ${table.oid} AND k.conname = ${quoteLiteral(BOUNDARY)} AND k.convalidated)
    AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = ${table.oid} AND a.attname = ${quoteLiteral(table.keyColumn)} AND a.attnotnull)
    AND ${fingerprintSql(table.oid, table.keyColumn)} = ${quoteLiteral(table.fingerprint)}`,
    `${displayName(table.schema, table.name)} is no longer the table that was planned to be converted; nothing is changed`,
  );

/** The old table's index makes room for its like, or for the one it has been given instead. */
function indexSql(table: LegacyTable, names: Names, plan: IndexPlan): string[] {
  const { index, helper } = plan;
  const name = quoteIdentifier(index.name);
  const later = quoteIdentifier(legacyName(index.name));
  if (helper === null) return [`ALTER INDEX ${qualified(table.schema, index.name)} RENAME TO ${later}`];
  return [
    index.constraint === null
      ? `DROP INDEX ${qualified(table.schema, index.name)}`
      : `ALTER TABLE ${names.table} DROP CONSTRAINT ${name}`,
    isConstraint(plan)
      ? `ALTER TABLE ${names.table} ADD CONSTRAINT ${later} PRIMARY KEY USING INDEX ${quoteIdentifier(helper)}${index.deferral}`
      : `ALTER INDEX ${qualified(table.schema, helper)} RENAME TO ${later}`,
    ...(isReplicaIdentity(plan) ? [`ALTER TABLE ${names.table} REPLICA IDENTITY USING INDEX ${later}`] : []),
  ];
}

/**
 * The one moment that others may feel: the old table becomes the first partition and the partitioned table gets its
 * name. All in one transaction, prepared so that no row is looked at. Tables that foreign keys refer to are locked
 * first, as transactions that write to both do; the attach takes ACCESS EXCLUSIVE on them, too.
 */
export function switchStep(
  table: LegacyTable,
  boundary: Point,
  marker: ConversionMarker,
  context: StatementContext,
): Step {
  const names: Names = {
    table: nameOf(table),
    parent: qualified(table.schema, parentName(table.name)),
    legacy: qualified(table.schema, legacyName(table.name)),
  };
  const plans = indexPlans(table);
  const range = { from: MINVALUE, to: boundary };
  return {
    kind: 'switch',
    partition: displayName(table.schema, legacyName(table.name)),
    partitionOid: table.oid,
    range,
    reason: `becomes the first partition of the new ${displayName(table.schema, table.name)}; no row is moved`,
    hazards: [
      `an ACCESS EXCLUSIVE lock on ${displayName(table.schema, table.name)} for a moment`,
      ...referencedHazard(table, 'an ACCESS EXCLUSIVE lock'),
    ],
    locks: [
      lockNeed(table, 'AccessExclusiveLock'),
      ...viewLocks(table),
      ...referencedLocks(table, 'AccessExclusiveLock'),
    ],
    statements: [
      ...begin(table, context),
      UNDER_LOCK_TIMEOUT,
      ...lockReferenced(table),
      ...lockViews(table),
      ...lockTable({ schema: table.schema, name: table.name }, 'ACCESS EXCLUSIVE'),
      asPlanned(table, marker),
      ...table.triggers.map(({ name }) => `DROP TRIGGER ${quoteIdentifier(name)} ON ${names.table}`),
      ...plans.flatMap((plan) => indexSql(table, names, plan)),
      ...replicaIdentitySql(table, names.table),
      ...table.statistics.map(
        ({ schema, name }) =>
          `ALTER STATISTICS ${qualified(schema, name)} RENAME TO ${quoteIdentifier(legacyName(name))}`,
      ),
      `ALTER TABLE ${names.table} RENAME TO ${quoteIdentifier(legacyName(table.name))}`,
      `ALTER TABLE ${names.parent} RENAME TO ${quoteIdentifier(table.name)}`,
      ...plans.map(
        ({ index, interim }) =>
          `ALTER INDEX ${qualified(table.schema, interim)} RENAME TO ${quoteIdentifier(index.name)}`,
      ),
      ...table.statistics.map(
        ({ schema, name }) =>
          `ALTER STATISTICS ${qualified(schema, parentName(name))} RENAME TO ${quoteIdentifier(name)}`,
      ),
      ...table.sequences.flatMap((sequence) => sequenceSql(names, sequence)),
      `ALTER TABLE ${names.table} ATTACH PARTITION ${names.legacy} ${boundsSql(table.keyType, range)}`,
      `ALTER TABLE ${names.legacy} DROP CONSTRAINT ${quoteIdentifier(BOUNDARY)}`,
      ...dropLocker(table),
      ...dependentsSql(table, names),
      `COMMENT ON TABLE ${names.table} IS ${table.template.comment === null ? 'NULL' : quoteLiteral(table.template.comment)}`,
      'COMMIT',
    ],
  };
}

/** `key < boundary`, in the type of the key, as the server recognises it when it attaches. */
export const boundaryCheck = (table: LegacyTable, boundary: Point): string =>
  `CHECK (${quoteIdentifier(table.keyColumn)} < '${keyText(table.keyType, boundary)}'::pg_catalog.${table.keyType})`;
