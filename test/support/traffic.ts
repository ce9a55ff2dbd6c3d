import { readdir, readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { copyIn } from './copy-in.ts';
import { type ConnectOptions, createTestDatabase, type TestDatabase, type TestRole } from './database.ts';
import type { Settings } from './keeper.ts';
import { pidOf, waitUntilLong } from './transactions.ts';
import { waitUntil } from './wait.ts';

const sqlFolder = new URL('../../sql/', import.meta.url);

/** The months around now that the tests speak of: 0 is the current one, -1 the one before. */
export type Month = number;

/** The start of a month in UTC, as SQL and people write it: 2026-11-01. */
export function monthStart(month: Month): string {
  const now = new Date();
  const date = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + month));
  return date.toISOString().slice(0, 10);
}

/** The name of the partition of `platform.audit_logs` for a month. */
export const partitionName = (month: Month): string =>
  `audit_logs_${monthStart(month).slice(0, 7).replace('-', '_')}`;

/** Everything but the last month, the current one and the future is past it. */
export const auditLogs = {
  schema: 'platform',
  table: 'audit_logs',
  partitionKey: 'created_at',
  interval: 'month',
  premake: 3,
  retention: { months: 1 },
  maxExpiredShare: 1,
} satisfies Settings;

/** The tables of `sql/tables`, with users. */
export interface AuditDatabase extends TestDatabase {
  readonly users: readonly string[];
}

export interface AuditOptions {
  /** Which partitions `platform.audit_logs` has: from three months ago to the next month unless told otherwise. */
  readonly months?: readonly Month[];
  readonly defaultPartition?: boolean;
  /** Leads a superuser to the server: that of the tests unless given. */
  readonly serverUrl?: string;
}

/** Creates a database with the tables we ship, 100 users, and partitions of `platform.audit_logs`. */
export async function createAuditDatabase(options: AuditOptions = {}): Promise<AuditDatabase> {
  const { months = [-3, -2, -1, 0, 1], defaultPartition = false, serverUrl } = options;
  const database = await createTestDatabase(serverUrl);
  const folder = new URL('tables/', sqlFolder);
  for (const file of (await readdir(folder)).toSorted()) {
    await database.query(await readFile(new URL(file, folder), 'utf8'));
  }
  for (const month of months) await database.query(partitionSql(month));
  if (defaultPartition)
    await database.query('CREATE TABLE platform.audit_logs_default PARTITION OF platform.audit_logs DEFAULT');
  const users = await database.query<{ id: string }>(
    "INSERT INTO auth.users (email) SELECT 'user' || n || '@example.com' FROM generate_series(1, 100) AS n RETURNING id",
  );
  return { ...database, users: users.map(({ id }) => id) };
}

const partitionSql = (month: Month): string =>
  `CREATE TABLE platform.${partitionName(month)} PARTITION OF platform.audit_logs
   FOR VALUES FROM ('${monthStart(month)} 00:00+00') TO ('${monthStart(month + 1)} 00:00+00')`;

/** A role that has just what `sql/roles/least-privilege.sql` grants, and the role that owns the tables then. */
export async function createLeastPrivilege(
  database: TestDatabase,
): Promise<{ readonly keeper: TestRole; readonly owner: TestRole }> {
  const keeper = await database.createRole();
  const owner = await database.createRole();
  const script = await readFile(new URL('roles/least-privilege.sql', sqlFolder), 'utf8');
  await database.query(
    script.replaceAll('partition_owner', owner.name).replaceAll('partition_keeper', keeper.name),
  );
  return { keeper, owner };
}

/** Makes a detach look as if it had been done long ago. */
export async function passGrace(database: TestDatabase, table: string): Promise<void> {
  const [row] = await database.query<{ comment: string }>(
    "SELECT obj_description($1::regclass, 'pg_class') AS comment",
    [table],
  );
  const aged = (row?.comment ?? '').replace(/(?<="detachedAt":")[^"]*/, '2020-01-01T00:00:00Z');
  if (!aged.includes('2020-01-01')) throw new Error(`${table} is not marked as detached: ${row?.comment}`);
  await database.query(`COMMENT ON TABLE ${table} IS '${aged.replaceAll("'", "''")}'`);
}

/** A statement of the application, and how long it took. */
export interface TimedStatement {
  readonly client: string;
  readonly sql: string;
  readonly milliseconds: number;
}

/** A statement that is prepared once under its name, or a COPY FROM STDIN with its data. */
export type Statement =
  | { readonly name: string; readonly text: string }
  | { readonly text: string; readonly data: string };

/** Runs one statement of a client; the time it takes is noted. */
export type Run = (sql: string | Statement, params?: readonly unknown[]) => Promise<pg.QueryResult>;

/** One round of what a client does again and again. */
export type Work = (run: Run, round: number) => Promise<void>;

/** The application at work: some clients, each with a connection of its own and one statement at a time. */
export interface Traffic {
  /** What failed, as `client: code message`. */
  readonly failures: readonly string[];
  /** Forgets the statements that have ended so far. */
  readonly reset: () => void;
  /** Those that have ended since. */
  readonly statements: () => readonly TimedStatement[];
  /** The statement that took longest. */
  readonly longest: () => TimedStatement;
  /** Ends the clients after the round each is in, and throws away their connections. */
  readonly stop: () => Promise<void>;
}

/** Pause of a client between two rounds, in milliseconds: short beside any wait that counts, yet sparing small machines. */
const pause = 4;

/**
 * Starts the clients, and returns when each has done its work a few times.
 * @param roleOf as whom a client connects: the superuser unless given
 */
export async function startTraffic(
  database: TestDatabase,
  clients: Readonly<Record<string, Work>>,
  roleOf: (client: string) => ConnectOptions = () => ({}),
): Promise<Traffic> {
  const failures: string[] = [];
  const rounds = new Map<string, number>();
  let statements: TimedStatement[] = [];
  let stopping = false;

  async function repeat(name: string, work: Work, client: pg.Client): Promise<void> {
    const run: Run = async (sql, params = []) => {
      const began = performance.now();
      try {
        return await execute(client, sql, params);
      } finally {
        const text = typeof sql === 'string' ? sql : sql.text;
        statements.push({ client: name, sql: text, milliseconds: performance.now() - began });
      }
    };
    for (let round = 0; !stopping; round++) {
      try {
        await work(run, round);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? `${error.code} ` : '';
        failures.push(`${name}: ${code}${error instanceof Error ? error.message : error}`);
        await client.query('ROLLBACK');
      }
      rounds.set(name, round + 1);
      await delay(pause);
    }
    await client.end();
  }

  const names = Object.keys(clients);
  const connections = await Promise.all(names.map((name) => database.connect(roleOf(name))));
  const running = Object.entries(clients).map(([name, work], index) => {
    const client = connections[index];
    if (client === undefined) throw new Error(`no connection for ${name}`);
    return repeat(name, work, client);
  });
  await waitUntil(() => names.every((name) => (rounds.get(name) ?? 0) >= 3), {
    what: 'all clients are at work',
  });
  return {
    failures,
    reset: () => {
      statements = [];
    },
    statements: () => statements,
    longest: () =>
      statements.reduce((longest, one) => (one.milliseconds > longest.milliseconds ? one : longest)),
    stop: async () => {
      stopping = true;
      await Promise.all(running);
    },
  };
}

async function execute(
  client: pg.Client,
  statement: string | Statement,
  params: readonly unknown[],
): Promise<pg.QueryResult> {
  if (typeof statement === 'string') return await client.query(statement, [...params]);
  if ('data' in statement) return await copyIn(client, statement.text, statement.data);
  return await client.query({ ...statement, values: [...params] });
}

const pick = <Item>(items: readonly Item[], round: number): Item => {
  const item = items[round % items.length];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};

const INSERT_LOG =
  "INSERT INTO platform.audit_logs (user_id, action, resource_type, created_at) VALUES ($1, $2, 'test', $3)";
const UPDATE_USER = 'UPDATE auth.users SET updated_at = clock_timestamp() WHERE id = $1';

/** Half of the users is for those who write single statements, the other half for transactions. */
const usersOf = ({ users }: AuditDatabase, of: 'statements' | 'transactions'): readonly string[] =>
  of === 'statements' ? users.slice(0, 50) : users.slice(50);

/** Logs something that happened in the given month. */
export const logWriter =
  (database: AuditDatabase, month: Month = 0): Work =>
  async (run, round) => {
    await run(INSERT_LOG, [pick(database.users, round), `round ${round}`, `${monthStart(month)}T12:00:00Z`]);
  };

export const userWriter =
  (database: AuditDatabase): Work =>
  async (run, round) => {
    await run(UPDATE_USER, [pick(usersOf(database, 'statements'), round)]);
  };

/** Reads what we lock. */
export const reader =
  (database: AuditDatabase): Work =>
  async (run, round) => {
    const user = pick(database.users, round);
    await run('SELECT email FROM auth.users WHERE id = $1', [user]);
    await run('SELECT action FROM platform.audit_logs WHERE user_id = $1 AND created_at >= $2 LIMIT 10', [
      user,
      monthStart(0),
    ]);
  };

/** A change and its entry in the log, in one short transaction: the way applications do it. */
export const transactionWriter =
  (database: AuditDatabase, month: Month, first: number): Work =>
  async (run, round) => {
    // No two clients meet at one row: the application is not to have deadlocks of its own.
    const user = pick(usersOf(database, 'transactions').slice(first * 10, first * 10 + 10), round);
    await run('BEGIN');
    await run(UPDATE_USER, [user]);
    await run(INSERT_LOG, [user, `transaction ${round}`, `${monthStart(month)}T12:00:00Z`]);
    await run('COMMIT');
  };

/** A transaction that stays open until it is ended. */
export interface Holder {
  readonly pid: number;
  readonly client: pg.Client;
  /** Commits and closes the connection. */
  readonly end: () => Promise<void>;
}

/** Opens a long transaction that runs the statements and then does nothing, as an application of the name given. */
export async function hold(
  database: TestDatabase,
  application: string,
  ...statements: readonly string[]
): Promise<Holder> {
  const client = await database.connect();
  await client.query(`SET application_name = '${application}'`);
  const pid = await pidOf(client);
  await client.query('BEGIN');
  for (const statement of statements) await client.query(statement);
  await waitUntilLong(database, pid);
  return {
    pid,
    client,
    end: async () => {
      await client.query('COMMIT');
      await client.end();
    },
  };
}

/** What the transaction of an application holds that has changed a user and logged it. */
export const changeAndLog = (database: AuditDatabase, month: Month = 0): string[] => {
  const user = usersOf(database, 'transactions').at(-1);
  return [
    `UPDATE auth.users SET display_name = 'held' WHERE id = '${user}'`,
    `INSERT INTO platform.audit_logs (user_id, action, resource_type, created_at)
     VALUES ('${user}', 'held', 'test', '${monthStart(month)}T12:00:00Z')`,
  ];
};

/**
 * How many deadlocks the server has solved in this database. All sessions that count must have ended: then they have
 * told what they had to tell, and until PostgreSQL 14 it is in the first statistics that are written afterwards.
 */
export async function countDeadlocks(database: TestDatabase): Promise<number> {
  const [clock] = await database.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  let deadlocks = 0;
  await waitUntil(
    async () => {
      const [row] = await database.query<{ deadlocks: number; fresh: boolean }>(
        `SELECT deadlocks::int, coalesce(pg_stat_get_snapshot_timestamp() > $1, true) AS fresh
         FROM pg_stat_database WHERE datname = current_database()`,
        [clock?.now],
      );
      deadlocks = row?.deadlocks ?? 0;
      return row?.fresh === true;
    },
    { what: 'the statistics are up to date' },
  );
  return deadlocks;
}
