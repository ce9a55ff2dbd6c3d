import { qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import type { Grant, ManagedTable, Template } from '../../partition/model.ts';
import { doBlock, nameOf } from './common.ts';

/** `(name = 'value', ..)`, of what comes from the catalog as `name=value`. */
export function parametersSql(parameters: readonly string[]): string {
  const pairs = parameters.map((parameter) => {
    const [, name = parameter, value = ''] = /^([^=]*)=(.*)$/s.exec(parameter) ?? [];
    return `${name.split('.').map(quoteIdentifier).join('.')} = ${quoteLiteral(value)}`;
  });
  return `(${pairs.join(', ')})`;
}

/** ` WITH (..)`, or empty where there is nothing to say. */
export const storageSql = (storage: readonly string[]): string =>
  storage.length === 0 ? '' : ` WITH ${parametersSql(storage)}`;

/** `LIKE` locks the parent in ACCESS SHARE only; `PARTITION OF` would lock it, and its default, exclusively. */
export function createTable(table: ManagedTable, name: string): string {
  const { accessMethod, storage, tablespace } = table.template;
  return [
    `CREATE TABLE ${qualified(table.schema, name)} (LIKE ${nameOf(table)} INCLUDING ALL EXCLUDING IDENTITY)`,
    accessMethod === null ? '' : ` USING ${quoteIdentifier(accessMethod)}`,
    storageSql(storage),
    tablespace === null ? '' : ` TABLESPACE ${quoteIdentifier(tablespace)}`,
  ].join('');
}

export const granteeSql = (grantee: string | null): string =>
  grantee === null ? 'PUBLIC' : quoteIdentifier(grantee);

/** `SELECT`, or `SELECT ("column")`. */
export const grantedSql = ({ privilege, column }: Grant): string =>
  column === null ? privilege : `${privilege} (${quoteIdentifier(column)})`;

export const grantSql = (table: string, grant: Grant): string =>
  `GRANT ${grantedSql(grant)} ON TABLE ${table} TO ${granteeSql(grant.grantee)}${grant.grantable ? ' WITH GRANT OPTION' : ''}`;

/** SQL expressions: names as text, with schema and quoted as they stand in statements, and by themselves. */
interface NamesSql {
  readonly parent: string;
  readonly parentName: string;
  readonly partition: string;
  readonly partitionName: string;
}

/** The tokens of an expression as the server prints it; a name keeps the dot that follows it. */
const TOKENS = `$tokens$'(?:[^']|'')*'|"(?:[^"]|"")*"[.]?|[[:alnum:]_$]+[.]?|.$tokens$`;

/**
 * Policies matter for direct access to the partition; through the parent, the parent's apply. In a subquery,
 * columns of the row at hand stand with the parent's name, which becomes the partition's. Should a policy resist
 * all the same, the partition gets none, and row security lets nobody but the owner in directly.
 */
export const copyPolicies = ({ parent, parentName, partition, partitionName }: NamesSql): string => `
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
    FROM pg_catalog.pg_policy AS p WHERE p.polrelid = pg_catalog.to_regclass(${parent})
  LOOP
    statement := pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', policy.polname, ${partition}, policy.permissive, policy.command, policy.roles)
      || COALESCE(' USING (' || policy.visible || ')', '') || COALESCE(' WITH CHECK (' || policy.checked || ')', '');
    BEGIN
      EXECUTE statement;
    EXCEPTION WHEN undefined_table THEN
      EXECUTE (
        SELECT pg_catalog.string_agg(CASE piece.token[1]
                 WHEN pg_catalog.quote_ident(${parentName}) || '.' THEN pg_catalog.quote_ident(${partitionName}) || '.'
                 ELSE piece.token[1] END, '' ORDER BY piece.position)
        FROM pg_catalog.regexp_matches(statement, ${TOKENS}, 'g') WITH ORDINALITY AS piece(token, position));
    END;
  END LOOP;
EXCEPTION WHEN syntax_error_or_access_rule_violation OR invalid_schema_name THEN
  NULL;
END`;

const namesSql = (table: ManagedTable, name: string): NamesSql => ({
  parent: quoteLiteral(nameOf(table)),
  parentName: quoteLiteral(table.name),
  partition: quoteLiteral(qualified(table.schema, name)),
  partitionName: quoteLiteral(name),
});

export const policiesSql = (table: ManagedTable, name: string): string =>
  doBlock(copyPolicies(namesSql(table, name)));

/** The name LIKE gave the index is the server's choice: it is looked up once the index is attached. */
export const copyReplicaIndex = ({ parent, partition }: Pick<NamesSql, 'parent' | 'partition'>): string => `
BEGIN
  EXECUTE (
    SELECT pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', ${partition}, c.relname)
    FROM pg_catalog.pg_index AS parent
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = parent.indexrelid
    JOIN pg_catalog.pg_index AS child ON child.indexrelid = i.inhrelid
    JOIN pg_catalog.pg_class AS c ON c.oid = child.indexrelid
    WHERE parent.indrelid = pg_catalog.to_regclass(${parent}) AND parent.indisreplident
      AND child.indrelid = pg_catalog.to_regclass(${partition}));
END`;

export const replicaIndexSql = (table: ManagedTable, partition: string): string =>
  doBlock(copyReplicaIndex({ parent: quoteLiteral(nameOf(table)), partition: quoteLiteral(partition) }));

/** What neither LIKE nor ATTACH carries over, as far as it can be set before the attach. */
export function carriedOver(partition: string, template: Template): string[] {
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
export function rowSecurity(table: ManagedTable, name: string, template: Template): string[] {
  const partition = qualified(table.schema, name);
  return [
    ...(template.rowSecurity ? [`ALTER TABLE ${partition} ENABLE ROW LEVEL SECURITY`] : []),
    ...(template.forceRowSecurity ? [`ALTER TABLE ${partition} FORCE ROW LEVEL SECURITY`] : []),
    ...(template.rowSecurity ? [policiesSql(table, name)] : []),
  ];
}
