import { expect, inject } from 'vitest';
import type { Report, ReportStep } from '../../../lib/index.ts';
import type { TestDatabase } from '../database.ts';
import { stepsOf } from '../keeper.ts';
import { HELD, note } from '../stall.ts';
import { countDeadlocks, hold, startTraffic, type Work } from '../traffic.ts';

/** Nobody else may wait for longer than this, in milliseconds; a transaction stays open for fifty times as long. */
const LONGEST_WAIT = 200;

const ROWS = 20_000;

/** As whom a table is converted, and whether it refers to another one. */
export interface Party {
  readonly as: string;
  readonly foreignKeys: boolean;
  /** What the owner may do with the table that is referred to; absent: everything is a superuser's. */
  readonly grants?: string;
}

/** Makes a table in use; how the party gets there. */
export async function prepareTableInUse(
  database: TestDatabase,
  { foreignKeys, grants }: Party,
): Promise<string> {
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.users (id int PRIMARY KEY, seen timestamptz);
    INSERT INTO app.users SELECT n FROM generate_series(1, 100) AS n;
    CREATE TABLE app.events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz, user_id int ${foreignKeys ? 'REFERENCES app.users' : ''}, body text);
    CREATE INDEX events_user ON app.events (user_id);
    CREATE VIEW app.recent AS SELECT * FROM app.events WHERE at > now() - interval '1 day';
    INSERT INTO app.events (at, user_id, body) SELECT now() - n * interval '1 minute', n % 100 + 1, repeat('x', 200) FROM generate_series(1, ${ROWS}) AS n`);
  if (grants === undefined) return database.url;
  const owner = await database.createRole();
  const role = await database.createRole({ inherit: false });
  await database.query(`
    GRANT ${owner.name} TO ${role.name};
    ALTER TABLE app.events OWNER TO ${owner.name}; ALTER VIEW app.recent OWNER TO ${owner.name};
    GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
    GRANT ${grants} ON app.users TO ${owner.name}`);
  return role.url;
}

const INSERT =
  "INSERT INTO app.events (at, user_id, body) VALUES (clock_timestamp(), $1, 'new') RETURNING id";

/** What each client has been told is stored. */
function application(stored: Set<string>): Record<string, Work> {
  const insert: Work = async (run, round) => {
    const { rows } = await run(INSERT, [(round % 50) + 1]);
    stored.add(String(rows[0]?.['id']));
  };
  return {
    writer: insert,
    reader: async (run) => {
      await run('SELECT count(*) FROM app.recent');
      await run('SELECT body FROM app.events WHERE user_id = 7 LIMIT 5');
    },
    'user writer': async (run, round) => {
      await run('UPDATE app.users SET seen = now() WHERE id = $1', [(round % 50) + 1]);
    },
    'transaction writer': async (run, round) => {
      await run('BEGIN');
      await run('UPDATE app.users SET seen = now() WHERE id = $1', [60 + (round % 20)]);
      const { rows } = await run(INSERT, [60]);
      await run('COMMIT');
      stored.add(String(rows[0]?.['id']));
    },
    changer: async (run, round) => {
      await run('UPDATE app.events SET body = body WHERE id = $1', [(round % ROWS) + 1]);
    },
  };
}

export interface Held {
  readonly steps: readonly ReportStep[];
  /** Who was waited for. */
  readonly waitedFor: readonly number[];
  readonly holder: number;
}

/**
 * Runs the operation while the application is at work and one transaction is open that has written to the table, and
 * expects that nobody is stalled, nobody fails, and every row is there.
 */
export async function expectNoStall(
  database: TestDatabase,
  { foreignKeys, grants }: Party,
  operation: string,
  run: () => Promise<Report>,
): Promise<Held> {
  const [before] = await database.query<{ rows: number }>('SELECT count(*)::int AS rows FROM app.events');
  const stored = new Set<string>();
  const traffic = await startTraffic(database, application(stored));
  const holder = await hold(
    database,
    'month-end closing',
    'UPDATE app.users SET seen = now() WHERE id = 99',
    "INSERT INTO app.events (at, user_id, body) VALUES (now(), 99, 'held')",
  );
  const longestBefore = traffic.longest();
  const released = new Promise<void>((resolve, reject) => {
    setTimeout(() => holder.end().then(resolve, reject), HELD);
  });
  traffic.reset();
  const report = await run();
  await released;
  const longest = traffic.longest();
  await traffic.stop();
  note({
    operation,
    defaultPartition: false,
    foreignKeys,
    leastPrivilege: grants !== undefined,
    version: inject('serverVersion'),
    milliseconds: longest.milliseconds,
    before: longestBefore.milliseconds,
  });

  const steps = stepsOf(report);
  expect(report.durationMs).toBeGreaterThan(0.8 * HELD);
  expect(traffic.failures).toEqual([]);
  expect(longest.milliseconds, `${longest.client}: ${longest.sql}`).toBeLessThan(LONGEST_WAIT);
  expect(await countDeadlocks(database)).toBe(0);
  const rows = await database.query<{ id: string }>('SELECT id::text FROM app.events');
  expect(rows.length).toBe((before?.rows ?? 0) + stored.size + 1);
  const present = new Set(rows.map(({ id }) => id));
  expect([...stored].filter((id) => !present.has(id))).toEqual([]);
  return {
    steps,
    waitedFor: steps
      .filter(({ waitedMs }) => waitedMs > 0)
      .flatMap(({ waitedFor = [] }) => waitedFor.map(({ pid }) => pid)),
    holder: holder.pid,
  };
}
