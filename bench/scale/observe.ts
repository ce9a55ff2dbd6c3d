import { setTimeout as delay } from 'node:timers/promises';
import { connect, withClient } from '../frame/database.ts';
import { memoryOf } from '../frame/program.ts';
import type { Run } from '../peers/peer.ts';

/** What a run takes besides time. */
export interface Observed {
  /** Statements that were sent to the server. */
  readonly statements: number;
  /** Statements that ran, those inside of functions included. */
  readonly nested: number;
  /** The most locks that were held at once. */
  readonly locks: number;
  /** The most memory of its own that a process of the server had for it. */
  readonly backendMiB: number | null;
  readonly processMiB: number | null;
}

const databaseOf = (url: string): string => new URL(url).pathname.slice(1);

/** Watches the locks and processes that a database has until told to stop. */
async function startWatch(serverUrl: string, database: string) {
  const client = await connect(serverUrl);
  const most = { locks: 0, backendMiB: 0 };
  let running = true;
  const ended = (async () => {
    while (running) {
      const { rows } = await client.query<{ pid: number; locks: number }>(
        `SELECT a.pid, count(l.pid)::int AS locks FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid AND l.granted
         WHERE a.datname = $1 AND a.backend_type = 'client backend' GROUP BY a.pid`,
        [database],
      );
      most.locks = Math.max(
        most.locks,
        rows.reduce((sum, { locks }) => sum + locks, 0),
      );
      for (const { pid } of rows)
        most.backendMiB = Math.max(most.backendMiB, (await memoryOf(pid, 'RssAnon')) ?? 0);
      await delay(5);
    }
    await client.end();
  })();
  return async () => {
    running = false;
    await ended;
    return most;
  };
}

/** Goes through a run that is watched, and so takes longer. The server has to have pg_stat_statements loaded. */
export async function observe(serverUrl: string, url: string, run: () => Promise<Run>): Promise<Observed> {
  const database = databaseOf(url);
  const [track] = ['pg_stat_statements.track'];
  await withClient(serverUrl, async (admin) => {
    await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
    await admin.query(`ALTER DATABASE ${database} SET ${track} = 'all'`);
    await admin.query('SELECT pg_stat_statements_reset()');
  });
  const stop = await startWatch(serverUrl, database);
  try {
    const told = await run();
    const most = await stop();
    return await withClient(serverUrl, async (admin) => {
      const { rows } = await admin.query<{ statements: number; nested: number }>(
        `SELECT coalesce(sum(calls) FILTER (WHERE toplevel), 0)::int AS statements, coalesce(sum(calls), 0)::int AS nested
         FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = $1`,
        [database],
      );
      await admin.query(`ALTER DATABASE ${database} RESET ${track}`);
      return {
        statements: rows[0]?.statements ?? 0,
        nested: rows[0]?.nested ?? 0,
        locks: most.locks,
        backendMiB: most.backendMiB === 0 ? null : most.backendMiB,
        processMiB: told.peakMiB,
      };
    });
  } catch (error) {
    await stop();
    throw error;
  }
}
