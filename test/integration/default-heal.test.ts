import { expect, test } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { keeper, stepsOf } from '../support/keeper.ts';
import {
  type AuditDatabase,
  auditLogs,
  countDeadlocks,
  createAuditDatabase,
  hold,
  monthStart,
  partitionName,
  startTraffic,
  type Work,
} from '../support/traffic.ts';
import { waitUntil } from '../support/wait.ts';

const ROWS = 200_000;
/** What no writer may wait for longer than while the rows are moved, in milliseconds. */
const LONGEST_WAIT = 500;
/** Nor, where the machine is slow, than this part of the time it all takes. */
const LONGEST_SHARE = 0.08;

/** A row as the application knows it: its id, and what it has last written into it. */
type Rows = Map<string, string | null>;

const KEEP = { ...auditLogs, premake: 1 };

/** Second of the next month that the n-th row is of; so rows can be found by their time. */
const secondOf = (n: number): string =>
  new Date(Date.parse(`${monthStart(1)}T00:00:00Z`) + n * 1000).toISOString();

async function insertRows(database: AuditDatabase): Promise<void> {
  await database.query(
    `INSERT INTO platform.audit_logs (user_id, created_by, action, resource_type, created_at)
     SELECT ($1::uuid[])[1 + n % 100], ($1::uuid[])[1 + n % 100], 'old ' || n, 'test', $2::timestamptz + n * interval '1 second'
     FROM generate_series(1, $3::int) AS n`,
    [database.users, `${monthStart(1)}T00:00:00Z`, ROWS],
  );
}

async function readRows(database: AuditDatabase): Promise<Rows> {
  const rows = await database.query<{ id: string; note: string | null }>(
    'SELECT id, user_agent AS note FROM platform.audit_logs',
  );
  const byId = new Map(rows.map(({ id, note }) => [id, note]));
  // A row that is there twice would hide in the map.
  expect(byId.size).toBe(rows.length);
  return byId;
}

/** Inserts a row of the month, and remembers it. */
const inserter =
  (database: AuditDatabase, month: number, rows: Rows): Work =>
  async (run, round) => {
    // Never at a full second, as those are the times the old rows are found by.
    const time = `${monthStart(month)}T12:00:00.000500Z`;
    const { rows: inserted } = await run(
      `INSERT INTO platform.audit_logs (user_id, action, resource_type, created_at)
       VALUES ($1, 'new', 'test', $2::timestamptz + $3 * interval '1 millisecond') RETURNING id`,
      [database.users[round % 100], time, round],
    );
    rows.set(inserted[0].id, null);
  };

/** Changes one of the old rows and deletes another. Each is there, wherever it is, and must be found. */
const changer =
  (rows: Rows): Work =>
  async (run, round) => {
    const n = 1 + round * 20;
    const note = `changed in round ${round}`;
    const updated = await run(
      'UPDATE platform.audit_logs SET user_agent = $1 WHERE created_at = $2 RETURNING id',
      [note, secondOf(n)],
    );
    expect(updated.rowCount).toBe(1);
    rows.set(updated.rows[0].id, note);
    const deleted = await run('DELETE FROM platform.audit_logs WHERE created_at = $1 RETURNING id', [
      secondOf(n + 7),
    ]);
    expect(deleted.rowCount).toBe(1);
    rows.delete(deleted.rows[0].id);
  };

test(`${ROWS} rows leave the default partition while the application goes on writing`, async () => {
  await using database = await createAuditDatabase({ months: [-1], defaultPartition: true });
  await insertRows(database);
  await database.query('VACUUM ANALYZE platform.audit_logs');
  const rows = await readRows(database);
  const traffic = await startTraffic(database, {
    'writer of this month': inserter(database, 0, rows),
    'writer of the next month': inserter(database, 1, rows),
    'writer of changes': changer(rows),
  });

  traffic.reset();
  const report = await keeper(database, KEEP).create();
  const longest = traffic.longest();
  await traffic.stop();

  expect(stepsOf(report).map(({ kind, partition }) => [kind, partition])).toEqual(
    [0, 1].map((month) => ['move-rows', `platform.${partitionName(month)}`]),
  );
  expect(traffic.failures).toEqual([]);
  expect(await countDeadlocks(database)).toBe(0);
  console.info(`longest wait ${Math.round(longest.milliseconds)} ms of ${report.durationMs} ms`, rows.size);
  expect(longest.milliseconds, JSON.stringify(longest)).toBeLessThan(
    Math.max(LONGEST_WAIT, LONGEST_SHARE * report.durationMs),
  );

  // Not one row is lost, doubled, or as it was before the application changed it.
  const found = await readRows(database);
  expect(found.size).toBe(rows.size);
  expect([...rows].filter(([id, note]) => !found.has(id) || found.get(id) !== note)).toEqual([]);
  expect(await database.query('SELECT 1 FROM platform.audit_logs_default')).toEqual([]);
}, 120_000);

test('rows are moved once, as they are at last, however many attempts it takes', async () => {
  await using database = await createTestDatabase();
  const now = monthStart(0);
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz, note text) PARTITION BY RANGE (at);
    CREATE TABLE app.rest PARTITION OF app.events DEFAULT PARTITION BY LIST (id);
    CREATE TABLE app.rest_all PARTITION OF app.rest DEFAULT;
    INSERT INTO app.events SELECT n, '${now}', 'old' FROM generate_series(1, 100) AS n`);
  // It goes straight to a row, locks nothing above it, and so is in the way only when the rows are taken out.
  const editor = await hold(database, 'editor', 'SELECT FROM app.rest_all WHERE id = 7 FOR UPDATE');
  const creating = keeper(database, { premake: 1 }).create();
  const isStuck = async (): Promise<boolean> =>
    (
      await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'partition-keeper/create' AND wait_event_type = 'Lock'",
      )
    ).length === 1;

  await waitUntil(isStuck, { what: 'an attempt waits for the row' });
  await database.query(`
    INSERT INTO app.events VALUES (101, '${now}', 'new');
    UPDATE app.events SET note = 'changed' WHERE id = 3;
    DELETE FROM app.events WHERE id = 4`);
  await waitUntil(isStuck, { what: 'another attempt waits for the row' });
  await editor.client.query("UPDATE app.rest_all SET note = 'edited' WHERE id = 7");
  await editor.end();
  const steps = stepsOf(await creating);

  expect(steps.map(({ kind }) => kind)).toEqual(['move-rows', 'create']);
  expect(steps[0]?.attempts).toBeGreaterThan(2);
  const notes = new Map<number, string>(Array.from({ length: 101 }, (_, index) => [index + 1, 'old']));
  notes.set(3, 'changed').set(7, 'edited').set(101, 'new').delete(4);
  expect(
    await database.query(
      `SELECT tableoid::regclass::text AS partition, id, note FROM app.events ORDER BY id`,
    ),
  ).toEqual(
    [...notes].map(([id, note]) => ({
      partition: `app.events_${now.slice(0, 7).replace('-', '_')}`,
      id,
      note,
    })),
  );
}, 60_000);
