import { beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import type { Settings } from '../support/keeper.ts';
import { at, configFile, describeSchema, keeper, partitionsOf } from '../support/keeper.ts';

const INTERVALS = ['hour', 'day', 'week', 'month', 'quarter', 'year'] as const;
const KEY_TYPES = ['timestamptz', 'timestamp', 'date', 'uuid'] as const;

/** How PostgreSQL would name the interval that a wall-clock time lies in. */
const SUFFIXES = {
  hour: '_YYYY_MM_DD_HH24',
  day: '_YYYY_MM_DD',
  week: '_IYYY_"w"IW',
  month: '_YYYY_MM',
  quarter: '_YYYY_"q"Q',
  year: '_YYYY',
} as const;

/** Moments shortly before something odd happens on the calendar of a zone. */
const MOMENTS = [
  { zone: 'UTC', now: '2026-12-31T23:30:00Z', what: 'the end of the year' },
  { zone: 'Europe/Berlin', now: '2026-10-24T20:30:00Z', what: 'the hour from two to three comes twice' },
  { zone: 'Europe/Berlin', now: '2027-03-27T20:30:00Z', what: 'there is no hour from two to three' },
  { zone: 'America/New_York', now: '2026-10-31T22:30:00Z', what: 'the hour from one to two comes twice' },
  { zone: 'America/New_York', now: '2027-03-13T22:30:00Z', what: 'there is no hour from two to three' },
  { zone: 'America/Sao_Paulo', now: '2018-11-03T12:30:00Z', what: 'the day begins at one' },
  { zone: 'Asia/Kathmandu', now: '2026-11-30T18:10:00Z', what: 'the month ends a quarter past the hour' },
] as const;

/** By the hour, long enough to get past the moment. */
const premakeOf = (interval: string) => (interval === 'hour' ? 20 : 2);

/** In which partition PostgreSQL put each row, beside the one that its calendar says. */
const MISPLACED = (table: string, wall: string, zone: string, interval: keyof typeof SUFFIXES) => `
  SELECT r.at::text AS at, r.partition, r.expected, count(*) OVER ()::int AS misplaced FROM (
    SELECT at, tableoid::regclass::text AS partition,
           'app.${table}' || to_char(date_trunc('${interval}', ${wall.replaceAll('$zone', `'${zone}'`)}), '${SUFFIXES[interval]}') AS expected
    FROM app.${table}
  ) AS r WHERE r.partition <> r.expected ORDER BY 1 LIMIT 5`;

/** The wall-clock time of a key, and a key from an instant. */
const KEYS = {
  timestamptz: { wall: 'at AT TIME ZONE $zone', key: 'i.instant' },
  timestamp: { wall: 'at', key: 'i.instant AT TIME ZONE $zone' },
  date: { wall: 'at::timestamp', key: '(i.instant AT TIME ZONE $zone)::date' },
  uuid: {
    wall: "to_timestamp(('x' || substr(replace(at::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) AT TIME ZONE $zone",
    key: "(overlay(overlay(lpad(to_hex(floor(extract(epoch FROM i.instant) * 1000)::bigint), 12, '0') PLACING '-' FROM 9 FOR 0) || i.tail PLACING '' FROM 99 FOR 0))::uuid",
  },
} as const;

/**
 * Instants from the beginning of the current interval to the end of the look-ahead: each line of the grid and the
 * microseconds beside it, and a good deal in between.
 */
const INSTANTS = (zone: string, now: string, interval: string, premake: number) => {
  const step = interval === 'quarter' ? "interval '3 months'" : `interval '1 ${interval}'`;
  return `
    WITH window_of AS (
      SELECT first, first + ${premake + 1} * ${step} AS after
      FROM (SELECT date_trunc('${interval}', '${now}'::timestamptz AT TIME ZONE '${zone}') AS first) AS f
    ), lines AS (
      SELECT (first + n * ${step}) AT TIME ZONE '${zone}' AS instant FROM window_of, generate_series(0, ${premake + 1}) AS n
    ), candidates AS (
      SELECT instant + d * interval '1 microsecond' AS instant FROM lines, unnest(ARRAY[-1, 0, 1]) AS d
      UNION
      SELECT generate_series(min(instant), max(instant), (max(instant) - min(instant)) / 97) FROM lines
    )
    SELECT c.instant, u.tail FROM candidates AS c, window_of AS w,
      unnest(ARRAY['-7000-8000-000000000000', '-7fff-bfff-ffffffffffff']) AS u(tail)
    WHERE c.instant AT TIME ZONE '${zone}' >= w.first AND c.instant AT TIME ZONE '${zone}' < w.after`;
};

describe.each(MOMENTS)('in $zone, when $what', ({ zone, now }) => {
  const cases = KEY_TYPES.flatMap((type) =>
    INTERVALS.filter((interval) => type !== 'date' || interval !== 'hour').map((interval) => ({
      type,
      interval,
      table: `by_${type}_and_${interval}`,
    })),
  );
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await database.query('CREATE SCHEMA app');
    for (const { table, type } of cases)
      await database.query(`CREATE TABLE app.${table} (at ${type}) PARTITION BY RANGE (at)`);
    const settings = cases.map(
      ({ table, interval }): Settings => ({ table, interval, premake: premakeOf(interval), timeZone: zone }),
    );
    const report = await keeper(database, ...settings).create({ now: at(now) });
    expect(report.tables.filter(({ error }) => error !== undefined)).toEqual([]);
    return database.drop;
  });

  test.each(cases)('rows by $type find their $interval', async ({ table, type, interval }) => {
    const premake = premakeOf(interval);
    const partitions = await partitionsOf(database, `app.${table}`);
    expect(Object.keys(partitions)).toHaveLength(premake + 1);
    const { wall, key } = KEYS[type];
    // A hole would fail the INSERT, an overlap the run.
    const inserted = await database.query(
      `INSERT INTO app.${table} SELECT ${key.replaceAll('$zone', `'${zone}'`)} FROM (${INSTANTS(zone, now, interval, premake)}) AS i RETURNING 1`,
    );
    expect(inserted.length).toBeGreaterThan(190);
    expect(await database.query(MISPLACED(table, wall, zone, interval))).toEqual([]);
    const [used] = await database.query<{ partitions: number }>(
      `SELECT count(DISTINCT tableoid)::int AS partitions FROM app.${table}`,
    );
    // Where an hour is skipped or comes twice, 21 hours by the clock are 20 partitions.
    expect(used?.partitions).toBeGreaterThanOrEqual(premake);
  });

  test('a second run finds nothing to do', async () => {
    const settings = cases.map(
      ({ table, interval }): Settings => ({ table, interval, premake: premakeOf(interval), timeZone: zone }),
    );
    const report = await keeper(database, ...settings).create({ now: at(now) });
    expect(report.tables.flatMap(({ steps }) => steps)).toEqual([]);
  });
});

describe('the surroundings change no instant', () => {
  const TABLES = KEY_TYPES.map(
    (type): Settings => ({
      table: `by_${type}`,
      premake: 1,
      timeZone: 'Europe/Berlin',
      retention: { years: 20 },
      maxExpiredShare: 1,
    }),
  );
  const NOW = at('2026-11-22T13:00:00Z');

  async function databaseWith(...settings: readonly string[]): Promise<TestDatabase> {
    const database = await createTestDatabase();
    await database.query('CREATE SCHEMA app');
    for (const type of KEY_TYPES) {
      const [from, to] =
        type === 'uuid'
          ? ["'00e00000-0000-7000-8000-000000000000'", "'00e10000-0000-7000-8000-000000000000'"]
          : ["'1999-01-31'", "'1999-03-02'"];
      await database.query(`
        SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC';
        CREATE TABLE app.by_${type} (at ${type}) PARTITION BY RANGE (at);
        CREATE TABLE app.by_${type}_old PARTITION OF app.by_${type} FOR VALUES FROM (${from}) TO (${to});
        CREATE TABLE app.by_${type}_default PARTITION OF app.by_${type} DEFAULT`);
    }
    for (const setting of settings) await database.query(`ALTER DATABASE ${database.name} SET ${setting}`);
    return database;
  }

  const SURROUNDINGS = [
    ["TimeZone = 'Asia/Tokyo'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'"],
    [
      "TimeZone = 'America/New_York'",
      "DateStyle = 'German, DMY'",
      'standard_conforming_strings = off',
      "backslash_quote = 'on'",
    ],
    [
      "TimeZone = 'Asia/Kathmandu'",
      "DateStyle = 'Postgres, MDY'",
      'quote_all_identifiers = on',
      "search_path = 'app'",
      'array_nulls = off',
    ],
    [
      "default_transaction_isolation = 'serializable'",
      'extra_float_digits = -15',
      "bytea_output = 'escape'",
      "client_min_messages = 'debug1'",
      "lock_timeout = '1ms'",
    ],
  ];

  test.each(SURROUNDINGS)('of a database with %s, %s', async (...settings) => {
    await using plain = await databaseWith();
    await using database = await databaseWith(...settings);
    const run = async (where: TestDatabase) => {
      const jobs = keeper(where, ...TABLES);
      // What has been created already must be recognised, and what is expired be found.
      const reports = [
        await jobs.create({ now: NOW, from: NOW }),
        await jobs.create({ now: NOW, from: NOW }),
        await jobs.cleanup(),
      ];
      return reports.map(({ tables }) =>
        tables.map(({ table, status, steps, error }) => [
          table,
          status,
          error?.message,
          steps.map(({ kind, partition, from, to }) => [kind, partition, from, to]),
        ]),
      );
    };
    const expected = await run(plain);
    expect(expected[0]?.map(([, status, , steps]) => [status, steps?.length])).toEqual(
      Array(4).fill(['ok', 2]),
    );
    expect(expected[1]?.map(([, , , steps]) => steps?.length)).toEqual(Array(4).fill(0));
    expect(expected[2]?.map(([, , , steps]) => steps?.length)).toEqual(Array(4).fill(1));
    expect(await run(database)).toEqual(expected);
    expect(await describeSchema(database)).toEqual(await describeSchema(plain));
  });

  test('of a role with settings of its own, or of the process', async () => {
    await using plain = await databaseWith();
    await using database = await databaseWith();
    const role = await database.createRole();
    await database.query(`
      ALTER ROLE ${role.name} SUPERUSER;
      ALTER ROLE ${role.name} SET TimeZone = 'Pacific/Auckland';
      ALTER ROLE ${role.name} SET DateStyle = 'SQL, DMY'`);
    const options = {
      config: configFile(...TABLES),
      env: { TZ: 'America/New_York', PGTZ: 'Asia/Tokyo', PGDATESTYLE: 'German' },
    };
    const { code, stderr } = await runCli(['create', '--now', NOW.toString(), '--from', NOW.toString()], {
      ...options,
      url: role.url,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await keeper(plain, ...TABLES).create({ now: NOW, from: NOW });
    expect(await describeSchema(database)).toEqual(await describeSchema(plain));
  });
});
