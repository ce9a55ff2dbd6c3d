import type pg from 'pg';
import type { Blocker } from '../../contract.ts';
import type { LockMode, LockNeed } from '../step.ts';
import { LOCK_MODES } from '../step.ts';

/** Which held locks a wanted one has to wait for: each of ours conflicts with all modes from one on. */
const WEAKEST_CONFLICT: Record<LockNeed['mode'], LockMode> = {
  ShareUpdateExclusiveLock: 'ShareUpdateExclusiveLock',
  ShareRowExclusiveLock: 'RowExclusiveLock',
  AccessExclusiveLock: 'AccessShareLock',
};

const MODES: readonly string[] = LOCK_MODES;
const strength = (mode: string): number => MODES.indexOf(mode);

const conflicts = (wanted: LockNeed['mode'], held: string): boolean =>
  strength(held) >= strength(WEAKEST_CONFLICT[wanted]);

/** Needs no privilege; application, age and query of other roles' sessions show only to `pg_read_all_stats`. */
export const HOLDERS = `
  SELECT l.pid, l.virtualtransaction AS transaction, l.relation::int8::float8 AS oid, l.mode,
         a.application_name AS application, a.usename AS user, a.state,
         nullif(a.query, '<insufficient privilege>') AS query,
         extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY ($1::oid[])
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid IS DISTINCT FROM pg_backend_pid()`;

interface HolderRow {
  readonly pid: number | null;
  readonly transaction: string;
  readonly oid: number;
  readonly mode: string;
  readonly application: string | null;
  readonly user: string | null;
  readonly state: string | null;
  readonly query: string | null;
  readonly age: number | null;
}

/** A session that holds a lock in our way, and the transaction it holds it in. */
export interface Holder extends Blocker {
  readonly transaction: string;
}

const orNull = (text: string | null): string | null => (text === null || text === '' ? null : text);

const holder = (row: Omit<HolderRow, 'oid'>, relation: string): Holder => ({
  pid: row.pid ?? 0,
  transaction: row.transaction,
  application: orNull(row.application),
  user: row.user,
  state: row.state,
  ageSeconds: row.age === null ? null : Math.round(row.age * 10) / 10,
  query: orNull(row.query),
  relation,
  lockMode: row.mode,
});

/** A client's session, in pg_stat_activity: the type is not shown to everybody, that it is some role's is. */
export const OF_CLIENT =
  "COALESCE(a.backend_type, 'client backend') = 'client backend' AND a.usesysid IS NOT NULL";

/** FINALIZE waits for every snapshot in the database that is older than its own. */
const SNAPSHOTS = `
  SELECT a.pid, 'snapshot of ' || a.pid AS transaction, current_database() AS relation, 'snapshot' AS mode,
         a.application_name AS application, a.usename AS user, a.state,
         nullif(a.query, '<insufficient privilege>') AS query,
         extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age
  FROM pg_stat_activity a
  WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL AND ${OF_CLIENT}
    AND a.pid <> pg_backend_pid() AND coalesce(a.xact_start < clock_timestamp() - interval '50 ms', true)`;

/** Who has an old snapshot and so may be in the way of a FINALIZE, though not by a lock. */
export async function readSnapshots(client: pg.Client): Promise<Holder[]> {
  const { rows } = await client.query<Omit<HolderRow, 'oid'> & { readonly relation: string }>(SNAPSHOTS);
  return rows.map((row) => holder(row, row.relation));
}

/** Who holds, right now, a lock that one of the needs would have to wait for. */
export async function readHolders(client: pg.Client, needs: readonly LockNeed[]): Promise<Holder[]> {
  const { rows } = await client.query<HolderRow>(HOLDERS, [needs.map(({ oid }) => oid)]);
  return rows.flatMap((row) => {
    const need = needs.find(({ oid, mode }) => oid === row.oid && conflicts(mode, row.mode));
    return need === undefined ? [] : [holder(row, need.relation)];
  });
}
