import type pg from 'pg';
import type { Blocker } from '../contract.ts';
import { displayName } from '../partition/identifiers.ts';
import { OF_CLIENT } from '../postgres/apply/holders.ts';
import type { LeafIndex } from './model.ts';

/** Sessions that a process of the server waits for, and how far it is; a role sees the progress of its own sessions. */
const WATCH = `
  SELECT s.pid, p.phase, coalesce(p.blocks_done, 0)::float8 AS blocks_done, coalesce(p.blocks_total, 0)::float8 AS blocks_total,
         coalesce(p.tuples_done, 0)::float8 AS tuples_done, coalesce(p.tuples_total, 0)::float8 AS tuples_total,
         coalesce((SELECT json_agg(json_build_object(
             'pid', b.pid, 'application', nullif(a.application_name, ''), 'user', a.usename, 'state', a.state,
             'ageSeconds', round(extract(epoch FROM clock_timestamp() - a.xact_start)::numeric, 1),
             'query', nullif(nullif(a.query, '<insufficient privilege>'), '')))
           FROM (SELECT DISTINCT unnest(pg_blocking_pids(s.pid)) AS pid) b LEFT JOIN pg_stat_activity a ON a.pid = b.pid), '[]') AS blockers
  FROM unnest($1::int[]) AS s(pid) LEFT JOIN pg_stat_progress_create_index p ON p.pid = s.pid`;

interface WatchRow {
  readonly pid: number;
  readonly phase: string | null;
  readonly blocks_done: number;
  readonly blocks_total: number;
  readonly tuples_done: number;
  readonly tuples_total: number;
  readonly blockers: readonly Omit<Blocker, 'relation' | 'lockMode'>[];
}

/** What one session is at. */
export interface Sight {
  readonly pid: number;
  /** As the server calls it; null while it builds nothing. */
  readonly phase: string | null;
  readonly finished: number;
  readonly total: number;
  readonly blockers: readonly Blocker[];
}

/** How far the sessions are, and whom they wait for. */
export async function look(client: pg.Client, pids: readonly number[]): Promise<Sight[]> {
  const { rows } = await client.query<WatchRow>(WATCH, [pids]);
  return rows.map((row) => {
    const blocks = row.blocks_total > 0;
    return {
      pid: row.pid,
      phase: row.phase,
      finished: blocks ? row.blocks_done : row.tuples_done,
      total: blocks ? row.blocks_total : row.tuples_total,
      blockers: row.blockers.map((blocker) => ({
        ...blocker,
        // That of every transaction on itself; whoever waits for its end asks for it.
        relation: 'its own transaction',
        lockMode: 'ExclusiveLock',
      })),
    };
  });
}

/** Transactions that have lasted so long will last longer: what has to wait for them is better not begun. */
const LONG_SECONDS = 10;

/**
 * $1 oid of a table, $2 seconds, $3 its name: transactions older than that which use the table, or have a snapshot,
 * which is in the way of every other index as well. Who vacuums or
 * builds an index elsewhere is not waited for by the server, though he has one.
 */
const OLD = `
  SELECT a.pid, nullif(a.application_name, '') AS application, a.usename AS user, a.state,
         nullif(nullif(a.query, '<insufficient privilege>'), '') AS query,
         round(extract(epoch FROM clock_timestamp() - a.xact_start)::numeric, 1)::float8 AS "ageSeconds",
         CASE WHEN a.backend_xmin IS NULL THEN l.mode ELSE 'snapshot' END AS "lockMode",
         CASE WHEN a.backend_xmin IS NULL THEN $3 ELSE current_database() END AS relation
  FROM pg_stat_activity a
  LEFT JOIN (SELECT pid, max(mode) AS mode FROM pg_locks
             WHERE locktype = 'relation' AND granted AND relation = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             GROUP BY pid) l ON l.pid = a.pid
  WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND ${OF_CLIENT}
    AND a.xact_start < clock_timestamp() - make_interval(secs => $2)
    AND (l.mode IS NOT NULL OR (a.backend_xmin IS NOT NULL AND a.pid NOT IN (
          SELECT pid FROM pg_stat_progress_vacuum UNION ALL SELECT pid FROM pg_stat_progress_create_index)))
  ORDER BY a.xact_start`;

/** Old transactions that a rebuild would wait for, with an index half built beside it. */
export async function oldTransactions(
  client: pg.Client,
  table: LeafIndex['table'],
  seconds = LONG_SECONDS,
): Promise<Blocker[]> {
  const name = displayName(table.schema, table.name);
  return (await client.query<Blocker>(OLD, [table.oid, seconds, name])).rows;
}
