import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import type { DefaultPartition, ManagedTable, Relation } from '../../partition/model.ts';
import { SQLSTATE } from '../sqlstate.ts';
import type { LockNeed } from '../step.ts';

/** What the statements of a run depend on besides the table. */
export interface StatementContext {
  readonly lockTimeoutMs: number;
  readonly runId: string;
  readonly role: string;
  /** ISO 8601: the server's clock at the start of the run. */
  readonly startedAt: string;
}

/**
 * Writers queue behind a waiting DDL statement, so none waits longer than this. A transaction may wait so four times
 * in a row, and that must stay well below `deadlock_timeout`: then we give up before the server looks for a victim
 * among the application's sessions.
 */
export const lockTimeoutMs = (deadlockTimeoutMs: number): number =>
  Math.max(1, Math.min(50, Math.floor(deadlockTimeoutMs / 8)));

/** While others wait, no statement may go on for longer: the attach looks through the default partition. */
export const UNDER_LOCKS = '10s';
export const UNDER_LOCK_TIMEOUT = `SET LOCAL statement_timeout = '${UNDER_LOCKS}'`;

export const nameOf = (relation: { readonly schema: string; readonly name: string }): string =>
  qualified(relation.schema, relation.name);

export function lockNeed(relation: Relation, mode: LockNeed['mode']): LockNeed {
  return { oid: relation.oid, relation: displayName(relation.schema, relation.name), mode };
}

/** Every table that foreign keys refer to, once. */
const referencedTables = (table: ManagedTable) => [
  ...new Map(table.foreignKeys.map((key) => [key.referenced.oid, key])).values(),
];

/** Locks on every table that foreign keys refer to: attach, detach and drop add or remove triggers there. */
export const referencedLocks = (table: ManagedTable, mode: LockNeed['mode']): LockNeed[] =>
  referencedTables(table).map(({ referenced }) => lockNeed(referenced, mode));

/**
 * Where writers of the table have to wait for us, the tables it refers to are locked before it, in the order in
 * which transactions write to them: whoever has begun with those then comes to an end, instead of waiting for us
 * while we wait for him. Only with a privilege on them; see `awaitReferenced`.
 */
export const lockReferenced = (table: ManagedTable): string[] =>
  referencedTables(table).flatMap(({ referenced, lockable }) =>
    lockable ? lockTable(referenced, 'SHARE ROW EXCLUSIVE') : [],
  );

/** @param those `IN (..)` or `= ANY (..)`: oids of the tables to wait for */
export const awaitWriters = (those: string): string => `
BEGIN
  FOR look IN 1 .. 10 LOOP
    IF NOT EXISTS (
      SELECT FROM pg_catalog.pg_locks AS l
      WHERE l.locktype = 'relation' AND l.granted AND l.relation ${those}
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
        AND l.mode NOT IN ('AccessShareLock', 'RowShareLock') AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    ) THEN
      RETURN;
    END IF;
    PERFORM pg_catalog.pg_sleep(0.005);
  END LOOP;
  RAISE EXCEPTION USING ERRCODE = '${SQLSTATE.lockNotAvailable}', MESSAGE = 'a table that foreign keys refer to is being written to';
END`;

/**
 * Without that privilege, the statement that follows is the first to lock them, while writers wait for us. One of
 * them may hold such a table: seen in the catalog, he is no deadlock for the server to solve, but a lock that cannot
 * be had in time.
 */
export function awaitReferenced(table: ManagedTable): string[] {
  const others = referencedTables(table).filter(({ lockable }) => !lockable);
  if (others.length === 0) return [];
  return [doBlock(awaitWriters(`IN (${others.map(({ referenced }) => referenced.oid).join(', ')})`))];
}

/** What those locks may be felt by. */
export function referencedHazard(table: ManagedTable, lock: string): string[] {
  const names = [
    ...new Set(table.foreignKeys.map(({ referenced }) => displayName(referenced.schema, referenced.name))),
  ];
  return names.length === 0 ? [] : [`${lock} on ${names.join(', ')} for a moment`];
}

/** Opens a transaction as the owner, in which no statement waits longer than allowed for a lock. */
export function begin(table: ManagedTable, context: StatementContext, statementTimeout = '60s'): string[] {
  return [
    'BEGIN',
    `SET LOCAL lock_timeout = '${context.lockTimeoutMs}ms'`,
    `SET LOCAL statement_timeout = '${statementTimeout}'`,
    ...(table.isOwner ? [] : [`SET LOCAL ROLE ${quoteIdentifier(table.owner)}`]),
  ];
}

/** `LOCK TABLE` knows no foreign tables; dropping one locks it all the same. */
export function lockTable(
  relation: { readonly schema: string; readonly name: string; readonly kind?: DefaultPartition['kind'] },
  mode: 'SHARE ROW EXCLUSIVE' | 'ACCESS EXCLUSIVE',
): string[] {
  return relation.kind === 'foreign' ? [] : [`LOCK TABLE ONLY ${nameOf(relation)} IN ${mode} MODE`];
}

/** A dollar-quoted block whose quotes the body cannot end. */
export function dollarQuoted(body: string): string {
  let tag = '$check$';
  for (let number = 1; body.includes(tag); number++) tag = `$check${number}$`;
  return `${tag}${body}${tag}`;
}

export const doBlock = (body: string): string => `DO ${dollarQuoted(body)}`;

/** Fails the transaction unless the condition holds, so that a stale plan changes nothing. */
export function ensure(condition: string, otherwise: string): string {
  return doBlock(`
BEGIN
  IF NOT (${condition}) THEN
    RAISE EXCEPTION USING ERRCODE = '${SQLSTATE.changedSincePlan}', MESSAGE = ${quoteLiteral(otherwise)};
  END IF;
END`);
}
