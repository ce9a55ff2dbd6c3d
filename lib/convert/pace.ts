import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { KeeperError } from '../errors.ts';
import { quoteIdentifier } from '../partition/identifiers.ts';
import type { Progress } from '../postgres/apply/apply.ts';
import type { LegacyTable } from './model.ts';

export interface Pace {
  /** Rows a second at most; absent: as many as the server can. */
  readonly maxRate?: number | undefined;
  /** Seconds that a replica may be behind; absent: replicas are not asked. */
  readonly maxReplicaLag?: number | undefined;
}

const LOOK_AGAIN_MS = 500;

const LAG = `
  SELECT coalesce(max(extract(epoch FROM r.replay_lag)), 0)::float8 AS lag FROM pg_stat_replication r`;

/** Somebody who waits for a lock on the table would have to wait still longer if we went on reading it. */
const QUEUE = `
  SELECT count(*)::int AS waiting FROM pg_locks l WHERE l.locktype = 'relation' AND NOT l.granted AND l.relation = $1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** @throws KeeperError when replicas are to be asked by somebody to whom they do not tell */
export async function checkPace(client: pg.Client, { maxReplicaLag }: Pace): Promise<void> {
  if (maxReplicaLag === undefined) return;
  const { rows } = await client.query<{ may: boolean; role: string }>(
    "SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS may, current_user AS role",
  );
  if (rows[0]?.may === true) return;
  throw new KeeperError({
    code: 'permission',
    message: `Role ${rows[0]?.role} may not see how far replicas are behind, so --max-replica-lag would mean nothing.`,
    hint: `GRANT pg_monitor TO ${quoteIdentifier(rows[0]?.role ?? '')};`,
  });
}

/**
 * Between two rounds of work: waits until the rate is kept, replicas are near enough, and nobody queues for a lock on
 * the table.
 */
export function keepPace(client: pg.Client, { maxRate, maxReplicaLag }: Pace, signal: AbortSignal) {
  let began: { readonly at: number; readonly rows: number } | null = null;

  const isBusy = async (table: LegacyTable): Promise<boolean> => {
    const queue = await client.query<{ waiting: number }>(QUEUE, [table.oid]);
    if ((queue.rows[0]?.waiting ?? 0) > 0) return true;
    if (maxReplicaLag === undefined) return false;
    const behind = await client.query<{ lag: number }>(LAG);
    return (behind.rows[0]?.lag ?? 0) > maxReplicaLag;
  };

  const keepRate = async (rows: number | null): Promise<void> => {
    if (rows === null || maxRate === undefined) return;
    const now = performance.now();
    began ??= { at: now, rows };
    const due = began.at + ((rows - began.rows) / maxRate) * 1000;
    if (due > now) await sleep(due - now, undefined, { signal });
  };

  return async (table: LegacyTable, { rows }: Progress): Promise<void> => {
    await keepRate(rows);
    while (await isBusy(table)) await sleep(LOOK_AGAIN_MS, undefined, { signal });
  };
}
