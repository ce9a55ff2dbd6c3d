import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../partition/range.ts';
import {
  begin,
  ensure,
  lockReferenced,
  nameOf,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../postgres/statements/common.ts';
import {
  carriedOver,
  parametersSql,
  policiesSql,
  rowSecurity,
} from '../postgres/statements/new-partition.ts';
import type { Step } from '../postgres/step.ts';
import { constraintSql, definitionOf, type IndexPlan, indexPlans, isConstraint } from './indexes.ts';
import { type ConversionMarker, conversionText } from './marker.ts';
import type { ExtendedStatistics, LegacyTable, Sequence, Trigger } from './model.ts';
import { parentName } from './names.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

const comment = (what: string, text: string | null): string[] =>
  text === null ? [] : [`COMMENT ON ${what} IS ${quoteLiteral(text)}`];

function indexSql(table: LegacyTable, parent: string, plan: IndexPlan): string[] {
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
    ...(index.replicaIdentity && plan.change === 'none'
      ? [`ALTER TABLE ${parent} REPLICA IDENTITY USING INDEX ${quoteIdentifier(interim)}`]
      : []),
  ];
}

function triggerSql(parent: string, trigger: Trigger): string[] {
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
function policySql(table: LegacyTable, name: string): string[] {
  const { policies, template } = table;
  if (policies.length === 0) return [];
  const parent = qualified(table.schema, name);
  return [
    ...(template.rowSecurity ? [] : [policiesSql(table, name)]),
    ensure(
      `${policies.length} = (SELECT pg_catalog.count(*) FROM pg_catalog.pg_policy AS p WHERE p.polrelid = pg_catalog.to_regclass(${quoteLiteral(parent)}))`,
      `a policy of ${displayName(table.schema, table.name)} cannot be made for another table; nothing is changed`,
    ),
    ...policies.flatMap((policy) =>
      comment(`POLICY ${quoteIdentifier(policy.name)} ON ${parent}`, policy.comment),
    ),
  ];
}

function statisticsSql(parent: string, one: ExtendedStatistics): string[] {
  const name = qualified(one.schema, parentName(one.name));
  return [
    `CREATE STATISTICS ${name}${one.kinds.length === 0 ? '' : ` (${one.kinds.join(', ')})`} ON ${one.columns} FROM ${parent}`,
    ...(one.target === null ? [] : [`ALTER STATISTICS ${name} SET STATISTICS ${one.target}`]),
    ...comment(`STATISTICS ${name}`, one.comment),
  ];
}

function identitySql(table: LegacyTable, parent: string, sequence: Sequence): string[] {
  const kind = table.columns.find(({ name }) => name === sequence.column)?.identity;
  const name = qualified(sequence.schema, parentName(sequence.name));
  return [
    `ALTER TABLE ${parent} ALTER COLUMN ${quoteIdentifier(sequence.column)} ADD GENERATED ${kind} AS IDENTITY (SEQUENCE NAME ${name} ${sequence.options})`,
    ...sequence.grants.map(
      ({ grantee, privilege, grantable }) =>
        `GRANT ${privilege} ON SEQUENCE ${name} TO ${grantee === null ? 'PUBLIC' : quoteIdentifier(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`,
    ),
  ];
}

/**
 * Makes the partitioned table to be, without partitions, with everything the old one has, under names of its own
 * where a schema allows a name only once. Nobody knows it yet; foreign keys lock what they refer to for a moment.
 */
export function parentStep(table: LegacyTable, marker: ConversionMarker, context: StatementContext): Step {
  const name = parentName(table.name);
  const parent = qualified(table.schema, name);
  const checks = table.constraints.filter(
    ({ kind, name: own }) => kind === 'check' && !own.startsWith('partition_keeper_'),
  );
  const keys = table.constraints.filter(({ kind }) => kind === 'foreign key');
  const constraint = ({ name: own, definition, comment: text }: (typeof checks)[number]) => [
    `ALTER TABLE ${parent} ADD CONSTRAINT ${quoteIdentifier(own)} ${definition}`,
    ...comment(`CONSTRAINT ${quoteIdentifier(own)} ON ${parent}`, text),
  ];
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
      `CREATE TABLE ${parent} (LIKE ${nameOf(table)} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS) PARTITION BY RANGE (${quoteIdentifier(table.keyColumn)})${table.template.tablespace === null ? '' : ` TABLESPACE ${quoteIdentifier(table.template.tablespace)}`}`,
      `ALTER TABLE ${parent} ALTER COLUMN ${quoteIdentifier(table.keyColumn)} SET NOT NULL`,
      ...carriedOver(parent, { ...table.template, comment: conversionText(marker) }),
      ...table.columns
        .filter(({ options }) => options.length > 0)
        .map(
          (column) =>
            `ALTER TABLE ${parent} ALTER COLUMN ${quoteIdentifier(column.name)} SET ${parametersSql(column.options)}`,
        ),
      ...rowSecurity(table, name, table.template),
      ...policySql(table, name),
      ...checks.flatMap(constraint),
      ...indexPlans(table).flatMap((plan) => indexSql(table, parent, plan)),
      ...table.statistics.flatMap((one) => statisticsSql(parent, one)),
      ...table.sequences.filter(({ identity }) => identity).flatMap((one) => identitySql(table, parent, one)),
      ...table.triggers.flatMap((trigger) => triggerSql(parent, trigger)),
      ...keys.flatMap(constraint),
      'COMMIT',
    ],
  };
}
