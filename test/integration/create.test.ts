import { describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  at,
  catalogState,
  configFile,
  describeSchema,
  done,
  findingsOf,
  keeper,
  partitionsOf,
  stepsOf,
  tableOf,
} from '../support/keeper.ts';
import { recordStatements, splitStatements, transactionsOf } from '../support/statements.ts';
import { uuid7 } from '../support/uuid.ts';

const NOW = at('2026-11-22T13:00:00Z');

/** A database with a table `app.events`, with a little of everything that a new partition has to get. */
async function databaseWithEvents(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.users (id int PRIMARY KEY);
    CREATE TABLE app.events (
      id int GENERATED ALWAYS AS IDENTITY,
      user_id int REFERENCES app.users,
      at timestamptz NOT NULL,
      note text CHECK (note <> ''),
      PRIMARY KEY (id, at)
    ) PARTITION BY RANGE (at);
    CREATE INDEX events_note ON app.events (note);
    COMMENT ON TABLE app.events IS 'What happened; and when'`);
  return database;
}

const WINTER = {
  events_2026_11: '2026-11-01 .. 2026-12-01',
  events_2026_12: '2026-12-01 .. 2027-01-01',
  events_2027_01: '2027-01-01 .. 2027-02-01',
  events_2027_02: '2027-02-01 .. 2027-03-01',
};

describe('a run', () => {
  test('gives an empty new table its full look-ahead', async () => {
    await using database = await databaseWithEvents();
    const report = await keeper(database).create({ now: NOW });

    expect(done(report)).toEqual([
      'create app.events_2026_11',
      'create app.events_2026_12',
      'create app.events_2027_01',
      'create app.events_2027_02',
    ]);
    expect(stepsOf(report).map(({ status, attempts }) => [status, attempts])).toEqual(
      Array(4).fill(['done', 1]),
    );
    expect(await partitionsOf(database)).toEqual(WINTER);
    expect(tableOf(report).gauges).toMatchObject({ partitions: 4, missing: 0, detachPending: 0 });
    await database.query("INSERT INTO app.events (at) VALUES ('2026-11-01'), ('2027-02-28 23:59:59.999999')");
    await expect(database.query("INSERT INTO app.events (at) VALUES ('2027-03-01')")).rejects.toThrow(
      'no partition of relation "events"',
    );
  });

  test('goes by the clock of the server unless told otherwise', async () => {
    await using database = await databaseWithEvents();
    expect(done(await keeper(database).create())).toHaveLength(4);
    await database.query("INSERT INTO app.events (at) VALUES (now()), (now() + interval '3 months')");
    await expect(
      database.query("INSERT INTO app.events (at) VALUES (now() - interval '32 days')"),
    ).rejects.toThrow('no partition of relation "events"');
  });

  test('after another changes nothing in the catalog', async () => {
    await using database = await databaseWithEvents();
    await keeper(database).create({ now: NOW });
    const before = await catalogState(database);

    const second = await keeper(database).create({ now: NOW });

    expect(stepsOf(second)).toEqual([]);
    expect(await catalogState(database)).toEqual(before);
  });

  test('does what the dry run before it has printed, and the dry run nothing', async () => {
    await using database = await databaseWithEvents();
    const before = await catalogState(database);
    const dry = await keeper(database).create({ now: NOW, dryRun: true });
    expect(await catalogState(database)).toEqual(before);
    const printed = stepsOf(dry).flatMap(({ statements }) => statements);
    expect(stepsOf(dry).map(({ status }) => status)).toEqual(Array(4).fill('planned'));
    expect(printed).toContain(
      `ALTER TABLE ONLY "app"."events" ATTACH PARTITION "app"."events_2026_11" FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')`,
    );

    using recorder = recordStatements();
    const real = await keeper(database).create({ now: NOW });

    expect(stepsOf(real).flatMap(({ statements }) => statements)).toEqual(printed);
    const { within, outside } = transactionsOf(recorder.sent);
    expect(within).toEqual(printed);
    expect(
      outside.filter(
        (statement) =>
          !/^\s*(SELECT|WITH|DO \$\$ BEGIN\s+PERFORM pg_catalog\.set_config|BEGIN .* READ ONLY$|COMMIT$|(ROLLBACK; )?RESET ROLE; SET lock_timeout = '2s'; SET statement_timeout = '60s'$)/.test(
            statement,
          ),
      ),
    ).toEqual([]);
  });

  test('has the same result as the script that plan prints', async () => {
    await using database = await databaseWithEvents();
    await using other = await databaseWithEvents();
    const config = configFile({});
    const { code, stdout } = await runCli(['plan', 'create', '--now', NOW.toString(), '--format', 'sql'], {
      config,
      url: database.url,
    });
    expect(code).toBe(0);
    const client = await database.connect();
    for (const statement of splitStatements(stdout)) await client.query(statement);

    await keeper(other).create({ now: NOW });

    expect(await describeSchema(database)).toEqual(await describeSchema(other));
    expect(await partitionsOf(database)).toEqual(WINTER);
    expect(stepsOf(await keeper(database).create({ now: NOW }))).toEqual([]);
  });

  test('with a greater premake adds only what is missing, with a smaller one removes nothing', async () => {
    await using database = await databaseWithEvents();
    await keeper(database, { premake: 2 }).create({ now: NOW });
    const oids = () =>
      database.query('SELECT inhrelid AS oid FROM pg_inherits WHERE inhparent = $1::regclass', [
        'app.events',
      ]);
    const first = await oids();

    expect(done(await keeper(database, { premake: 4 }).create({ now: NOW }))).toEqual([
      'create app.events_2027_02',
      'create app.events_2027_03',
    ]);
    const second = await oids();
    expect(second).toHaveLength(5);
    expect(second).toEqual(expect.arrayContaining(first));

    expect(done(await keeper(database, { premake: 1 }).create({ now: NOW }))).toEqual([]);
    expect(done(await keeper(database, { premake: 1 }).cleanup())).toEqual([]);
    expect(await oids()).toEqual(second);
  });

  test('takes a premake, a beginning and an end from outside', async () => {
    await using database = await databaseWithEvents();
    const { create } = keeper(database, { premake: 3 });
    expect(done(await create({ now: NOW, premake: 1 }))).toEqual([
      'create app.events_2026_11',
      'create app.events_2026_12',
    ]);
    const past = { from: at('2026-08-15T00:00:00Z'), to: at('2026-10-01T00:00:00Z') };
    expect(done(await create({ now: NOW, ...past }))).toEqual([
      'create app.events_2026_08',
      'create app.events_2026_09',
    ]);
    expect(done(await create({ now: NOW, premake: 1 }))).toEqual(['create app.events_2026_10']);
  });
});

describe('after the scheduler was down', () => {
  test('for eight months, the partitions are contiguous', async () => {
    await using database = await databaseWithEvents();
    await keeper(database).create({ now: at('2026-01-15T00:00:00Z') });
    const report = await keeper(database).create({ now: NOW });

    // What covers now comes first, then what is to come, then what nobody can write to any more.
    expect(done(report).map((step) => step.slice(-7))).toEqual([
      '2026_11',
      '2026_12',
      '2027_01',
      '2027_02',
      '2026_05',
      '2026_06',
      '2026_07',
      '2026_08',
      '2026_09',
      '2026_10',
    ]);
    const bounds = Object.values(await partitionsOf(database)).map((range) => range.split(' .. '));
    expect(bounds).toHaveLength(14);
    expect(bounds.slice(1).map(([from]) => from)).toEqual(bounds.slice(0, -1).map(([, to]) => to));
    expect([bounds[0]?.[0], bounds.at(-1)?.[1]]).toEqual(['2026-01-01', '2027-03-01']);
  });

  test('for longer than retention, no partition is created that is expired already', async () => {
    await using database = await databaseWithEvents();
    const { create } = keeper(database, { retention: { months: 2 } });
    await create({ now: at('2025-01-15T00:00:00Z') });
    const report = await create({ now: NOW });

    // Retention reaches back to the 22nd of September.
    expect(done(report).map((step) => step.slice(-7))).toEqual([
      '2026_11',
      '2026_12',
      '2027_01',
      '2027_02',
      '2026_09',
      '2026_10',
    ]);
    expect(done(await create({ now: NOW }))).toEqual([]);
    expect(done(await create({ now: NOW, from: at('2024-01-01T00:00:00Z') }))).toEqual([]);
  });

  test('a hole is filled and does not stop retention', async () => {
    await using database = await databaseWithEvents();
    await database.query(`
      CREATE TABLE app.events_2019_01 PARTITION OF app.events FOR VALUES FROM ('2019-01-01') TO ('2019-02-01');
      CREATE TABLE app.events_2026_07 PARTITION OF app.events FOR VALUES FROM ('2026-07-01') TO ('2026-08-01');
      CREATE TABLE app.events_2026_10 PARTITION OF app.events FOR VALUES FROM ('2026-10-01') TO ('2026-11-01');
      CREATE TABLE app.events_2026_11 PARTITION OF app.events FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')`);
    const { create, cleanup } = keeper(database, { retention: { months: 5 }, premake: 1 });

    // Approved, since to a server whose clock is behind our time is in the future.
    const plan = await cleanup({ now: NOW, dryRun: true, approve: true });
    expect(done(plan)).toEqual(['drop app.events_2019_01']);
    const report = await create({ now: NOW });

    expect(stepsOf(report).map(({ partition, reason }) => `${partition}: ${reason}`)).toEqual([
      'app.events_2026_12: look-ahead',
      'app.events_2026_06: fills a hole',
      'app.events_2026_08: fills a hole',
      'app.events_2026_09: fills a hole',
    ]);
    expect(Object.keys(await partitionsOf(database))).toEqual([
      'events_2019_01',
      ...['06', '07', '08', '09', '10', '11', '12'].map((month) => `events_2026_${month}`),
    ]);
  });
});

describe('a date far in the future makes no flood of partitions', () => {
  test('as a row of the default partition', async () => {
    await using database = await databaseWithEvents();
    await database.query(`
      CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
      INSERT INTO app.events (at) VALUES ('2097-05-01')`);
    expect(done(await keeper(database).create({ now: NOW }))).toHaveLength(4);
    expect(await partitionsOf(database)).toEqual({ ...WINTER, events_default: 'DEFAULT' });
    expect(await database.query('SELECT at::text FROM app.events_default')).toEqual([
      { at: '2097-05-01 00:00:00+00' },
    ]);
  });

  test('as a partition', async () => {
    await using database = await databaseWithEvents();
    await database.query(
      "CREATE TABLE app.events_2097 PARTITION OF app.events FOR VALUES FROM ('2097-01-01') TO ('2098-01-01')",
    );
    const hourly = keeper(database, { interval: 'hour', premake: 2 });
    expect(done(await hourly.create({ now: NOW }))).toEqual([
      'create app.events_2026_11_22_13',
      'create app.events_2026_11_22_14',
      'create app.events_2026_11_22_15',
    ]);
    expect(done(await hourly.create({ now: NOW }))).toEqual([]);
    const health = await hourly.health({ now: NOW });
    expect(findingsOf(health)).toEqual(['foreign-key', 'off-grid']);
    expect(tableOf(health).gauges).toMatchObject({ missing: 0, runwayDays: 0.13 });
    const [status] = (await hourly.status({ now: NOW })).tables;
    expect(status?.coverage?.cells.length).toBeLessThanOrEqual(2000);
  });
});

describe('the calendar', () => {
  test('changed from months to weeks leaves one stub and no overlap', async () => {
    await using database = await databaseWithEvents();
    await keeper(database, { premake: 1 }).create({ now: NOW });
    const weekly = keeper(database, { interval: 'week', premake: 6 });
    const report = await weekly.create({ now: NOW });

    expect(stepsOf(report).map(({ partition, reason }) => `${partition}: ${reason}`)).toEqual([
      'app.events_2026_w53: look-ahead, as a stub up to the neighbouring partition',
    ]);
    expect(await partitionsOf(database)).toEqual({
      events_2026_11: '2026-11-01 .. 2026-12-01',
      events_2026_12: '2026-12-01 .. 2027-01-01',
      // Friday to Monday: a stub up to the next line of the grid.
      events_2026_w53: '2027-01-01 .. 2027-01-04',
    });
    expect(done(await weekly.create({ now: at('2026-12-01T00:00:00Z') }))).toEqual([
      'create app.events_2027_w01',
      'create app.events_2027_w02',
    ]);
    expect(done(await weekly.create({ now: at('2026-12-01T00:00:00Z') }))).toEqual([]);
  });

  test.each([
    {
      interval: 'quarter',
      now: '2026-03-31T23:59:59.999999Z',
      partitions: { events_2026_q1: '2026-01-01 .. 2026-04-01', events_2026_q2: '2026-04-01 .. 2026-07-01' },
    },
    {
      interval: 'quarter',
      now: '2026-04-01T00:00:00Z',
      partitions: { events_2026_q2: '2026-04-01 .. 2026-07-01', events_2026_q3: '2026-07-01 .. 2026-10-01' },
    },
    {
      interval: 'week',
      now: '2026-03-29T23:59:59.999999Z',
      partitions: {
        events_2026_w13: '2026-03-23 .. 2026-03-30',
        events_2026_w14: '2026-03-30 .. 2026-04-06',
      },
    },
    {
      interval: 'week',
      now: '2027-01-03T12:00:00Z',
      partitions: {
        events_2026_w53: '2026-12-28 .. 2027-01-04',
        events_2027_w01: '2027-01-04 .. 2027-01-11',
      },
    },
    {
      interval: 'month',
      now: '2028-01-31T12:00:00Z',
      partitions: { events_2028_01: '2028-01-01 .. 2028-02-01', events_2028_02: '2028-02-01 .. 2028-03-01' },
    },
  ] as const)('is right for a $interval on $now', async ({ interval, now, partitions }) => {
    await using database = await databaseWithEvents();
    await keeper(database, { interval, premake: 1 }).create({ now: at(now) });
    expect(await partitionsOf(database)).toEqual(partitions);
  });
});

test('bounds in the midst of a millisecond, as somebody may have made them of a UUID, are kept clear of', async () => {
  await using database = await createTestDatabase();
  const first = uuid7(at('2026-12-10T12:00:00.123Z'), 'last');
  const last = uuid7(at('2026-12-20T12:00:00.123Z'), 'last');
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (at uuid) PARTITION BY RANGE (at);
    CREATE TABLE app.events_odd PARTITION OF app.events FOR VALUES FROM ('${first}') TO ('${last}')`);
  const { create } = keeper(database, { premake: 1 });
  expect(stepsOf(await create({ now: NOW })).map(({ from, to }) => `${from} .. ${to}`)).toEqual([
    '2026-11-01T00:00:00Z .. 2026-12-01T00:00:00Z',
    '2026-12-01T00:00:00Z .. 2026-12-10T12:00:00.123Z',
    '2026-12-20T12:00:00.124Z .. 2027-01-01T00:00:00Z',
  ]);
  expect(done(await create({ now: NOW }))).toEqual([]);
});

describe('a name', () => {
  test('that lies about the bounds deceives nobody', async () => {
    await using database = await databaseWithEvents();
    await database.query(`
      CREATE TABLE app.events_2026_12 PARTITION OF app.events FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');
      CREATE TABLE app.events_2019_01 PARTITION OF app.events FOR VALUES FROM ('2026-12-01') TO ('2027-01-01');
      CREATE TABLE app.events_2027_02 PARTITION OF app.events FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')`);
    const { create } = keeper(database, { retention: { months: 1 }, premake: 3 });
    const { cleanup } = keeper(database, { retention: { years: 20 } });

    expect(done(await create({ now: NOW }))).toEqual([
      'create app.events_2027_01',
      'create app.events_2027_02_2',
      'create app.events_2026_10',
    ]);
    expect(done(await cleanup())).toEqual(['drop app.events_2027_02']);
    expect(await partitionsOf(database)).toEqual({
      events_2026_10: '2026-10-01 .. 2026-11-01',
      events_2026_12: '2026-11-01 .. 2026-12-01',
      events_2019_01: '2026-12-01 .. 2027-01-01',
      events_2027_01: '2027-01-01 .. 2027-02-01',
      events_2027_02_2: '2027-02-01 .. 2027-03-01',
    });
    expect(done(await create({ now: NOW }))).toEqual([]);
  });

  test.each([
    ['a table', 'CREATE TABLE app.events_2026_12 (id int)'],
    ['a view', 'CREATE VIEW app.events_2026_12 AS SELECT 1 AS id'],
    ['an index', 'CREATE INDEX events_2026_12 ON app.users (id)'],
    [
      'a partition of another table',
      "CREATE TABLE app.others (at date) PARTITION BY RANGE (at); CREATE TABLE app.events_2026_12 PARTITION OF app.others FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')",
    ],
  ])('taken by %s is reported, and the others are created', async (_, sql) => {
    await using database = await databaseWithEvents();
    await database.query(sql);
    const report = await keeper(database).create({ now: NOW });

    expect(report.ok).toBe(false);
    expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: 'name-taken' } });
    expect(tableOf(report).error?.message).toContain('app.events_2026_12');
    const { events_2026_12: _missing, ...others } = WINTER;
    expect(await partitionsOf(database)).toEqual(others);
  });
});
