import { displayName, qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import type { DefaultPartition, PartitionedTable, Relation } from '../../partition/model.ts';
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
 * Writers queue behind a waiting DDL statement, so none waits longer than this. It must also stay well below
 * `deadlock_timeout`: then we give up before the server looks for a victim among the application's sessions.
 */
export const lockTimeoutMs = (deadlockTimeoutMs: number): number =>
  Math.max(1, Math.min(50, Math.floor(deadlockTimeoutMs / 4)));

export const nameOf = (relation: { readonly schema: string; readonly name: string }): string =>
  qualified(relation.schema, relation.name);

export function lockNeed(relation: Relation, mode: LockNeed['mode']): LockNeed {
  return { oid: relation.oid, relation: displayName(relation.schema, relation.name), mode };
}

/** Locks on every table that foreign keys refer to: attach, detach and drop add or remove triggers there. */
export function referencedLocks(table: PartitionedTable, mode: LockNeed['mode']): LockNeed[] {
  const byOid = new Map(table.foreignKeys.map(({ referenced }) => [referenced.oid, referenced]));
  return [...byOid.values()].map((referenced) => lockNeed(referenced, mode));
}

/** What those locks may be felt by. */
export function referencedHazard(table: PartitionedTable, lock: string): string[] {
  const names = [
    ...new Set(table.foreignKeys.map(({ referenced }) => displayName(referenced.schema, referenced.name))),
  ];
  return names.length === 0 ? [] : [`${lock} on ${names.join(', ')} for a moment`];
}

/** Opens a transaction as the owner, in which no statement waits longer than allowed for a lock. */
export function begin(
  table: PartitionedTable,
  context: StatementContext,
  statementTimeout = '60s',
): string[] {
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
function dollarQuoted(body: string): string {
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
