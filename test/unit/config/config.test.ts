import { describe, expect, test } from 'vitest';
import { type Config, defineConfig, parseConfig } from '../../../lib/config/config.ts';
import { EXIT } from '../../../lib/contract.ts';
import { KeeperError } from '../../../lib/errors.ts';
import { INTERVALS } from '../../../lib/partition/calendar.ts';
import shipped from '../../../partitions.config.ts';

const table = { schema: 'platform', table: 'audit_logs', partitionKey: 'created_at', interval: 'month' };

const parse = (input: unknown): Config => parseConfig(input, 'partitions.config.ts');
const parseTable = (fields: object) => parse({ tables: [{ ...table, ...fields }] }).tables[0];

/** The error of a wrong config; fails when it is right. */
function errorOf(input: unknown): KeeperError {
  try {
    parse(input);
  } catch (error) {
    if (error instanceof KeeperError) return error;
    throw error;
  }
  throw new Error('the config was accepted');
}

/** The problems, as `path: message`, one each. */
const problems = (input: unknown): string[] =>
  errorOf(input)
    .message.split('\n')
    .slice(1)
    .map((line) => line.trim());

const problemsOf = (fields: object): string[] => problems({ tables: [{ ...table, ...fields }] });

describe('defaults', () => {
  test('of a table that says only what it must', () => {
    expect(parse({ tables: [table] })).toEqual({
      tables: [
        {
          schema: 'platform',
          table: 'audit_logs',
          partitionKey: 'created_at',
          interval: 'month',
          premake: 3,
          retention: null,
          expired: 'drop',
          grace: null,
          overdueAfter: { days: 100 },
          maxExpiredShare: 0.5,
          timeZone: 'UTC',
        },
      ],
    });
  });

  test('premake depends on the interval', () => {
    const config = parse({ tables: INTERVALS.map((interval) => ({ ...table, table: interval, interval })) });
    expect(Object.fromEntries(config.tables.map(({ interval, premake }) => [interval, premake]))).toEqual({
      hour: 48,
      day: 14,
      week: 6,
      month: 3,
      quarter: 2,
      year: 1,
    });
  });

  test('the time zone of a table overrides that of all', () => {
    const config = parse({
      timeZone: 'Europe/Berlin',
      tables: [table, { ...table, table: 'other', timeZone: 'America/New_York' }],
    });
    expect(config.tables.map(({ timeZone }) => timeZone)).toEqual(['Europe/Berlin', 'America/New_York']);
  });
});

test('everything can be said', () => {
  const everything = {
    ...table,
    interval: 'week',
    premake: 8,
    retention: { years: 1, months: 2, weeks: 3, days: 4, hours: 5 },
    expired: 'drop',
    grace: { days: 7 },
    overdueAfter: { weeks: 2 },
    maxExpiredShare: 1,
    timeZone: 'Asia/Kathmandu',
  };
  expect(
    parse({ $schema: './partitions.schema.json', timeZone: 'UTC', tables: [everything] }).tables,
  ).toEqual([everything]);
  expect(parseTable({ expired: 'detach' })?.expired).toBe('detach');
});

test('the config that ships is right, and defineConfig leaves it as it is', () => {
  expect(defineConfig(shipped)).toBe(shipped);
  const { tables } = parse(shipped);
  expect(
    tables.map(({ schema, table, interval, premake, retention }) => [
      schema,
      table,
      interval,
      premake,
      retention,
    ]),
  ).toEqual([
    ['platform', 'audit_logs', 'month', 3, { years: 7 }],
    ['platform', 'activity_logs', 'month', 3, { years: 2 }],
    ['compliance', 'data_access_log', 'month', 3, { years: 7 }],
    ['auth', 'user_sessions', 'month', 3, { days: 90 }],
    ['files', 'file_uploads', 'quarter', 2, { years: 5 }],
    ['communication', 'notifications', 'month', 3, { years: 1 }],
  ]);
});

describe('the error', () => {
  test('is about usage, names the file, and says that nothing was done', () => {
    const error = errorOf({ tables: [] });
    expect(error.code).toBe('config-invalid');
    expect(error.exitCode).toBe(EXIT.usage);
    expect(error.message).toBe('partitions.config.ts has a problem:\n  tables: must list at least one table');
    expect(error.hint).toContain('nothing has been done');
  });

  test('lists every problem, each once and with its path', () => {
    const error = errorOf({
      timezone: 'UTC',
      timeZone: 'Mars/Olympus',
      tables: [
        { ...table, retention: 90, premake: 0 },
        { schema: 'platform', table: '', partitionKey: 'created_at', interval: 'fortnight' },
        { ...table, table: 'x'.repeat(60), interval: 'hour', grace: { days: 0 } },
        { ...table, table: 'activity_logs', retentoin: { years: 7 } },
      ],
    });
    const lines = error.message.split('\n');
    expect(lines[0]).toBe('partitions.config.ts has 9 problems:');
    expect(lines.slice(1).toSorted()).toEqual([
      '  tables[0].premake: premake must be at least 1, or INSERTs fail when the next interval begins',
      '  tables[0].retention: must name its unit, as in { days: 90 } or { years: 7 }, not 90',
      '  tables[1].interval: must be one of hour, day, week, month, quarter, year, not "fortnight"',
      '  tables[1].table: table must not be empty',
      '  tables[2].grace.days: days must be at least 1',
      "  tables[2].table: names of its partitions would be 11 bytes longer than PostgreSQL's 63; rename the table or choose a longer interval",
      '  tables[3].retentoin: unknown key; known are schema, table, partitionKey, interval, premake, retention, expired, grace, overdueAfter, maxExpiredShare, timeZone',
      '  timeZone: unknown time zone "Mars/Olympus"; use an IANA name such as Europe/Berlin',
      '  timezone: unknown key; known are $schema, timeZone, deployment, tables',
    ]);
  });
});

test('every unknown key of an object is told', () => {
  const known =
    'schema, table, partitionKey, interval, premake, retention, expired, grace, overdueAfter, maxExpiredShare, timeZone';
  expect(problemsOf({ one: 1, two: 2 })).toEqual([
    `tables[0].one: unknown key, as is two; known are ${known}`,
  ]);
  expect(problemsOf({ one: 1, two: 2, three: 3 })).toEqual([
    `tables[0].one: unknown key, as are two, three; known are ${known}`,
  ]);
  expect(problemsOf({ retention: { day: 1, year: 2 } })).toContain(
    'tables[0].retention.day: unknown unit, as is year; known are years, months, weeks, days, hours',
  );
});

describe('retention', () => {
  test.each<readonly [string, unknown, string]>([
    [
      'without a unit',
      90,
      'tables[0].retention: must name its unit, as in { days: 90 } or { years: 7 }, not 90',
    ],
    [
      'as text',
      '90 days',
      'tables[0].retention: must name its unit, as in { days: 90 } or { years: 7 }, not "90 days"',
    ],
    ['null', null, 'tables[0].retention: must name its unit, as in { days: 90 } or { years: 7 }, not null'],
    ['empty', {}, 'tables[0].retention: must have at least one of years, months, weeks, days, hours'],
    [
      'undefined inside',
      { days: undefined },
      'tables[0].retention: must have at least one of years, months, weeks, days, hours',
    ],
    ['zero', { days: 0 }, 'tables[0].retention.days: days must be at least 1'],
    ['negative', { years: -7 }, 'tables[0].retention.years: years must be at least 1'],
    ['half', { years: 0.5 }, 'tables[0].retention.years: years must be a whole number'],
    ['not a number', { days: Number.NaN }, 'tables[0].retention.days: days must be a number'],
    ['a number as text', { days: '90' }, 'tables[0].retention.days: days must be a number'],
    ['endless', { days: Number.POSITIVE_INFINITY }, 'tables[0].retention.days: days must be a whole number'],
    ['absurd', { years: 1001 }, 'tables[0].retention.years: years must be at most 1000'],
    [
      'of another unit',
      { day: 90 },
      'tables[0].retention.day: unknown unit; known are years, months, weeks, days, hours',
    ],
  ])('%s is refused', (_name, retention, expected) => {
    expect(problemsOf({ retention })).toContain(expected);
  });

  test.each(['retention', 'grace', 'overdueAfter'])('%s has the same form', (field) => {
    expect(problemsOf({ [field]: 7 })).toEqual([
      `tables[0].${field}: must name its unit, as in { days: 90 } or { years: 7 }, not 7`,
    ]);
    expect(parseTable({ [field]: { days: 7 } })).toMatchObject({ [field]: { days: 7 } });
  });

  test('grace makes no sense where nothing is dropped', () => {
    expect(problemsOf({ expired: 'detach', grace: { days: 7 } })).toEqual([
      "tables[0].grace: grace is the time until a detached partition is dropped; with expired: 'detach' it is never dropped",
    ]);
  });
});

describe('other fields', () => {
  test.each<readonly [object, string]>([
    [
      { premake: 0 },
      'tables[0].premake: premake must be at least 1, or INSERTs fail when the next interval begins',
    ],
    [{ premake: 1.5 }, 'tables[0].premake: premake must be a whole number'],
    [{ premake: '3' }, 'tables[0].premake: premake must be a number'],
    [{ premake: 10_001 }, 'tables[0].premake: premake must be at most 10000'],
    [{ maxExpiredShare: 0 }, 'tables[0].maxExpiredShare: maxExpiredShare must be above 0 and at most 1'],
    [{ maxExpiredShare: 1.01 }, 'tables[0].maxExpiredShare: maxExpiredShare must be above 0 and at most 1'],
    [{ expired: 'delete' }, "tables[0].expired: expired must be 'drop' or 'detach'"],
    [
      { timeZone: 'Europe/Atlantis' },
      'tables[0].timeZone: unknown time zone "Europe/Atlantis"; use an IANA name such as Europe/Berlin',
    ],
    [{ timeZone: '' }, 'tables[0].timeZone: unknown time zone ""; use an IANA name such as Europe/Berlin'],
    [
      { timeZone: '2026-11-22T12:00Z' },
      'tables[0].timeZone: unknown time zone "2026-11-22T12:00Z"; use an IANA name such as Europe/Berlin',
    ],
    [{ timeZone: 1 }, 'tables[0].timeZone: must be the name of a time zone, such as UTC or Europe/Berlin'],
    [{ schema: 1 }, 'tables[0].schema: schema must be a string'],
    [{ schema: '' }, 'tables[0].schema: schema must not be empty'],
    [{ partitionKey: 'a\0b' }, 'tables[0].partitionKey: partitionKey must not contain a NUL character'],
    [
      { partitionKey: 'ü'.repeat(32) },
      'tables[0].partitionKey: partitionKey is longer than 63 bytes, which PostgreSQL does not allow',
    ],
    [
      { interval: undefined },
      'tables[0].interval: must be one of hour, day, week, month, quarter, year, not undefined',
    ],
  ])('%j', (fields, expected) => {
    expect(problemsOf(fields)).toEqual([expected]);
  });

  test.each(['schema', 'table', 'partitionKey', 'interval'])('%s must be there', (field) => {
    const { [field]: _, ...rest } = { ...table } as Record<string, string>;
    expect(problems({ tables: [rest] })).toEqual([`tables[0].${field}: is required`]);
  });

  test.each(['MonthlyÜmlaut', 'with "quotes"', 'a.b', '日本', ' ', 'select'])(
    'any legal name is a name: %s',
    (name) => {
      expect(parseTable({ schema: name, table: name, partitionKey: name })).toMatchObject({
        schema: name,
        table: name,
        partitionKey: name,
      });
    },
  );

  test.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5'])(
    'time zone %s',
    (timeZone) => {
      expect(parseTable({ timeZone })?.timeZone).toBe(timeZone);
    },
  );
});

describe('names of partitions', () => {
  test.each([
    ['year', 58],
    ['month', 55],
    ['hour', 49],
  ])('by %s, tables of up to %i bytes', (interval, longest) => {
    expect(parseTable({ interval, table: 'x'.repeat(longest) })).toBeDefined();
    expect(problemsOf({ interval, table: 'x'.repeat(longest + 1) })).toEqual([
      "tables[0].table: names of its partitions would be 1 bytes longer than PostgreSQL's 63; rename the table or choose a longer interval",
    ]);
  });

  test('bytes are counted, not characters', () => {
    expect(parseTable({ table: 'ü'.repeat(27) })).toBeDefined();
    expect(problemsOf({ table: 'ü'.repeat(28) })).toHaveLength(1);
  });

  test('a table whose own name is too long is told so once', () => {
    expect(problemsOf({ table: 'x'.repeat(64) })).toHaveLength(1);
  });
});

describe('duplicates', () => {
  test('are refused, with what they repeat', () => {
    expect(
      problems({ tables: [table, { ...table, table: 'other' }, table, { ...table, interval: 'day' }] }),
    ).toEqual([
      'tables[2]: this table is listed already, as tables[0]',
      'tables[3]: this table is listed already, as tables[0]',
    ]);
  });

  test('are told along with other problems', () => {
    const found = problems({ tables: [table, { ...table, premake: 0 }] });
    expect(found).toHaveLength(2);
    expect(found).toContain('tables[1]: this table is listed already, as tables[0]');
  });

  test('are of schema and table together, in their exact spelling', () => {
    const others = [
      { ...table, schema: 'other' },
      { ...table, table: 'Audit_Logs' },
      { ...table, schema: 'platform.audit', table: 'logs' },
      { ...table, schema: 'platform', table: 'audit.logs' },
    ];
    expect(parse({ tables: [table, ...others] }).tables).toHaveLength(5);
  });
});

describe('no config at all', () => {
  test.each<readonly [unknown, string]>([
    [undefined, 'the config: is required'],
    [null, 'the config: must be an object, not null'],
    [[], 'tables: is required'],
    ['text', 'the config: must be an object, not "text"'],
    [{}, 'tables: is required'],
    [{ tables: {} }, 'tables: must be a list of tables'],
    [{ tables: [] }, 'tables: must list at least one table'],
    [{ tables: [1] }, 'tables[0]: must be an object, not 1'],
    [{ tables: [null] }, 'tables[0]: must be an object, not null'],
  ])('%j', (input, expected) => {
    expect(problems(input)).toEqual([expected]);
  });

  test('but another key', () => {
    expect(problems({ table })).toEqual([
      'tables: is required',
      'table: unknown key; known are $schema, timeZone, deployment, tables',
    ]);
  });
});
