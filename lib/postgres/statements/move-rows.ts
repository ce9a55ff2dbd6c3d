import { displayName, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { keyText } from '../../partition/key-type.ts';
import type { DefaultPartition, PartitionedTable } from '../../partition/model.ts';
import type { CreateStep } from '../../partition/plan-create.ts';
import { SQLSTATE } from '../sqlstate.ts';
import {
  awaitReferenced,
  doBlock,
  ensure,
  lockReferenced,
  lockTable,
  nameOf,
  UNDER_LOCK_TIMEOUT,
} from './common.ts';

const COPIED = 'pg_temp.partition_keeper_copied';

const inRange = (table: PartitionedTable, step: CreateStep, alias: string): string => {
  const column = `${alias}.${quoteIdentifier(table.keyColumn)}`;
  const { keyType } = table;
  return `${column} >= '${keyText(keyType, step.range.from)}' AND ${column} < '${keyText(keyType, step.range.to)}'`;
};

/**
 * Makes the copy agree with the range as it is now: first takes back the copies of row versions that are gone, then
 * adds those that are new. A version is remembered by its table, its place and its writing transaction, which no
 * other version ever shares, together with the place of its copy.
 */
function synchronize(
  table: PartitionedTable,
  source: DefaultPartition,
  step: CreateStep,
  partition: string,
): string {
  const columns = table.template.columns.map(quoteIdentifier);
  return doBlock(`
#variable_conflict use_column
DECLARE
  change record;
  added tid;
BEGIN
  FOR change IN
    SELECT c.ctid AS entry, c.copy, d.leaf, d.place, d.writer
    FROM (SELECT d.tableoid AS leaf, d.ctid AS place, d.xmin AS writer
          FROM ${nameOf(source)} AS d WHERE ${inRange(table, step, 'd')}) AS d
    FULL JOIN ${COPIED} AS c ON c.place = d.place AND c.writer = d.writer AND c.leaf = d.leaf
    WHERE c.place IS NULL OR d.place IS NULL
    ORDER BY c.place IS NULL
  LOOP
    IF change.entry IS NOT NULL THEN
      DELETE FROM ${partition} AS p WHERE p.ctid = change.copy;
      DELETE FROM ${COPIED} AS c WHERE c.ctid = change.entry;
    ELSE
      INSERT INTO ${partition} AS p (${columns.join(', ')})
      SELECT ${columns.map((column) => `d.${column}`).join(', ')} FROM ${nameOf(source)} AS d
      WHERE d.ctid = change.place AND d.xmin = change.writer AND d.tableoid = change.leaf
      RETURNING p.ctid INTO added;
      IF FOUND THEN
        INSERT INTO ${COPIED} VALUES (change.leaf, change.place, change.writer, added);
      END IF;
    END IF;
  END LOOP;
END`);
}

/** A column that was added since the plan was made would not be copied. LIKE has locked the table against another. */
function columnsAsPlanned(table: PartitionedTable): string {
  return ensure(
    `ARRAY(
    SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = ${table.oid} AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
  ) = ARRAY[${table.template.columns.map(quoteLiteral).join(', ')}]`,
    `the columns of ${displayName(table.schema, table.name)} are no longer those that were planned to be copied; nothing is moved`,
  );
}

/**
 * Copies while everybody goes on working: only ACCESS SHARE is held on the default partition. A second round takes
 * over what was written during the first, so that little is left for the time under locks; the statistics make the
 * checks of that time short.
 */
export function copyRows(
  table: PartitionedTable,
  source: DefaultPartition,
  step: CreateStep,
  partition: string,
): string[] {
  return [
    columnsAsPlanned(table),
    'CREATE TEMPORARY TABLE partition_keeper_copied (leaf oid NOT NULL, place tid NOT NULL, writer xid NOT NULL, copy tid NOT NULL) ON COMMIT DROP',
    "SET LOCAL work_mem = '64MB'",
    synchronize(table, source, step, partition),
    `ANALYZE ${COPIED}, ${partition}`,
    synchronize(table, source, step, partition),
  ];
}

/** The short part, under locks: takes over the last changes and empties the range. */
export function exchangeRows(
  table: PartitionedTable,
  source: DefaultPartition,
  step: CreateStep,
  partition: string,
): string[] {
  return [
    UNDER_LOCK_TIMEOUT,
    ...lockReferenced(table),
    ...lockTable(table, 'SHARE ROW EXCLUSIVE'),
    ...lockTable(source, 'ACCESS EXCLUSIVE'),
    synchronize(table, source, step, partition),
    deleteMoved(source, inRange(table, step, 'd')),
    ...awaitReferenced(table),
  ];
}

/**
 * Empties the range. The rows stay in the table, so no trigger of the user's is to see a deletion: those are
 * disabled, which the lock hides from everybody, and get back the mode each of them had. Triggers of foreign keys
 * stay; where they would do more than object, the plan does not move rows, and neither does this.
 */
function deleteMoved(source: DefaultPartition, range: string): string {
  return doBlock(`
DECLARE
  disable text[];
  restore text[];
  statement text;
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS k
    WHERE k.contype = 'f' AND k.confdeltype IN ('c', 'n', 'd')
      AND k.confrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(${source.oid}))
  ) THEN
    RAISE EXCEPTION USING ERRCODE = '${SQLSTATE.changedSincePlan}', MESSAGE = 'a foreign key would change rows that refer to rows of the default partition; nothing is moved';
  END IF;
  SELECT pg_catalog.array_agg('ALTER TABLE ONLY ' || t.tgrelid::regclass || ' DISABLE TRIGGER ' || pg_catalog.quote_ident(t.tgname)),
         pg_catalog.array_agg('ALTER TABLE ONLY ' || t.tgrelid::regclass || ' ENABLE '
           || CASE t.tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END || 'TRIGGER ' || pg_catalog.quote_ident(t.tgname))
  INTO disable, restore
  FROM pg_catalog.pg_trigger AS t
  WHERE t.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(${source.oid}))
    AND t.tgtype & 8 <> 0 AND t.tgenabled <> 'D'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.oid = t.tgconstraint AND k.contype = 'f');
  FOREACH statement IN ARRAY COALESCE(disable, '{}') LOOP EXECUTE statement; END LOOP;
  SET CONSTRAINTS ALL IMMEDIATE;
  DELETE FROM ${nameOf(source)} AS d WHERE ${range};
  FOREACH statement IN ARRAY COALESCE(restore, '{}') LOOP EXECUTE statement; END LOOP;
END`);
}
