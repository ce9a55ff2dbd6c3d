import { performance } from 'node:perf_hooks';
import { connect } from '../frame/database.ts';

/** What an application saw while it was at work. */
export interface Seen {
  /** Its longest statement, in milliseconds. */
  readonly longest: number;
  readonly statements: number;
  readonly failed: number;
}

/** A client that reads and writes a log and its users all the while. */
export async function startApplication(
  url: string,
  table: string,
): Promise<{ readonly stop: () => Promise<Seen> }> {
  const client = await connect(url);
  let [longest, statements, failed, running] = [0, 0, 0, true];
  const run = async (sql: string): Promise<void> => {
    const began = performance.now();
    await client.query(sql).catch(() => failed++);
    longest = Math.max(longest, performance.now() - began);
    statements++;
  };
  const ended = (async () => {
    while (running) {
      await run(
        `INSERT INTO ${table} (action, resource_type, user_id) SELECT 'login', 'session', id FROM auth.users LIMIT 1`,
      );
      await run(
        `SELECT action FROM ${table} WHERE user_id = (SELECT id FROM auth.users LIMIT 1) AND created_at > now() - interval '1 hour' LIMIT 1`,
      );
      await run('UPDATE auth.users SET seen = seen + 1 WHERE id = (SELECT id FROM auth.users LIMIT 1)');
    }
    await client.end();
  })();
  return {
    stop: async () => {
      running = false;
      await ended;
      return { longest, statements, failed };
    },
  };
}
