import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import type { Settings } from '../support/keeper.ts';
import { at, configFile, done, findingsOf, keeper, stepsOf, tableOf } from '../support/keeper.ts';
import { recordStatements } from '../support/statements.ts';

const NOW = at('2026-11-22T13:00:00Z');

describe('a table that is not as the config says', () => {
  const CASES: readonly {
    readonly what: string;
    readonly sql: string;
    readonly settings: Settings & { readonly table: string };
    readonly code: string;
    readonly message: string;
  }[] = [
    {
      what: 'is missing',
      sql: '',
      settings: { table: 'missing' },
      code: 'table-missing',
      message: 'There is no table app.missing in this database.',
    },
    {
      what: 'is in no schema',
      sql: '',
      settings: { schema: 'App', table: 'events' },
      code: 'table-missing',
      message: 'There is no schema "App" in this database, so no "App".events.',
    },
    {
      what: 'is spelled otherwise',
      sql: 'CREATE TABLE app."Spelled" (at timestamptz) PARTITION BY RANGE (at)',
      settings: { table: 'spelled' },
      code: 'table-missing',
      message: 'There is no table app.spelled in this database.',
    },
    {
      what: 'is not partitioned',
      sql: 'CREATE TABLE app.plain (at timestamptz)',
      settings: { table: 'plain' },
      code: 'not-partitioned',
      message: 'app.plain is an ordinary table, not a partitioned table.',
    },
    {
      what: 'is a view',
      sql: 'CREATE VIEW app.seen AS SELECT now() AS at',
      settings: { table: 'seen' },
      code: 'not-partitioned',
      message: 'app.seen is a view, not a partitioned table.',
    },
    {
      what: 'is a materialized view',
      sql: 'CREATE MATERIALIZED VIEW app.kept AS SELECT now() AS at',
      settings: { table: 'kept' },
      code: 'not-partitioned',
      message: 'app.kept is a materialized view, not a partitioned table.',
    },
    {
      what: 'is a foreign table',
      sql: "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE app.abroad (at timestamptz) SERVER files OPTIONS (filename '/nowhere')",
      settings: { table: 'abroad' },
      code: 'not-partitioned',
      message: 'app.abroad is a foreign table, not a partitioned table.',
    },
    {
      what: 'is partitioned by LIST',
      sql: 'CREATE TABLE app.listed (at timestamptz) PARTITION BY LIST (at)',
      settings: { table: 'listed' },
      code: 'wrong-key',
      message: 'app.listed is partitioned by LIST; only RANGE partitions follow a calendar.',
    },
    {
      what: 'is partitioned by HASH',
      sql: 'CREATE TABLE app.hashed (at timestamptz) PARTITION BY HASH (at)',
      settings: { table: 'hashed' },
      code: 'wrong-key',
      message: 'app.hashed is partitioned by HASH; only RANGE partitions follow a calendar.',
    },
    {
      what: 'is partitioned by two columns',
      sql: 'CREATE TABLE app.double (at timestamptz, id int) PARTITION BY RANGE (at, id)',
      settings: { table: 'double' },
      code: 'wrong-key',
      message: 'The partition key of app.double has 2 columns; only keys of one column are supported.',
    },
    {
      what: 'is partitioned by an expression',
      sql: "CREATE TABLE app.computed (at timestamp) PARTITION BY RANGE (date_trunc('day', at))",
      settings: { table: 'computed' },
      code: 'wrong-key',
      message: 'The partition key of app.computed is an expression; only a plain column is supported.',
    },
    {
      what: 'is partitioned by another column',
      sql: 'CREATE TABLE app.other (at timestamptz, "Made" timestamptz) PARTITION BY RANGE ("Made")',
      settings: { table: 'other' },
      code: 'wrong-key',
      message: 'app.other is partitioned by "Made", but the config says at.',
    },
    {
      what: 'has a key of an unsupported type',
      sql: 'CREATE TABLE app.numbered (at bigint) PARTITION BY RANGE (at)',
      settings: { table: 'numbered' },
      code: 'wrong-key',
      message:
        'The partition key at of app.numbered is of type bigint; supported are timestamptz, timestamp, date, and uuid with UUIDv7 values.',
    },
    {
      what: 'has a date for its key, and hours for its interval',
      sql: 'CREATE TABLE app.dated (at date) PARTITION BY RANGE (at)',
      settings: { table: 'dated', interval: 'hour' },
      code: 'wrong-key',
      message: 'app.dated is partitioned by a date, which cannot tell hours apart.',
    },
  ];

  const SOUND: Settings = { table: 'sound', retention: { years: 20 } };
  const ALL = [
    ...CASES.slice(0, 7).map(({ settings }) => settings),
    SOUND,
    ...CASES.slice(7).map(({ settings }) => settings),
  ];
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.sound (at timestamptz(3)) PARTITION BY RANGE (at);
      CREATE TABLE app.ancient PARTITION OF app.sound FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')`);
    for (const { sql } of CASES) await database.query(sql);
    return database.drop;
  });

  test.each(CASES)('because it $what fails with its own message', async ({ settings, code, message }) => {
    const finding = code === 'wrong-key' ? 'wrong-key' : 'not-partitioned';
    for (const job of ['validate', 'create', 'cleanup', 'plan', 'status', 'health'] as const) {
      const report = await keeper(database, settings)[job]();
      expect(report.ok).toBe(false);
      expect(tableOf(report)).toMatchObject({ status: 'failed', steps: [], error: { code, message } });
      expect(tableOf(report).error?.hint).toMatch(/\w/);
      expect(tableOf(report).findings).toMatchObject([{ finding, severity: 'critical', message }]);
    }
  });

  test('fails alone: the others are done, and the command line says 1', async () => {
    const dry = await keeper(database, ...ALL).create({ now: NOW, from: NOW, dryRun: true });
    expect(stepsOf({ ...dry, ok: true, tables: [tableOf(dry, 'sound')] })).toHaveLength(4);
    const { code, json } = await runCli(
      ['create', '--now', NOW.toString(), '--from', NOW.toString(), '--format', 'json'],
      { config: configFile(...ALL), url: database.url },
    );
    expect(code).toBe(1);
    expect(json()).toMatchObject({
      ok: false,
      tables: ALL.map(({ table }) => ({ table, status: table === 'sound' ? 'ok' : 'failed' })),
    });
    const partitions = () =>
      database.query<{ name: string }>('SELECT inhrelid::regclass::text AS name FROM pg_inherits ORDER BY 1');
    expect((await partitions()).map(({ name }) => name)).toEqual([
      'app.ancient',
      ...['2026_11', '2026_12', '2027_01', '2027_02'].map((month) => `app.sound_${month}`),
    ]);
    const cleanup = await keeper(database, ...ALL).cleanup();
    expect(tableOf(cleanup, 'sound')).toMatchObject({ status: 'ok', steps: [{ partition: 'app.ancient' }] });
    expect(await partitions()).toHaveLength(4);
  });
});

describe('the number of queries', () => {
  let database: TestDatabase;
  const tables = Array.from(
    { length: 100 },
    (_, index): Settings => ({
      table: `events_${index}`,
      interval: 'day',
      premake: 2,
      retention: { years: 20 },
    }),
  );

  /** 10,000 partitions, a hundred days for each of a hundred tables. */
  beforeAll(async () => {
    database = await createTestDatabase();
    await database.query('CREATE SCHEMA app');
    const ofTable = (table: string) => `
      DO $$ BEGIN
        CREATE TABLE app.${table} (at timestamptz) PARTITION BY RANGE (at);
        FOR day IN 0..99 LOOP
          EXECUTE format('CREATE TABLE app.${table}_%s PARTITION OF app.${table} FOR VALUES FROM (%L) TO (%L)',
                         day, '2026-08-15 00:00+00'::timestamptz + day * interval '1 day', '2026-08-16 00:00+00'::timestamptz + day * interval '1 day');
        END LOOP;
      END $$`;
    const clients = [await database.connect(), await database.connect()];
    await Promise.all(
      clients.map(async (client, turn) => {
        for (const [index, { table }] of tables.entries())
          if (index % 2 === turn && table !== undefined) await client.query(ofTable(table));
      }),
    );
    await Promise.all(clients.map((client) => client.end()));
  }, 120_000);

  afterAll(() => database.drop(), 60_000);

  /** How many statements a job sends. */
  async function statements(
    job: 'plan' | 'health' | 'status' | 'validate' | 'create' | 'cleanup',
    of: readonly Settings[],
    dryRun = true,
  ) {
    using recorder = recordStatements();
    const began = performance.now();
    const report = await keeper(database, ...of)[job]({ now: NOW, ...(dryRun ? { dryRun } : {}) });
    expect(report.tables).toHaveLength(of.length);
    expect(report.tables.flatMap(({ error }) => error ?? [])).toEqual([]);
    return { count: recorder.sent.length, ms: Math.round(performance.now() - began), report };
  }

  test.each(['plan', 'health', 'status', 'validate', 'create', 'cleanup'] as const)(
    'of %s is the same for 1 table and for 100 with 10,000 partitions',
    async (job) => {
      const one = await statements(job, tables.slice(0, 1));
      const all = await statements(job, tables);
      console.log(`${job} of 100 tables with 10,000 partitions: ${all.count} statements, ${all.ms} ms`);
      expect(one.count).toBeGreaterThan(10);
      expect(all.count).toBe(one.count);
    },
  );

  test('of a run that finds nothing to do is the same, too', async () => {
    await keeper(database, ...tables.slice(0, 20)).create({ now: NOW });
    const one = await statements('create', tables.slice(0, 1), false);
    const many = await statements('create', tables.slice(0, 20), false);
    expect(many.report.tables.flatMap(({ steps }) => steps)).toEqual([]);
    expect(many.count).toBe(one.count);
  });

  test('does not depend on default partitions', async () => {
    for (const { table } of tables.slice(20, 40))
      await database.query(`CREATE TABLE app.${table}_default PARTITION OF app.${table} DEFAULT`);
    const one = await statements('plan', tables.slice(20, 21));
    const many = await statements('plan', tables.slice(20, 40));
    expect(many.count).toBe(one.count);
  });

  test('leaves the plan itself right', async () => {
    const { report } = await statements('plan', tables.slice(40));
    // Of a hundred days, the last is the 22nd of November.
    expect(report.tables.map(({ steps }) => steps.map(({ partition }) => partition.slice(-10)))).toEqual(
      Array(60).fill(['2026_11_23', '2026_11_24']),
    );
  });
});

describe('an inspection', () => {
  test('waits for nobody who has locked a table', async () => {
    await using database = await createTestDatabase();
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.events (id int, at timestamptz, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
      CREATE TABLE app.old PARTITION OF app.events FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')`);
    const holder = await database.connect();
    await holder.query('BEGIN; LOCK TABLE app.events IN ACCESS EXCLUSIVE MODE');
    const jobs = keeper(database, { retention: { years: 20 } });
    const health = tableOf(await jobs.health({ now: NOW }));
    expect(health).toMatchObject({ status: 'ok', gauges: { partitions: 1, defaultRows: null } });
    expect(findingsOf(await jobs.health({ now: NOW }))).toContain('missing-current');
    expect(tableOf(await jobs.status({ now: NOW, exactSizes: true })).status).toBe('ok');
    expect(done(await jobs.cleanup({ dryRun: true }))).toEqual([]);
    await holder.query('ROLLBACK');
    expect(tableOf(await jobs.health({ now: NOW })).gauges?.defaultRows).toBe(0);
  });

  test('measures sizes, or estimates them from the statistics', async () => {
    await using database = await createTestDatabase();
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.events (id int, at timestamptz, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      CREATE TABLE app.year PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY RANGE (at);
      CREATE TABLE app.half PARTITION OF app.year FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
      INSERT INTO app.events SELECT n, '2026-11-22', md5(n::text) FROM generate_series(1, 10000) AS n`);
    const gauges = async (exactSizes: boolean) =>
      tableOf(await keeper(database).status({ now: NOW, exactSizes })).gauges;
    const [size] = await database.query<{ bytes: number }>(
      "SELECT pg_total_relation_size('app.half')::int AS bytes",
    );
    expect(await gauges(true)).toMatchObject({
      largestPartition: 'app.year',
      largestBytes: size?.bytes,
      totalBytes: size?.bytes,
    });

    await database.query('VACUUM ANALYZE app.half');
    const estimate = (await gauges(false))?.largestBytes ?? 0;
    // Without the maps of free space and visibility.
    expect(estimate).toBeGreaterThan((size?.bytes ?? 0) * 0.8);
    expect(estimate).toBeLessThanOrEqual((size?.bytes ?? 0) + 65_536);
    const { coverage } = tableOf(await keeper(database).status({ now: NOW }));
    expect(coverage?.partitions).toMatchObject([{ name: 'app.year', state: 'current', rows: 10_000 }]);
  });
});
