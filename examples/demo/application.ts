import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connect, withClient } from './database.ts';

/** The application that goes on using the log while it is converted. It is timed where it waits: at the client. */

/** In milliseconds: whoever has to wait longer would notice. */
export const STALL = 200;

/** Between two rounds of a client, in milliseconds: others want to use the machine as well. */
const PAUSE = 8;

/** A statement of the application, and how it ended. */
export interface Statement {
  readonly sql: string;
  readonly writes: boolean;
  readonly milliseconds: number;
}

export interface Application {
  /** All statements so far. */
  readonly statements: readonly Statement[];
  /** What failed so far. */
  readonly failures: readonly string[];
  /** Ids of the rows that it has stored, and not removed again. */
  readonly stored: ReadonlySet<string>;
  /** Stops it after what it is about to do. */
  readonly stop: () => Promise<void>;
}

interface Result {
  /** How many rows it was about, and the id of the first of them. */
  readonly count: number;
  readonly id: string;
}
type Run = (sql: string, params?: readonly unknown[]) => Promise<Result>;

const INSERT = `INSERT INTO compliance.data_access_log (user_id, data_subject_id, resource_type, access_type, purpose, legal_basis)
  VALUES ($1, gen_random_uuid(), 'customer', 'view', 'support request', 'contract') RETURNING id`;

/** Stores, corrects and removes entries; some of them in one transaction with a change of their user. */
async function write(run: Run, round: number, user: string, stored: Set<string>): Promise<void> {
  const one = async (sql: string, id: string): Promise<void> => {
    const { count } = await run(sql, [id]);
    if (count !== 1) throw new Error(`${count} rows instead of one: ${sql}`);
  };
  const together = round % 4 === 0;
  if (together) {
    await run('BEGIN');
    await one('UPDATE auth.users SET updated_at = clock_timestamp() WHERE id = $1', user);
  }
  const { id } = await run(INSERT, [user]);
  if (together) await run('COMMIT');
  stored.add(id);
  await one(`UPDATE compliance.data_access_log SET purpose = 'billing' WHERE id = $1`, id);
  if (round % 5 > 0) return;
  await one('DELETE FROM compliance.data_access_log WHERE id = $1', id);
  stored.delete(id);
}

/** Looks at the newest entries of a user, by the view and in the table. */
async function read(run: Run, user: string): Promise<void> {
  const newest = 'WHERE user_id = $1 ORDER BY accessed_at DESC LIMIT 20';
  await run(`SELECT id FROM compliance.recent_access ${newest}`, [user]);
  await run(`SELECT id FROM compliance.data_access_log ${newest}`, [user]);
}

/** Starts a writer and a reader, each with a connection of its own. */
export async function startApplication(databaseUrl: string): Promise<Application> {
  const statements: Statement[] = [];
  const failures: string[] = [];
  const stored = new Set<string>();
  let stopping = false;

  const timed =
    (client: pg.Client, writes: boolean): Run =>
    async (sql, params = []) => {
      const began = performance.now();
      try {
        const { rowCount, rows } = await client.query<{ id?: string }>(sql, [...params]);
        return { count: rowCount ?? 0, id: rows[0]?.id ?? '' };
      } finally {
        statements.push({ sql, writes, milliseconds: performance.now() - began });
      }
    };

  /** One round after the other; a connection that is lost ends it. */
  const repeat = async (client: pg.Client, work: (round: number) => Promise<void>): Promise<void> => {
    client.once('end', () => {
      stopping = true;
    });
    for (let round = 0; !stopping; round++) {
      try {
        await work(round);
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
        await client.query('ROLLBACK').catch(() => {});
      }
      await sleep(PAUSE);
    }
    await client.end();
  };

  const users = await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ id: string }>('SELECT id FROM auth.users');
    return rows.map(({ id }) => id);
  });
  const user = (round: number): string => users[round % users.length] ?? '';
  const writer = await connect(databaseUrl, 'application, writing');
  const reader = await connect(databaseUrl, 'application, reading');
  const [writing, reading] = [timed(writer, true), timed(reader, false)];
  const running = [
    repeat(writer, (round) => write(writing, round, user(round), stored)),
    repeat(reader, (round) => read(reading, user(round))),
  ];
  return {
    statements,
    failures,
    stored,
    stop: async () => {
      stopping = true;
      await Promise.all(running);
    },
  };
}
