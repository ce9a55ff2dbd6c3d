import type { ReportError } from '../../contract.ts';
import { displayIdentifier, displayName, quoteIdentifier } from '../../partition/identifiers.ts';
import type { Grant } from '../../partition/model.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import { grantedSql, granteeSql, grantSql } from '../../postgres/statements/new-partition.ts';
import type { LegacyTable } from '../model.ts';
import { replacedName } from '../names.ts';
import { constraintsOf } from '../parts.ts';

/** Something about the table in use, and the statement that deals with it. */
interface Difference {
  readonly what: string;
  readonly statement: string;
}

/** `table (constraint)`, each in quotes where it needs them. */
const REFERENCE = /^(?<from>(?:[^" ]|"[^"]*")+) \((?<key>.+)\)$/s;

/** What depends on the very table in use: it would go on with that one, which then follows no more. */
export function dependingOn(table: LegacyTable): Difference[] {
  const name = displayName(table.schema, table.name);
  return [
    ...table.referencedBy.map((reference) => {
      const { from, key } = REFERENCE.exec(reference)?.groups ?? {};
      return {
        what: `${reference} refers to ${name}`,
        statement: `ALTER TABLE ${from} DROP CONSTRAINT ${key};`,
      };
    }),
    ...table.dependents
      .filter(({ statement }) => statement === null)
      .map(({ name: dependent }) => ({
        what: `${dependent} depends on ${name} itself`,
        statement: dependent.startsWith('materialized view ')
          ? `DROP MATERIALIZED VIEW ${dependent.slice('materialized view '.length)};`
          : 'Drop it.',
      })),
    ...table.dependents.flatMap(({ name: dependent, owner, wanting, statement }) =>
      wanting === null || statement === null
        ? []
        : [{ what: `${dependent} has to be made anew by ${owner}, who lacks a right`, statement: wanting }],
    ),
  ];
}

/** An index that has come with the table has its like under the name that it waits by; one may be made by hand, too. */
function indexes(table: LegacyTable, other: LegacyTable): Difference[] {
  const hasLike = ({ name, definition, unique }: LegacyTable['indexes'][number]) =>
    other.indexes.some(
      (its) =>
        its.valid &&
        (its.name === replacedName(name) || (its.definition === definition && (its.unique || !unique))),
    );
  const how = other.kind === 'table' ? 'INDEX CONCURRENTLY' : 'INDEX';
  return table.indexes
    .filter((index) => index.valid && !hasLike(index))
    .map(({ name, definition, unique }) => ({
      what: `no index ${displayIdentifier(name)}`,
      statement: `CREATE ${unique ? 'UNIQUE ' : ''}${how} ${quoteIdentifier(replacedName(name))} ON ${nameOf(other)} ${definition};`,
    }));
}

const NOT_VALID = / NOT VALID$/;

function constraints(table: LegacyTable, other: LegacyTable): Difference[] {
  const sql = nameOf(other);
  return (['check', 'foreign key'] as const).flatMap((kind) => {
    const its = new Set(
      constraintsOf(other, kind).map(({ definition }) => definition.replace(NOT_VALID, '')),
    );
    return constraintsOf(table, kind)
      .filter(({ definition }) => !its.has(definition.replace(NOT_VALID, '')))
      .map(({ name, definition }) => {
        const add = `ALTER TABLE ${sql} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`;
        const later = other.kind === 'table' && !NOT_VALID.test(definition);
        return {
          what: `no ${kind} ${displayIdentifier(name)}`,
          statement: later
            ? `${add} NOT VALID; ALTER TABLE ${sql} VALIDATE CONSTRAINT ${quoteIdentifier(name)};`
            : `${add};`,
        };
      });
  });
}

function grants(table: LegacyTable, other: LegacyTable): Difference[] {
  const same = (one: Grant, its: Grant) =>
    one.grantee === its.grantee && one.privilege === its.privilege && one.column === its.column;
  const what = (grant: Grant) =>
    `${grantedSql(grant)}${grant.grantable ? ' with grant option' : ''} for ${grant.grantee === null ? 'PUBLIC' : displayIdentifier(grant.grantee)}`;
  const here = table.template.grants;
  const there = other.template.grants;
  return [
    ...here
      .filter((grant) => !there.some((its) => same(grant, its) && (its.grantable || !grant.grantable)))
      .map((grant) => ({ what: `no ${what(grant)}`, statement: `${grantSql(nameOf(other), grant)};` })),
    ...there
      .filter((its) => !here.some((grant) => same(grant, its)))
      .map((its) => ({
        what: `still ${what(its)}`,
        statement: `REVOKE ${grantedSql(its)} ON TABLE ${nameOf(other)} FROM ${granteeSql(its.grantee)};`,
      })),
  ];
}

function rowSecurity(table: LegacyTable, other: LegacyTable): Difference[] {
  const sql = nameOf(other);
  const drop = (name: string) => `DROP POLICY ${quoteIdentifier(name)} ON ${sql};`;
  const { rowSecurity: on, forceRowSecurity: forced } = table.template;
  return [
    ...(forced
      ? [
          {
            what: 'no row security that is forced upon its owner',
            statement: `ALTER TABLE ${nameOf(table)} NO FORCE ROW LEVEL SECURITY;`,
          },
        ]
      : []),
    ...(on === other.template.rowSecurity
      ? []
      : [
          {
            what: on ? 'no row security' : 'still row security',
            statement: `ALTER TABLE ${sql} ${on ? 'ENABLE' : 'DISABLE'} ROW LEVEL SECURITY;`,
          },
        ]),
    ...table.policies.flatMap(({ name, definition }) => {
      const its = other.policies.find((policy) => policy.name === name);
      if (its?.definition === definition) return [];
      const create = `CREATE POLICY ${quoteIdentifier(name)} ON ${sql} ${definition.replaceAll('{table}.', `${quoteIdentifier(other.name)}.`)};`;
      return [
        {
          what: `no policy ${displayIdentifier(name)} like it`,
          statement: its === undefined ? create : `${drop(name)} ${create}`,
        },
      ];
    }),
    ...other.policies
      .filter(({ name }) => !table.policies.some((policy) => policy.name === name))
      .map(({ name }) => ({
        what: `still a policy ${displayIdentifier(name)}`,
        statement: drop(name),
      })),
  ];
}

/**
 * What the application may have come to rely on since the table took the place, and would miss, or be troubled by, if
 * the one that was replaced came back. Views, functions, triggers and publications are carried over; columns are
 * another matter.
 */
export const changedSince = (table: LegacyTable, other: LegacyTable): Difference[] => [
  ...indexes(table, other),
  ...constraints(table, other),
  ...grants(table, other),
  ...rowSecurity(table, other),
];

const statementsOf = (differences: readonly Difference[]): string =>
  differences.map(({ statement }) => statement).join(' ');

/** Why the table that was replaced cannot take its place again, as others depend on the one in use. */
export function dependedOn(table: LegacyTable, other: LegacyTable): ReportError | null {
  const found = dependingOn(table);
  if (found.length === 0) return null;
  return {
    code: 'depended-on',
    message: `${found.map(({ what }) => what).join(', and ')}: that would not go over to ${displayName(other.schema, other.name)}.`,
    hint: `${statementsOf(found)} Then repeat the command, and make anew what is needed; or keep the conversion, with --finish. Nothing has been undone.`,
  };
}

/** Why it is not to take its place again unasked: something would be missing, or be there once more. */
export function unlikeSince(table: LegacyTable, other: LegacyTable): ReportError | null {
  const found = changedSince(table, other);
  if (found.length === 0) return null;
  return {
    code: 'changed-since',
    message: `${displayName(other.schema, other.name)} has ${found.map(({ what }) => what).join(', and ')}, unlike ${displayName(table.schema, table.name)}.`,
    hint: `Give it the same (${statementsOf(found)}) and repeat the command; go back as it is, with --approve; or keep the conversion, with --finish. Nothing has been undone.`,
  };
}
