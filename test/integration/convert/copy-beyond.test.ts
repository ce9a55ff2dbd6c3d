import { describe, expect, test } from 'vitest';
import { convert, preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, done, partitionsOf, stepsOf, tableOf } from '../../support/keeper.ts';

const COPY = { strategy: 'copy' } as const;

const rowsOf = (database: TestDatabase) => contents(database, 'app.events', { rows: true });

const insert = (database: TestDatabase, at: string) =>
  database.query(`INSERT INTO app.events (at, account) VALUES (${at}, 1)`);

test('rows older than all partitions get one, whenever they come', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  const [year] = await database.query<{ now: number }>('SELECT extract(year FROM now())::int AS now');
  const ago = (years: number) => `app.events_${(year?.now ?? 0) - years}`;
  stepsOf(await convertByYears(database.url, { ...COPY, until: 'prepare' }));
  await insert(database, "now() - interval '4 years'");
  expect(done(await convertByYears(database.url, { ...COPY, until: 'copy' }))).toContain(`create ${ago(4)}`);
  await insert(database, "now() - interval '6 years'");
  expect(done(await convertByYears(database.url, { ...COPY, until: 'verify' }))).toContain(
    `create ${ago(6)}`,
  );
  await insert(database, "now() - interval '8 years'");
  const rows = await rowsOf(database);
  expect(done(await convertByYears(database.url, COPY))).toContain(`create ${ago(8)}`);
  expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  expect(Object.keys(await partitionsOf(database)).length).toBeGreaterThanOrEqual(10);
});

test('rows further ahead than partitions are kept ready are told, and fail nobody', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  for (const until of ['prepare', 'copy', 'verify'] as const) {
    stepsOf(await convertByYears(database.url, { ...COPY, until }));
    await insert(database, "now() + interval '8 years'");
    const report = tableOf(await convertByYears(database.url, COPY));
    expect(report, until).toMatchObject({ status: 'refused', error: { code: 'not-convertible' } });
    expect(report.error?.message).toContain('are dated further ahead than the partitions kept ready');
    expect(report.error?.hint).toContain('SELECT * FROM "app"."events" WHERE "at" >= ');
    expect(report.steps.filter(({ status }) => status !== 'not-run')).toEqual([]);
    await insert(database, 'now()');
    await database.query("DELETE FROM app.events WHERE at > now() + interval '7 years'");
  }
  const rows = await rowsOf(database);
  expect(done(await convertByYears(database.url, COPY))).toContain('switch app.events_partitioned');
  expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
});

test('rows dated -infinity are told before anything is done, and at once when they come later', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  const refused = async () => {
    const report = tableOf(await convertByYears(database.url, COPY));
    expect(report).toMatchObject({ status: 'refused', error: { code: 'not-convertible' } });
    expect(report.error?.message).toBe(
      '2 rows of app.events are dated -infinity, before any partition that there could be.',
    );
    expect(report.error?.hint).toContain(`UPDATE "app"."events" SET "at" = ... WHERE "at" = '-infinity';`);
    expect(report.steps.filter(({ status }) => status === 'done')).toEqual([]);
  };
  const endless = async () => {
    await insert(database, "'-infinity'");
    await insert(database, "'-infinity'");
  };
  const correct = () =>
    database.query("UPDATE app.events SET at = now() - interval '4 years' WHERE at = '-infinity'");

  await endless();
  const before = await catalogState(database);
  await refused();
  expect(await catalogState(database)).toEqual(before);
  await correct();
  stepsOf(await convertByYears(database.url, { ...COPY, until: 'verify' }));
  await endless();
  await refused();
  await correct();
  const rows = await rowsOf(database);
  expect(done(await convertByYears(database.url, COPY))).toContain('switch app.events_partitioned');
  expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
});

test('rows dated -infinity are no trouble for an attach, nor on the way back to a plain table', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await insert(database, "'-infinity'");
  const rows = await rowsOf(database);
  stepsOf(await convert(database.url));
  const refused = tableOf(await convertByYears(database.url, { strategy: 'split' }));
  expect(refused).toMatchObject({ status: 'refused', error: { code: 'not-convertible' } });
  expect(refused.error?.message).toContain('1 row of app.events is dated -infinity');
  expect(refused.error?.hint).not.toContain('attach');
  expect(done(await convertByYears(database.url, { strategy: 'unconvert' }))).toContain(
    'switch app.events_plain',
  );
  expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
});

/** A moment that is in a partition of the table, but in none of those that it had before they were split. */
const LATE = "date_trunc('year', now()) + interval '23 months'";

describe('a table that has been split', () => {
  async function split(database: TestDatabase): Promise<void> {
    await preparePlainTable(database);
    stepsOf(await convert(database.url));
    stepsOf(await convertByYears(database.url, { strategy: 'split' }));
    await insert(database, LATE);
    await database.query(
      `UPDATE app.events SET at = ${LATE} - id * interval '1 minute' WHERE id BETWEEN 10 AND 12`,
    );
    // It goes on as if nothing were the matter.
    expect(stepsOf(await convertByYears(database.url, { strategy: 'split' }))).toEqual([]);
    expect(stepsOf(await convertByYears(database.url))).toEqual([]);
  }

  test('is not undone as long as what it replaced has no partition for some rows, and then with them', async () => {
    await using database = await createTestDatabase();
    await split(database);
    const rows = await rowsOf(database);
    const refused = tableOf(await convertByYears(database.url, { undo: true }));
    expect(refused).toMatchObject({ status: 'refused', error: { code: 'no-partition' } });
    expect(refused.findings[0]?.message).toContain('has no partition for some of its rows');
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);

    const [late] = await database.query<{ from: string }>(
      `SELECT (${LATE} - interval '1 day')::text AS from`,
    );
    await database.query(
      `CREATE TABLE app.late PARTITION OF app.events_replaced FOR VALUES FROM ('${late?.from}') TO (MAXVALUE)`,
    );
    expect(done(await convertByYears(database.url, { undo: true }))).toContain('switch app.events_replaced');
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
    expect(Object.keys(await partitionsOf(database))).toContain('events_legacy');
  });

  test('is finished with all its rows', async () => {
    await using database = await createTestDatabase();
    await split(database);
    const rows = await rowsOf(database);
    expect(done(await convertByYears(database.url, { finish: true })).at(-1)).toBe(
      'drop app.events_replaced',
    );
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });
});

test.each([
  ['emptied', 'TRUNCATE app.events_legacy'],
  ['detached', 'ALTER TABLE app.events DETACH PARTITION app.events_legacy'],
  ['dropped', 'DROP TABLE app.events_legacy'],
  [
    'attached with its rows',
    `CREATE TABLE app.by_hand (LIKE app.events INCLUDING ALL EXCLUDING IDENTITY);
     DO $$ BEGIN
       EXECUTE (SELECT format('ALTER TABLE app.events ATTACH PARTITION app.by_hand FOR VALUES FROM (%L) TO (%L)', at, at + interval '1 day') FROM (SELECT ${LATE} AS at) AS late);
     END $$;
     SET session_replication_role = replica;
     INSERT INTO app.by_hand (id, at, account, note) SELECT n, ${LATE}, 1, 'none' FROM generate_series(7001, 7010) AS n;
     RESET session_replication_role`,
  ],
])('a partition that is %s after the comparison is so when the table has been split', async (_, change) => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  stepsOf(await convert(database.url));
  stepsOf(await convertByYears(database.url, { strategy: 'split', until: 'verify' }));
  await database.query(change);
  const rows = await rowsOf(database);
  expect(rows.count).not.toBe(200);
  stepsOf(await convertByYears(database.url, { strategy: 'split' }));
  expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
});
