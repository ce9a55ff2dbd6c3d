import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../partition/identifiers.ts';
import { ensure, nameOf } from '../postgres/statements/common.ts';
import {
  carriedOver,
  parametersSql,
  policiesSql,
  rowSecurity,
} from '../postgres/statements/new-partition.ts';
import { constraintSql, definitionOf, type IndexPlan, isConstraint } from './indexes.ts';
import type { Constraint, ExtendedStatistics, LegacyTable, Sequence, Trigger } from './model.ts';
import { isReplicaIdentity, replicaIdentityOf } from './replica-identity.ts';

/** What a converted table is made of, as statements. */

const comment = (what: string, text: string | null): string[] =>
  text === null ? [] : [`COMMENT ON ${what} IS ${quoteLiteral(text)}`];

/** An index or key of the new table, under the name it has until it gets the one of the old. */
export function indexSql(table: LegacyTable, parent: string, plan: IndexPlan): string[] {
  const { index, interim } = plan;
  const name = qualified(table.schema, interim);
  const made = isConstraint(plan)
    ? `ALTER TABLE ${parent} ADD CONSTRAINT ${quoteIdentifier(interim)} ${constraintSql(plan, table.keyColumn)}`
    : `CREATE ${index.unique && plan.change === 'none' ? 'UNIQUE ' : ''}INDEX ${quoteIdentifier(interim)} ON ${parent} ${definitionOf(plan, table.keyColumn)}`;
  const what = isConstraint(plan) ? `CONSTRAINT ${quoteIdentifier(interim)} ON ${parent}` : `INDEX ${name}`;
  return [
    made,
    ...comment(what, index.comment),
    ...index.statistics.map(
      ({ column, target }) => `ALTER INDEX ${name} ALTER COLUMN ${column} SET STATISTICS ${target}`,
    ),
    ...(isReplicaIdentity(plan)
      ? [`ALTER TABLE ${parent} REPLICA IDENTITY USING INDEX ${quoteIdentifier(interim)}`]
      : []),
  ];
}

/** A trigger of the old table, for the new one. */
export function triggerSql(parent: string, trigger: Trigger): string[] {
  const name = quoteIdentifier(trigger.name);
  return [
    `${trigger.before} ON ${parent} ${trigger.after}`,
    ...(trigger.mode === null
      ? []
      : [`ALTER TABLE ${parent} ${trigger.mode === 'DISABLE' ? 'DISABLE' : trigger.mode} TRIGGER ${name}`]),
    ...comment(`TRIGGER ${name} ON ${parent}`, trigger.comment),
  ];
}

/** Policies may be there without row security being on; and a table that lacks one shows too much, or nothing. */
function policySql(table: LegacyTable, bare: string): string[] {
  const { policies, template } = table;
  if (policies.length === 0) return [];
  const name = qualified(table.schema, bare);
  return [
    ...(template.rowSecurity ? [] : [policiesSql(table, bare)]),
    ensure(
      `${policies.length} = (SELECT pg_catalog.count(*) FROM pg_catalog.pg_policy AS p WHERE p.polrelid = pg_catalog.to_regclass(${quoteLiteral(name)}))`,
      `a policy of ${displayName(table.schema, table.name)} cannot be made for another table; nothing is changed`,
    ),
    ...policies.flatMap((policy) =>
      comment(`POLICY ${quoteIdentifier(policy.name)} ON ${name}`, policy.comment),
    ),
  ];
}

function statisticsSql(parent: string, one: ExtendedStatistics, interim: Interim): string[] {
  const name = qualified(one.schema, interim(one.name));
  return [
    `CREATE STATISTICS ${name}${one.kinds.length === 0 ? '' : ` (${one.kinds.join(', ')})`} ON ${one.columns} FROM ${parent}`,
    ...(one.target === null ? [] : [`ALTER STATISTICS ${name} SET STATISTICS ${one.target}`]),
    ...comment(`STATISTICS ${name}`, one.comment),
  ];
}

function identitySql(table: LegacyTable, parent: string, sequence: Sequence, interim: Interim): string[] {
  const kind = table.columns.find(({ name }) => name === sequence.column)?.identity;
  const name = qualified(sequence.schema, interim(sequence.name));
  return [
    `ALTER TABLE ${parent} ALTER COLUMN ${quoteIdentifier(sequence.column)} ADD GENERATED ${kind} AS IDENTITY (SEQUENCE NAME ${name} ${sequence.options})`,
    ...sequence.grants.map(
      ({ grantee, privilege, grantable }) =>
        `GRANT ${privilege} ON SEQUENCE ${name} TO ${grantee === null ? 'PUBLIC' : quoteIdentifier(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`,
    ),
  ];
}

/** What a thing of the new table is called until it gets the name of its like of the old one. */
export type Interim = (name: string) => string;

export const constraintsSql = (
  table: string,
  constraints: readonly Pick<Constraint, 'name' | 'definition' | 'comment'>[],
): string[] =>
  constraints.flatMap(({ name, definition, comment: text }) => [
    `ALTER TABLE ${table} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`,
    ...comment(`CONSTRAINT ${quoteIdentifier(name)} ON ${table}`, text),
  ]);

/** The constraints of a kind that are the table's own, not ours. */
export const constraintsOf = (table: LegacyTable, of: Constraint['kind']): Constraint[] =>
  table.constraints.filter(({ kind, name }) => kind === of && !name.startsWith('partition_keeper_'));

/** How the new table is laid out: in partitions of the key, or as a plain table. */
export type Layout = 'partitioned' | 'plain';

function createSql(table: LegacyTable, name: string, layout: Layout): string {
  const { accessMethod, storage, tablespace } = table.template;
  const like = `CREATE TABLE ${name} (LIKE ${nameOf(table)} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS)`;
  const kept =
    layout === 'partitioned'
      ? ` PARTITION BY RANGE (${quoteIdentifier(table.keyColumn)})`
      : `${accessMethod === null ? '' : ` USING ${quoteIdentifier(accessMethod)}`}${storage.length === 0 ? '' : ` WITH ${parametersSql(storage)}`}`;
  return `${like}${kept}${tablespace === null ? '' : ` TABLESPACE ${quoteIdentifier(tablespace)}`}`;
}

/**
 * A new table with what the old one has and others do not feel: columns, checks, statistics, identities, grants,
 * policies. Indexes, keys and triggers come when they are wanted.
 * @param text its comment
 */
export function shellSql(
  table: LegacyTable,
  bare: string,
  text: string,
  {
    layout,
    interim,
    filled,
  }: {
    readonly layout: Layout;
    readonly interim: Interim;
    /** Whether the old rows are copied into it, which checks that they need not obey would hinder. */
    readonly filled: boolean;
  },
): string[] {
  const name = qualified(table.schema, bare);
  return [
    createSql(table, name, layout),
    `ALTER TABLE ${name} ALTER COLUMN ${quoteIdentifier(table.keyColumn)} SET NOT NULL`,
    ...carriedOver(name, { ...table.template, replicaIdentity: replicaIdentityOf(table), comment: text }),
    ...table.columns
      .filter(({ options }) => options.length > 0)
      .map(
        (column) =>
          `ALTER TABLE ${name} ALTER COLUMN ${quoteIdentifier(column.name)} SET ${parametersSql(column.options)}`,
      ),
    ...rowSecurity(table, bare, table.template),
    ...policySql(table, bare),
    ...constraintsSql(
      name,
      constraintsOf(table, 'check').filter(({ validated }) => validated || !filled),
    ),
    ...table.statistics.flatMap((one) => statisticsSql(name, one, interim)),
    ...table.sequences
      .filter(({ identity }) => identity)
      .flatMap((one) => identitySql(table, name, one, interim)),
  ];
}
