import type pg from 'pg';
import type { TestDatabase } from './database.ts';
import { waitUntil } from './wait.ts';

/**
 * Waits until the transaction of a session counts as a long one: until then, its locks may be queued for. Asks on
 * another connection, so that the session's last statement remains what it was.
 */
export async function waitUntilLong(database: TestDatabase, pid: number): Promise<void> {
  await waitUntil(
    async () => {
      const [row] = await database.query<{ long: boolean }>(
        "SELECT clock_timestamp() - xact_start > interval '60 ms' AS long FROM pg_stat_activity WHERE pid = $1",
        [pid],
      );
      return row?.long === true;
    },
    { what: `the transaction of pid ${pid} is a long one` },
  );
}

/** The process of the server that serves a connection. */
export async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/**
 * Waits until a run has looked who is in its way, and so has found somebody; the process that serves it. A look that
 * is still going on may yet find nobody.
 */
export async function runThatWaits(database: TestDatabase): Promise<number> {
  let pid: number | undefined;
  await waitUntil(
    async () => {
      const rows = await database.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper/%' AND query LIKE '%FROM pg_locks l%' AND state <> 'active'",
      );
      pid = rows[0]?.pid;
      return pid !== undefined;
    },
    { what: 'a run waits for a lock' },
  );
  return pid ?? 0;
}
