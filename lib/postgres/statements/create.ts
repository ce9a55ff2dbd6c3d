import { boundsSql } from '../../partition/bounds.ts';
import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { keyText } from '../../partition/key-type.ts';
import type { DefaultPartition, Grant, PartitionedTable, Template } from '../../partition/model.ts';
import type { CreateStep } from '../../partition/plan-create.ts';
import type { LockNeed, Step } from '../step.ts';
import { SAVEPOINT } from '../step.ts';
import {
  begin,
  doBlock,
  lockNeed,
  lockTable,
  nameOf,
  referencedHazard,
  referencedLocks,
  type StatementContext,
} from './common.ts';

/** While writers wait, no statement may go on for longer: the attach looks through the default partition. */
const UNDER_LOCK_TIMEOUT = "SET LOCAL statement_timeout = '10s'";

/** Storage parameters come from the catalog as `name=value`. */
function storageSql(storage: readonly string[]): string {
  if (storage.length === 0) return '';
  const options = storage.map((option) => {
    const [, name = option, value = ''] = /^([^=]*)=(.*)$/s.exec(option) ?? [];
    return `${name.split('.').map(quoteIdentifier).join('.')} = ${quoteLiteral(value)}`;
  });
  return ` WITH (${options.join(', ')})`;
}

/** `LIKE` locks the parent in ACCESS SHARE only; `PARTITION OF` would lock it, and its default, exclusively. */
function createTable(table: PartitionedTable, name: string): string {
  const { accessMethod, storage, tablespace } = table.template;
  return [
    `CREATE TABLE ${qualified(table.schema, name)} (LIKE ${nameOf(table)} INCLUDING ALL EXCLUDING IDENTITY)`,
    accessMethod === null ? '' : ` USING ${quoteIdentifier(accessMethod)}`,
    storageSql(storage),
    tablespace === null ? '' : ` TABLESPACE ${quoteIdentifier(tablespace)}`,
  ].join('');
}

function grantSql(partition: string, { grantee, privilege, grantable, column }: Grant): string {
  const what = column === null ? privilege : `${privilege} (${quoteIdentifier(column)})`;
  const whom = grantee === null ? 'PUBLIC' : quoteIdentifier(grantee);
  return `GRANT ${what} ON TABLE ${partition} TO ${whom}${grantable ? ' WITH GRANT OPTION' : ''}`;
}

/** Policies matter for direct access to the partition; through the parent, the parent's apply. */
function policiesSql(table: PartitionedTable, partition: string): string {
  return doBlock(`
DECLARE
  policy record;
BEGIN
  FOR policy IN
    SELECT p.polname,
           CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END AS permissive,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS command,
           (SELECT pg_catalog.string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ')
            FROM pg_catalog.unnest(p.polroles) AS r) AS roles,
           pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS visible,
           pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS checked
    FROM pg_catalog.pg_policy AS p WHERE p.polrelid = ${table.oid}
  LOOP
    EXECUTE pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', policy.polname, ${quoteLiteral(partition)}, policy.permissive, policy.command, policy.roles)
      || COALESCE(' USING (' || policy.visible || ')', '') || COALESCE(' WITH CHECK (' || policy.checked || ')', '');
  END LOOP;
END`);
}

/** The name LIKE gave the index is the server's choice: it is looked up once the index is attached. */
function replicaIndexSql(table: PartitionedTable, partition: string): string {
  return doBlock(`
BEGIN
  EXECUTE (
    SELECT pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', ${quoteLiteral(partition)}, c.relname)
    FROM pg_catalog.pg_index AS parent
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = parent.indexrelid
    JOIN pg_catalog.pg_index AS child ON child.indexrelid = i.inhrelid
    JOIN pg_catalog.pg_class AS c ON c.oid = child.indexrelid
    WHERE parent.indrelid = ${table.oid} AND parent.indisreplident
      AND child.indrelid = pg_catalog.to_regclass(${quoteLiteral(partition)}));
END`);
}

/** What neither LIKE nor ATTACH carries over, as far as it can be set before the attach. */
function carriedOver(table: PartitionedTable, partition: string, template: Template): string[] {
  const { replicaIdentity } = template;
  return [
    ...template.statistics.map(
      ({ column, target }) =>
        `ALTER TABLE ${partition} ALTER COLUMN ${quoteIdentifier(column)} SET STATISTICS ${target}`,
    ),
    ...(replicaIdentity === 'full' || replicaIdentity === 'nothing'
      ? [`ALTER TABLE ${partition} REPLICA IDENTITY ${replicaIdentity.toUpperCase()}`]
      : []),
    ...(template.rowSecurity ? [`ALTER TABLE ${partition} ENABLE ROW LEVEL SECURITY`] : []),
    ...(template.forceRowSecurity ? [`ALTER TABLE ${partition} FORCE ROW LEVEL SECURITY`] : []),
    ...(template.rowSecurity ? [policiesSql(table, partition)] : []),
    ...template.grants.map((grant) => grantSql(partition, grant)),
    ...(template.comment === null
      ? []
      : [`COMMENT ON TABLE ${partition} IS ${quoteLiteral(template.comment)}`]),
  ];
}

function attach(table: PartitionedTable, step: CreateStep, partition: string): string[] {
  return [
    `ALTER TABLE ONLY ${nameOf(table)} ATTACH PARTITION ${partition} ${boundsSql(table.keyType, step.range)}`,
    ...(table.template.replicaIdentity === 'index' ? [replicaIndexSql(table, partition)] : []),
  ];
}

/**
 * With a default partition the parent is locked against writers first: an INSERT that had been routed to the
 * default partition and waited there would fail once the new partition takes its row.
 */
function attachLocks(table: PartitionedTable): LockNeed[] {
  const { defaultPartition } = table;
  return [
    lockNeed(table, defaultPartition === null ? 'ShareUpdateExclusiveLock' : 'ShareRowExclusiveLock'),
    ...(defaultPartition === null ? [] : [lockNeed(defaultPartition, 'AccessExclusiveLock')]),
    ...referencedLocks(table, 'ShareRowExclusiveLock'),
  ];
}

function hazardsOf(table: PartitionedTable, rows: number): string[] {
  const hazards = [
    ...(table.defaultPartition === null
      ? []
      : [`writers of ${displayName(table.schema, table.name)} wait while the default partition is checked`]),
    ...(rows === 0
      ? []
      : [`${rows} rows are moved out of the default partition; writers wait while they are deleted there`]),
  ];
  return [...hazards, ...referencedHazard(table, 'a SHARE ROW EXCLUSIVE lock')];
}

/** The step that creates one partition; `rows` of the default partition that belong into it move along. */
export function createStep(
  table: PartitionedTable,
  step: CreateStep,
  rows: number,
  context: StatementContext,
): Step {
  const partition = qualified(table.schema, step.name);
  const { defaultPartition } = table;
  const moves = defaultPartition !== null && rows > 0;
  const building = [createTable(table, step.name), ...carriedOver(table, partition, table.template)];
  const attaching = attach(table, step, partition);
  return {
    kind: moves ? 'move-rows' : 'create',
    partition: displayName(table.schema, step.name),
    partitionOid: null,
    range: step.range,
    reason: step.reason,
    hazards: hazardsOf(table, rows),
    locks: attachLocks(table),
    statements: moves
      ? [
          ...begin(table, context, '0'),
          ...building,
          ...copyRows(table, defaultPartition, step, partition),
          SAVEPOINT,
          ...exchangeRows(table, defaultPartition, step, partition),
          ...attaching,
          'COMMIT',
        ]
      : [
          ...begin(table, context),
          ...building,
          ...(defaultPartition === null
            ? []
            : [UNDER_LOCK_TIMEOUT, ...lockTable(table, 'SHARE ROW EXCLUSIVE')]),
          ...attaching,
          'COMMIT',
        ],
  };
}

const COPIED = 'pg_temp.partition_keeper_copied';

const inRange = (table: PartitionedTable, step: CreateStep, alias: string): string => {
  const column = `${alias}.${quoteIdentifier(table.keyColumn)}`;
  const { keyType } = table;
  return `${column} >= '${keyText(keyType, step.range.from)}' AND ${column} < '${keyText(keyType, step.range.to)}'`;
};

/**
 * Copies while everybody goes on working: only ACCESS SHARE is held on the default partition. Each copied row
 * version is remembered by table, place and writing transaction, which no other version ever shares.
 */
function copyRows(
  table: PartitionedTable,
  source: DefaultPartition,
  step: CreateStep,
  partition: string,
): string[] {
  const columns = table.template.columns.map(quoteIdentifier).join(', ');
  return [
    'CREATE TEMPORARY TABLE partition_keeper_copied (leaf oid NOT NULL, place tid NOT NULL, writer xid NOT NULL) ON COMMIT DROP',
    `WITH source AS MATERIALIZED (
  SELECT d.tableoid AS partition_keeper_leaf, d.ctid AS partition_keeper_place, d.xmin AS partition_keeper_writer, ${columns}
  FROM ${nameOf(source)} AS d WHERE ${inRange(table, step, 'd')}
), remembered AS (
  INSERT INTO ${COPIED} SELECT partition_keeper_leaf, partition_keeper_place, partition_keeper_writer FROM source
)
INSERT INTO ${partition} (${columns}) SELECT ${columns} FROM source`,
    `ANALYZE ${COPIED}`,
  ];
}

/**
 * The short part, under locks: takes over what was written since the copy and empties the range. If a copied
 * row was changed or deleted meanwhile, which log tables hardly know, the copy is made anew.
 */
function exchangeRows(
  table: PartitionedTable,
  source: DefaultPartition,
  step: CreateStep,
  partition: string,
): string[] {
  const columns = table.template.columns.map(quoteIdentifier).join(', ');
  const from = nameOf(source);
  const match = 'c.leaf = d.tableoid AND c.place = d.ctid AND c.writer = d.xmin';
  return [
    UNDER_LOCK_TIMEOUT,
    ...lockTable(table, 'SHARE ROW EXCLUSIVE'),
    ...lockTable(source, 'ACCESS EXCLUSIVE'),
    doBlock(`
BEGIN
  IF EXISTS (SELECT FROM ${COPIED} AS c WHERE NOT EXISTS (SELECT FROM ${from} AS d WHERE ${match})) THEN
    TRUNCATE ${partition};
    DELETE FROM ${COPIED};
  END IF;
  INSERT INTO ${partition} (${columns})
  SELECT ${columns} FROM ${from} AS d
  WHERE ${inRange(table, step, 'd')} AND NOT EXISTS (SELECT FROM ${COPIED} AS c WHERE ${match});
END`),
    `DELETE FROM ${from} AS d WHERE ${inRange(table, step, 'd')}`,
  ];
}
