import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { at, configFile, done, keeper, partitionsOf, tableOf } from '../support/keeper.ts';
import { beforeStatement } from '../support/statements.ts';
import { pidOf, runThatWaits, waitUntilLong } from '../support/transactions.ts';
import { waitUntil } from '../support/wait.ts';

const NOW = at('2026-11-22T13:00:00Z');

async function databaseWithTables(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE app.others (at timestamptz) PARTITION BY RANGE (at)`);
  return database;
}

/** Keeps any run from attaching partitions to `app.events`. */
async function blocker(database: TestDatabase): Promise<pg.Client> {
  const client = await database.connect();
  await client.query('BEGIN; LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE');
  await waitUntilLong(database, await pidOf(client));
  return client;
}

describe('of two runs at once', () => {
  test('one does the work, and the other skips the table and goes on with others', async () => {
    await using database = await databaseWithTables();
    const holder = await blocker(database);
    const first = keeper(database).create({ now: NOW });
    await runThatWaits(database);

    const both = keeper(database, {}, { table: 'others' });
    const second = await both.create({ now: NOW });
    expect(second.ok).toBe(true);
    expect(tableOf(second, 'events')).toMatchObject({
      status: 'skipped',
      steps: [],
      error: { code: 'skipped' },
    });
    expect(tableOf(second, 'others')).toMatchObject({ status: 'ok' });
    expect(tableOf(second, 'others').steps).toHaveLength(4);
    // A cleanup is kept off as well; who only looks is not.
    const cleanup = await runCli(['cleanup', '--format', 'json'], {
      config: configFile({}),
      url: database.url,
    });
    expect(cleanup.code).toBe(0);
    expect(cleanup.json()).toMatchObject({ ok: true, tables: [{ status: 'skipped' }] });
    expect(tableOf(await both.plan({ now: NOW }), 'events')).toMatchObject({ status: 'ok' });
    expect(tableOf(await both.plan({ now: NOW }), 'events').steps).toHaveLength(4);
    expect(await partitionsOf(database)).toEqual({});

    await holder.query('COMMIT');
    const report = await first;
    expect(done(report)).toHaveLength(4);
    expect(tableOf(report).steps[0]?.waitedFor).toMatchObject([
      { relation: 'app.events', lockMode: 'ShareUpdateExclusiveLock' },
    ]);
    expect(Object.keys(await partitionsOf(database))).toHaveLength(4);
    expect(await keeper(database).create({ now: NOW })).toMatchObject({
      tables: [{ status: 'ok', steps: [] }],
    });
  });

  test('each does its own table, and both are right', async () => {
    await using database = await databaseWithTables();
    const tables = [{}, { table: 'others' }];
    const reports = await Promise.all([1, 2, 3].map(() => keeper(database, ...tables).create({ now: NOW })));
    for (const report of reports) expect(report.ok).toBe(true);
    for (const table of ['events', 'others']) {
      const created = reports
        .flatMap((report) => tableOf(report, table).steps)
        .filter(({ status }) => status === 'done');
      expect(created).toHaveLength(4);
      expect(Object.keys(await partitionsOf(database, `app.${table}`))).toHaveLength(4);
    }
  });
});

test('a run that comes to its lock just when another has ended sees what that one has done', async () => {
  await using database = await databaseWithTables();
  using _ = beforeStatement(/pg_try_advisory_lock/, async () => {
    expect(done(await keeper(database).create({ now: NOW }))).toHaveLength(4);
  });
  expect(done(await keeper(database).create({ now: NOW }))).toEqual([]);
});

describe('a run that is ended from outside', () => {
  test('leaves nothing behind, and the next one continues', async () => {
    await using database = await databaseWithTables();
    const holder = await blocker(database);
    const first = keeper(database, {}, { table: 'others' }).create({ now: NOW });
    const pid = await runThatWaits(database);
    await database.query('SELECT pg_terminate_backend($1)', [pid]);
    const report = await first;
    expect(report.ok).toBe(false);
    expect(tableOf(report, 'events').status).toBe('failed');
    await holder.query('COMMIT');

    expect(await database.query("SELECT relname FROM pg_class WHERE relname LIKE '%\\_20%'")).toEqual([]);
    const next = await keeper(database, {}, { table: 'others' }).create({ now: NOW });
    expect(next.tables.map(({ status, steps }) => [status, steps.length])).toEqual([
      ['ok', 4],
      ['ok', 4],
    ]);
  });

  test('by its own signal stops in good order and says what is left', async () => {
    await using database = await databaseWithTables();
    const holder = await blocker(database);
    const stop = new AbortController();
    const first = keeper(database, { table: 'others' }, {}).create({ now: NOW, signal: stop.signal });
    await waitUntil(async () => Object.keys(await partitionsOf(database, 'app.others')).length === 4, {
      what: 'the first table is done',
    });
    await runThatWaits(database);
    stop.abort();
    const report = await first;
    expect(tableOf(report, 'others')).toMatchObject({ status: 'ok' });
    expect(tableOf(report, 'events')).toMatchObject({ status: 'failed', error: { code: 'stopped' } });
    expect(tableOf(report, 'events').steps.map(({ status }) => status)).toEqual(Array(4).fill('not-run'));
    expect(await partitionsOf(database)).toEqual({});
    await holder.query('COMMIT');
    expect(done(await keeper(database).create({ now: NOW }))).toHaveLength(4);
  });
});

test('a partition whose creation fails leaves no table behind, and hinders no other', async () => {
  await using database = await databaseWithTables();
  await database.query(`
    CREATE FUNCTION app.veto() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'app.events_2026_12') THEN
        RAISE EXCEPTION 'vetoed' USING ERRCODE = 'XX123';
      END IF;
    END $$;
    CREATE EVENT TRIGGER veto ON ddl_command_end EXECUTE FUNCTION app.veto()`);
  const report = await keeper(database, {}, { table: 'others' }).create({ now: NOW });
  expect(report.ok).toBe(false);
  expect(tableOf(report, 'events')).toMatchObject({ status: 'failed', error: { code: 'XX123' } });
  expect(tableOf(report, 'events').steps.map(({ partition, status }) => [partition, status])).toEqual([
    ['app.events_2026_11', 'done'],
    ['app.events_2026_12', 'failed'],
    ['app.events_2027_01', 'done'],
    ['app.events_2027_02', 'done'],
  ]);
  expect(tableOf(report, 'others').status).toBe('ok');
  expect(await database.query("SELECT to_regclass('app.events_2026_12') AS table")).toEqual([
    { table: null },
  ]);
  await database.query('DROP EVENT TRIGGER veto');
  expect(done(await keeper(database).create({ now: NOW }))).toEqual(['create app.events_2026_12']);
});
