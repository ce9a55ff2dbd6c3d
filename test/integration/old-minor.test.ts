import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type FaultyServer, startProxy } from '../support/faults/proxy.ts';
import { catalogState, done, keeper, tableOf } from '../support/keeper.ts';

let database: TestDatabase;
/** The server as if it were PostgreSQL 14.3. */
let old: FaultyServer;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query('CREATE SCHEMA app');
  old = await startProxy(database.url, {
    rewrite: (statement) =>
      statement
        .replace(/(pg_catalog\.)?current_setting\('server_version'\) AS version/, "'14.3' AS version")
        .replace("current_setting('server_version_num')::int AS version_number", '140003 AS version_number'),
  });
});
afterEach(async () => {
  await old[Symbol.asyncDispose]();
  await database.drop();
});

const REFUSED = {
  status: 'refused',
  error: {
    message: expect.stringContaining('PostgreSQL 14.3 has a bug that is mended in 14.4'),
    hint: expect.stringContaining('14.4 or newer'),
  },
};

test.each([false, true])(
  'reindex builds no index where rows could be left out; dry run: %s',
  async (dryRun) => {
    await database.query(`
    CREATE TABLE app.events (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE app.e1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00')`);
    const before = await catalogState(database);
    const report = await keeper(old).reindex({ dryRun });
    expect(tableOf(report)).toMatchObject({ ...REFUSED, steps: [] });
    expect(await catalogState(database)).toEqual(before);
  },
);

test('convert neither, and goes on where there is none to be built', async () => {
  await database.query('CREATE TABLE app.events (id int PRIMARY KEY, at timestamptz NOT NULL)');
  const before = await catalogState(database);
  const report = await keeper(old).convert();
  expect(tableOf(report)).toMatchObject(REFUSED);
  expect(tableOf(report).steps.map(({ status }) => status)).not.toContain('done');
  expect(await catalogState(database)).toEqual(before);

  await database.query('ALTER TABLE app.events DROP CONSTRAINT events_pkey, ADD PRIMARY KEY (id, at)');
  expect(done(await keeper(old).convert())).toContain('switch app.events_legacy');
});
