import { boundsSql } from '../../partition/bounds.ts';
import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { keyText } from '../../partition/key-type.ts';
import type { DefaultPartition, Grant, PartitionedTable, Template } from '../../partition/model.ts';
import type { CreateStep } from '../../partition/plan-create.ts';
import { SQLSTATE } from '../sqlstate.ts';
import type { LockNeed, Step } from '../step.ts';
import { SAVEPOINT } from '../step.ts';
import {
  awaitReferenced,
  begin,
  doBlock,
  lockNeed,
  lockReferenced,
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

const granteeSql = (grantee: string | null): string =>
  grantee === null ? 'PUBLIC' : quoteIdentifier(grantee);

function grantSql(partition: string, { grantee, privilege, grantable, column }: Grant): string {
  const what = column === null ? privilege : `${privilege} (${quoteIdentifier(column)})`;
  return `GRANT ${what} ON TABLE ${partition} TO ${granteeSql(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`;
}

/** The tokens of an expression as the server prints it; a name keeps the dot that follows it. */
const TOKENS = `$tokens$'(?:[^']|'')*'|"(?:[^"]|"")*"[.]?|[[:alnum:]_$]+[.]?|.$tokens$`;

/**
 * Policies matter for direct access to the partition; through the parent, the parent's apply. In a subquery,
 * columns of the row at hand stand with the parent's name, which becomes the partition's. Should a policy resist
 * all the same, the partition gets none, and row security lets nobody but the owner in directly.
 */
function policiesSql(table: PartitionedTable, name: string): string {
  const partition = qualified(table.schema, name);
  return doBlock(`
DECLARE
  policy record;
  statement text;
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
    statement := pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', policy.polname, ${quoteLiteral(partition)}, policy.permissive, policy.command, policy.roles)
      || COALESCE(' USING (' || policy.visible || ')', '') || COALESCE(' WITH CHECK (' || policy.checked || ')', '');
    BEGIN
      EXECUTE statement;
    EXCEPTION WHEN undefined_table THEN
      EXECUTE (
        SELECT pg_catalog.string_agg(CASE piece.token[1]
                 WHEN pg_catalog.quote_ident(${quoteLiteral(table.name)}) || '.' THEN pg_catalog.quote_ident(${quoteLiteral(name)}) || '.'
                 ELSE piece.token[1] END, '' ORDER BY piece.position)
        FROM pg_catalog.regexp_matches(statement, ${TOKENS}, 'g') WITH ORDINALITY AS piece(token, position));
    END;
  END LOOP;
EXCEPTION WHEN syntax_error_or_access_rule_violation OR invalid_schema_name THEN
  NULL;
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
function carriedOver(partition: string, template: Template): string[] {
  const { replicaIdentity } = template;
  return [
    ...template.statistics.map(
      ({ column, target }) =>
        `ALTER TABLE ${partition} ALTER COLUMN ${quoteIdentifier(column)} SET STATISTICS ${target}`,
    ),
    ...(replicaIdentity === 'full' || replicaIdentity === 'nothing'
      ? [`ALTER TABLE ${partition} REPLICA IDENTITY ${replicaIdentity.toUpperCase()}`]
      : []),
    ...(template.defaultGrantees ?? []).map(
      (grantee) => `REVOKE ALL ON TABLE ${partition} FROM ${granteeSql(grantee)}`,
    ),
    ...template.grants.map((grant) => grantSql(partition, grant)),
    ...(template.comment === null
      ? []
      : [`COMMENT ON TABLE ${partition} IS ${quoteLiteral(template.comment)}`]),
  ];
}

/** Comes after rows have been moved in: where it is forced upon the owner, it could turn them away. */
function rowSecurity(table: PartitionedTable, name: string, template: Template): string[] {
  const partition = qualified(table.schema, name);
  return [
    ...(template.rowSecurity ? [`ALTER TABLE ${partition} ENABLE ROW LEVEL SECURITY`] : []),
    ...(template.forceRowSecurity ? [`ALTER TABLE ${partition} FORCE ROW LEVEL SECURITY`] : []),
    ...(template.rowSecurity ? [policiesSql(table, name)] : []),
  ];
}

function attach(table: PartitionedTable, step: CreateStep, partition: string): string[] {
  return [
    ...rowSecurity(table, step.name, table.template),
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

function hazardsOf(table: PartitionedTable, rows: number | null): string[] {
  const hazards = [
    ...(table.defaultPartition === null
      ? []
      : [`writers of ${displayName(table.schema, table.name)} wait while the default partition is checked`]),
    ...(rows === 0
      ? []
      : [
          `${rows ?? 'some'} rows are moved out of the default partition; writers wait while they are deleted there`,
        ]),
  ];
  return [...hazards, ...referencedHazard(table, 'a SHARE ROW EXCLUSIVE lock')];
}

/**
 * The step that creates one partition; `rows` of the default partition that belong into it move along, also those
 * that turn up only when it is attached.
 */
export function createStep(
  table: PartitionedTable,
  step: CreateStep,
  rows: number,
  context: StatementContext,
): Step {
  const one = stepFor(table, step, rows, context);
  return table.defaultPartition === null || rows > 0
    ? one
    : { ...one, fallback: [stepFor(table, step, null, context)] };
}

/** @param rows how many are moved; null: some, not counted */
function stepFor(
  table: PartitionedTable,
  step: CreateStep,
  rows: number | null,
  context: StatementContext,
): Step {
  const partition = qualified(table.schema, step.name);
  const { defaultPartition } = table;
  const moves = defaultPartition !== null && rows !== 0;
  const building = [createTable(table, step.name), ...carriedOver(partition, table.template)];
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
            : [
                UNDER_LOCK_TIMEOUT,
                ...lockReferenced(table),
                ...lockTable(table, 'SHARE ROW EXCLUSIVE'),
                ...lockTable(defaultPartition, 'ACCESS EXCLUSIVE'),
                ...awaitReferenced(table),
              ]),
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

/**
 * Copies while everybody goes on working: only ACCESS SHARE is held on the default partition. A second round takes
 * over what was written during the first, so that little is left for the time under locks; the statistics make the
 * checks of that time short.
 */
function copyRows(
  table: PartitionedTable,
  source: DefaultPartition,
  step: CreateStep,
  partition: string,
): string[] {
  return [
    'CREATE TEMPORARY TABLE partition_keeper_copied (leaf oid NOT NULL, place tid NOT NULL, writer xid NOT NULL, copy tid NOT NULL) ON COMMIT DROP',
    "SET LOCAL work_mem = '64MB'",
    synchronize(table, source, step, partition),
    `ANALYZE ${COPIED}, ${partition}`,
    synchronize(table, source, step, partition),
  ];
}

/** The short part, under locks: takes over the last changes and empties the range. */
function exchangeRows(
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
