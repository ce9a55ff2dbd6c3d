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

/** Longer than that, the session is not left idle: the server ends one that has been so for a minute. */
const IDLE_MS = 10_000;

/** What time is asked, and how it is waited for: in milliseconds, from any beginning. */
interface Clock {
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};

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
 * the table. Each round is given the time that its rows may take, so time that went by while it waited is not made up
 * for.
 */
export function keepPace(
  client: Pick<pg.Client, 'query'>,
  { maxRate, maxReplicaLag }: Pace,
  signal: AbortSignal,
  clock = CLOCK,
) {
  /** When the round began, and how many rows there were before it; null: before the first look. */
  let round: { readonly at: number; readonly rows: number } | null = null;

  const isBusy = async (table: Pick<LegacyTable, 'oid'>): Promise<boolean> => {
    const queue = await client.query<{ waiting: number }>(QUEUE, [table.oid]);
    if ((queue.rows[0]?.waiting ?? 0) > 0) return true;
    if (maxReplicaLag === undefined) return false;
    const behind = await client.query<{ lag: number }>(LAG);
    return (behind.rows[0]?.lag ?? 0) > maxReplicaLag;
  };

  const keepRate = async (rows: number | null): Promise<void> => {
    if (rows === null || maxRate === undefined || round === null) return;
    const due = round.at + ((rows - round.rows) / maxRate) * 1000;
    for (let left = due - clock.now(); left > 0; left = due - clock.now()) {
      await clock.sleep(Math.min(left, IDLE_MS), signal);
      await client.query('SELECT');
    }
  };

  return async (table: Pick<LegacyTable, 'oid'>, { rows }: Pick<Progress, 'rows'>): Promise<void> => {
    await keepRate(rows);
    while (await isBusy(table)) await clock.sleep(LOOK_AGAIN_MS, signal);
    round = rows === null ? null : { at: clock.now(), rows };
  };
}
