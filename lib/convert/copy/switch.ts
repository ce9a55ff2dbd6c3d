import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import { OF_CLIENT } from '../../postgres/apply/holders.ts';
import { SQLSTATE } from '../../postgres/sqlstate.ts';
import {
  begin,
  doBlock,
  ensure,
  lockNeed,
  lockTable,
  nameOf,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { fingerprintSql } from '../inspect/queries.ts';
import { type ConversionMarker, conversionText } from '../marker.ts';
import type { LegacyTable } from '../model.ts';
import { constraintsOf, constraintsSql, type Interim, triggerSql } from '../parts.ts';
import { dependentsSql, lockViews, viewLocks } from '../switch/dependents.ts';
import { setValue } from '../switch/sequences.ts';
import { commentOnChanges } from './changes.ts';
import { comparedSql } from './compared.ts';
import { completeSince, dropTriggersSql, followingFunction, triggersSql } from './mirror.ts';
import { changesOf, lockable, mirrorOf, type Pair } from './pair.ts';
import { COPY_KEY } from './progress.ts';

/** One of two tables takes the place of the other, which goes on following it. */
export interface Exchange {
  readonly pair: Pair;
  /** The table that takes the place, with what it has. */
  readonly other: LegacyTable;
  /** What things of the other table are called as long as they wait for their names. */
  readonly waiting: Interim;
  /** What things of the table in use are called afterwards. */
  readonly aside: Interim;
  /** The transaction since when the other is complete. */
  readonly since: string;
  readonly marker: ConversionMarker;
  /** New names of partitions, in order. */
  readonly renamed: readonly { readonly schema: string; readonly from: string; readonly to: string }[];
  /** What is taken back of the other table, by the name that it gets. */
  readonly takenBack: readonly string[];
  /** The keys the table in use has room for, if it is to follow afterwards, so that it can be exchanged back. */
  readonly follow: { readonly room: Pair['room'] } | null;
}

/** What the table that was in use says afterwards: nothing of it is to be gone on with. */
export const markerOfReplaced = (marker: ConversionMarker, other: LegacyTable): ConversionMarker => ({
  ...marker,
  tableOid: other.oid,
  fingerprint: '',
});

/**
 * A snapshot from before the other table was complete would not see all its rows; such a transaction has not used the
 * table so far, or it would hold a lock on it. One that begins while that transaction goes on has it for its oldest.
 * Snapshots only get younger, so no lock is needed for the look.
 */
const noOldSnapshot = (since: string): string =>
  doBlock(`
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datname = pg_catalog.current_database() AND ${OF_CLIENT} AND a.pid <> pg_catalog.pg_backend_pid()
      AND a.backend_xmin IS NOT NULL AND pg_catalog.age(a.backend_xmin) >= pg_catalog.age('${since}'::pg_catalog.xid8::pg_catalog.xid)
  ) THEN
    RAISE EXCEPTION USING ERRCODE = '${SQLSTATE.lockNotAvailable}', MESSAGE = 'a transaction is older than the copy, and would not see all of it';
  END IF;
END`);

/** Both tables are those that were compared, nothing has changed about them, and no change of a row is outstanding. */
function asPlanned({ pair, other, since, marker }: Exchange): string {
  const { source } = pair;
  return ensure(
    `pg_catalog.to_regclass(${quoteLiteral(nameOf(source))}) = ${source.oid}::pg_catalog.regclass
    AND pg_catalog.to_regclass(${quoteLiteral(nameOf(other))}) = ${other.oid}::pg_catalog.regclass
    AND pg_catalog.obj_description(${other.oid}, 'pg_class') = ${quoteLiteral(conversionText(marker))}
    AND EXISTS (SELECT FROM pg_catalog.pg_class AS o JOIN pg_catalog.pg_class AS t ON t.relowner = o.relowner WHERE t.oid = ${source.oid} AND o.oid = ${other.oid})
    AND pg_catalog.obj_description(pg_catalog.to_regproc(${quoteLiteral(mirrorOf(pair))}), 'pg_proc')::pg_catalog.jsonb #>> '{partition-keeper-mirror,since}' = '${since}'
    AND ${comparedSql(pair)}
    AND NOT EXISTS (SELECT FROM ${changesOf(pair)})
    AND ${fingerprintSql(source.oid, source.keyColumn)} = ${quoteLiteral(source.fingerprint)}`,
    `${displayName(source.schema, source.name)}, or ${displayName(other.schema, other.name)}, is no longer as it was compared; nothing is changed`,
  );
}

const rename = (what: 'INDEX' | 'STATISTICS', schema: string, from: string, to: string): string =>
  `ALTER ${what} ${qualified(schema, from)} RENAME TO ${quoteIdentifier(to)}`;

/** Each index makes room for its like, where there is one. */
function indexNames({ pair: { source }, other, waiting, aside }: Exchange): string[] {
  const there = new Set(other.indexes.map(({ name }) => name));
  return source.indexes
    .filter(({ name }) => there.has(waiting(name)))
    .flatMap(({ name }) => [
      rename('INDEX', source.schema, name, aside(name)),
      rename('INDEX', source.schema, waiting(name), name),
    ]);
}

function statisticsNames({ pair: { source }, other, waiting, aside }: Exchange): string[] {
  const there = new Set(other.statistics.map(({ name }) => name));
  return source.statistics
    .filter(({ name }) => there.has(waiting(name)))
    .flatMap(({ schema, name }) => [
      rename('STATISTICS', schema, name, aside(name)),
      rename('STATISTICS', schema, waiting(name), name),
    ]);
}

/** The other identity goes on where this one stands, from which nobody draws meanwhile; a sequence changes hands. */
function sequences({ pair: { source }, other, aside }: Exchange, table: string): string[] {
  return source.sequences.flatMap((sequence) => {
    const name = qualified(sequence.schema, sequence.name);
    if (!sequence.identity)
      return [`ALTER SEQUENCE ${name} OWNED BY ${table}.${quoteIdentifier(sequence.column)}`];
    const its = other.sequences.find(({ identity, column }) => identity && column === sequence.column);
    if (its === undefined) return [];
    const waiting = qualified(its.schema, its.name);
    return [
      `ALTER SEQUENCE ${name} CACHE ${sequence.cache}`,
      setValue(name, waiting),
      `ALTER SEQUENCE ${name} RENAME TO ${quoteIdentifier(aside(sequence.name))}`,
      `ALTER SEQUENCE ${waiting} RENAME TO ${quoteIdentifier(sequence.name)}`,
    ];
  });
}

/** Checks that old rows need not obey: they could not be had while those were copied. */
const laterChecks = ({ pair: { source }, other }: Exchange, table: string): string[] => {
  const there = new Set(other.constraints.map(({ name }) => name));
  return constraintsSql(
    table,
    constraintsOf(source, 'check').filter(({ name }) => !there.has(name)),
  );
};

/**
 * The one moment that others may feel: two tables exchange names, in one transaction, without a look at their rows.
 * From then on the table that was in use follows the other one, unless it is to go.
 */
export function exchangeStep(exchange: Exchange, context: StatementContext): Step {
  const { pair, other, aside, since, marker, renamed, takenBack, follow } = exchange;
  const { source } = pair;
  const table = nameOf(source);
  const set = qualified(source.schema, aside(source.name));
  const taken = markerOfReplaced(marker, other);
  const back: Pair = {
    ...pair,
    source: { ...other, name: source.name },
    target: { schema: source.schema, name: aside(source.name) },
    room: follow?.room ?? null,
  };
  return {
    kind: 'switch',
    partition: displayName(other.schema, other.name),
    partitionOid: other.oid,
    range: { from: MINVALUE, to: MAXVALUE },
    reason: `takes the place of ${displayName(source.schema, source.name)}, which becomes ${displayName(source.schema, aside(source.name))}`,
    hazards: [
      `an ACCESS EXCLUSIVE lock on ${displayName(source.schema, source.name)} for a moment`,
      'waits for every transaction that is older than the copy',
    ],
    locks: [lockNeed(source, 'AccessExclusiveLock'), ...viewLocks(source)],
    statements: [
      ...begin(source, context),
      UNDER_LOCK_TIMEOUT,
      noOldSnapshot(since),
      ...lockViews(source),
      ...lockTable(lockable(pair), 'ACCESS EXCLUSIVE'),
      asPlanned(exchange),
      ...source.triggers.map(({ name }) => `DROP TRIGGER ${quoteIdentifier(name)} ON ${table}`),
      ...dropTriggersSql(table),
      ...indexNames(exchange),
      ...statisticsNames(exchange),
      `ALTER TABLE ${table} RENAME TO ${quoteIdentifier(aside(source.name))}`,
      `ALTER TABLE ${nameOf(other)} RENAME TO ${quoteIdentifier(source.name)}`,
      ...renamed.map(
        ({ schema, from, to }) => `ALTER TABLE ${qualified(schema, from)} RENAME TO ${quoteIdentifier(to)}`,
      ),
      ...takenBack,
      ...sequences(exchange, table),
      ...laterChecks(exchange, table),
      ...source.triggers.flatMap((trigger) => triggerSql(table, trigger)),
      ...(follow !== null ? [followingFunction(back), completeSince(back), ...triggersSql(back, table)] : []),
      ...dependentsSql(source, { table, legacy: set }),
      `COMMENT ON TABLE ${set} IS ${quoteLiteral(conversionText(taken))}`,
      `COMMENT ON TABLE ${table} IS ${source.template.comment === null ? 'NULL' : quoteLiteral(source.template.comment)}`,
      doBlock(`
BEGIN
  EXECUTE pg_catalog.format(${commentOnChanges(pair)}, (pg_catalog.obj_description(${quoteLiteral(changesOf(pair))}::pg_catalog.regclass, 'pg_class')::pg_catalog.jsonb) #- '{${COPY_KEY},verified}');
END`),
      'COMMIT',
    ],
  };
}
