import { expect, test } from 'vitest';
import type { ProgressEvent } from '../../../lib/index.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { keeper, stepsOf, tableOf } from '../../support/keeper.ts';
import { waitUntil } from '../../support/wait.ts';

const ROWS = 120_000;

/** More than the first batch of a copy takes. */
async function prepare(database: TestDatabase): Promise<void> {
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int PRIMARY KEY, at timestamptz NOT NULL, note text);
    INSERT INTO app.events SELECT n, now() - n * interval '20 seconds', repeat('x', 30) FROM generate_series(1, ${ROWS}) AS n;
    ANALYZE app.events`);
}

test('a copy is no faster than it may be, and tells how far it is', async () => {
  await using database = await createTestDatabase();
  await prepare(database);
  const events: ProgressEvent[] = [];
  const report = await keeper(database).convert({
    strategy: 'copy',
    until: 'copy',
    maxRate: 30_000,
    onProgress: (event) => events.push(event),
  });
  const copy = stepsOf(report).find(({ kind }) => kind === 'copy');
  const copied = events.filter(({ kind }) => kind === 'copy');
  const [first, last] = [copied[0]?.rows ?? 0, copied.at(-1)?.rows ?? 0];
  expect(first).toBeGreaterThan(0);
  expect(last).toBeGreaterThan(first);
  expect(copied.every(({ finished, total }) => finished > 0 && finished <= total)).toBe(true);
  expect(copy?.durationMs).toBeGreaterThanOrEqual(((last - first) / 30_000) * 1000);
});

test('no batch has more rows than may be copied in a second, and hardly less', async () => {
  await using database = await createTestDatabase();
  await prepare(database);
  const stopped = new AbortController();
  const copied: number[] = [];
  await keeper(database).convert({
    strategy: 'copy',
    maxRate: 1000,
    signal: stopped.signal,
    onProgress: ({ kind, rows }) => {
      if (kind === 'copy') copied.push(rows ?? 0);
      if (copied.length === 3) stopped.abort();
    },
  });
  const batches = copied.map((rows, index) => rows - (copied[index - 1] ?? 0));
  expect(batches).toHaveLength(3);
  expect(Math.max(...batches)).toBeLessThanOrEqual(1000);
  expect(Math.max(...batches)).toBeGreaterThan(800);
});

test('a copy waits while somebody queues for a lock on the table', async () => {
  await using database = await createTestDatabase();
  await prepare(database);
  const reader = await database.connect();
  const waiter = await database.connect();
  let queued: Promise<unknown> | null = null;
  let rounds = 0;
  const running = keeper(database).convert({
    strategy: 'copy',
    until: 'copy',
    // By which it pauses after the second round, long enough for somebody to come.
    maxRate: 30_000,
    onProgress: ({ kind }) => {
      if (kind !== 'copy') return;
      rounds++;
      if (rounds < 2) return;
      queued ??= reader
        .query('BEGIN; SELECT FROM app.events LIMIT 1')
        .then(() => waiter.query('BEGIN; LOCK TABLE app.events IN ACCESS EXCLUSIVE MODE; COMMIT'));
    },
  });
  await waitUntil(
    async () =>
      (
        await database.query(
          `SELECT FROM pg_locks AS l, pg_stat_activity AS a
           WHERE l.relation = 'app.events'::regclass AND NOT l.granted
             AND a.application_name = 'partition-keeper/convert' AND a.state = 'idle' AND a.query LIKE '%NOT l.granted%'`,
        )
      ).length > 0,
    { what: 'the copy has seen that somebody queues' },
  );
  await reader.query('COMMIT');
  await queued;
  const copy = stepsOf(await running).find(({ kind }) => kind === 'copy');
  // Each round at its first attempt, the last one without a report of progress.
  expect(copy?.attempts).toBe(rounds + 1);
});

test('rows of long ago are told before a thousand partitions are made for them', async () => {
  await using database = await createTestDatabase();
  await prepare(database);
  await database.query("INSERT INTO app.events VALUES (0, '1200-01-01', 'absurd')");
  const report = await keeper(database).convert({ strategy: 'copy' });
  expect(tableOf(report)).toMatchObject({
    status: 'refused',
    error: { code: 'too-many-creations', message: expect.stringContaining('1200-01-01T00:00:00Z') },
  });
  expect(tableOf(report).steps.filter(({ status }) => status === 'done')).toEqual([]);
});

test('replicas are not waited for by a role that may not see them, and that is told', async () => {
  await using database = await createTestDatabase();
  await prepare(database);
  const role = await database.createRole();
  await database.query(
    `ALTER TABLE app.events OWNER TO ${role.name}; GRANT USAGE, CREATE ON SCHEMA app TO ${role.name}`,
  );
  const convert = () => keeper(role).convert({ strategy: 'copy', until: 'prepare', maxReplicaLag: 10 });
  await expect(convert()).rejects.toMatchObject({
    code: 'permission',
    hint: `GRANT pg_monitor TO "${role.name}";`,
  });
  await database.query(`GRANT pg_monitor TO ${role.name}`);
  stepsOf(await convert());
});
