import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import type { Finding, FindingName } from '../../../lib/contract.ts';
import { calendarOf, toInstant } from '../../../lib/partition/calendar.ts';
import { findingsOf, gaugesOf, type HealthInput } from '../../../lib/partition/health.ts';
import { gridZone, pointAt } from '../../../lib/partition/key-type.ts';
import type { PartitionedTable } from '../../../lib/partition/model.ts';
import { planCreate } from '../../../lib/partition/plan-create.ts';
import { contains } from '../../../lib/partition/range.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { anyZone, KEY_TYPES, pointBetween } from '../support/arbitraries.ts';
import { instant, point } from '../support/points.ts';
import { anySituation } from '../support/situations.ts';
import {
  afterCreate,
  configOf,
  defaultPartition,
  detachedTable,
  gridPartitions,
  markerOf,
  partition,
  tableOf,
} from '../support/tables.ts';

const NOW = '2026-11-22T12:00Z';
const months = (from: string, to: string) => gridPartitions(configOf(), from, to);

const input = (
  table: PartitionedTable,
  config: TableConfig = configOf(),
  now = NOW,
  clocks: Partial<Pick<HealthInput, 'serverClock' | 'localClock'>> = {},
): HealthInput => ({
  table,
  config,
  now: instant(now),
  serverClock: instant(now),
  localClock: instant(now),
  ...clocks,
});

/** `critical missing-next`, in the order told. */
const told = (checked: HealthInput): string[] =>
  findingsOf(checked).map(({ severity, finding }) => `${severity} ${finding}`);

/** The one finding of that name; fails where there are several or none. */
function only(checked: HealthInput, name: FindingName): Finding {
  const found = findingsOf(checked).filter(({ finding }) => finding === name);
  expect(found).toHaveLength(1);
  const [first] = found;
  if (first === undefined) throw new Error(`no finding ${name}`);
  return first;
}

const healthy = months('2026-09-01', '2027-03-01');
/** A healthy table, but for what is said. */
const sick = (fields: Parameters<typeof tableOf>[0]) => tableOf({ partitions: healthy, ...fields });

test('a healthy table has no findings', () => {
  expect(findingsOf(input(tableOf({ partitions: healthy })))).toEqual([]);
});

describe('missing-current', () => {
  const noNovember = tableOf({
    partitions: healthy.filter(({ range }) => range.from !== point('2026-11-01')),
  });

  test('INSERTs fail', () => {
    expect(told(input(noNovember))).toEqual(['critical missing-current']);
    const finding = only(input(noNovember), 'missing-current');
    expect(finding.message).toBe('No partition of logs.events covers now: INSERTs of new rows fail.');
    expect(finding.remedy).toContain('partition-keeper create --table logs.events');
    expect(finding.facts).toEqual({ now: '2026-11-22T12:00:00Z' });
  });

  test('or rows fall into the default partition', () => {
    const table = { ...noNovember, defaultPartition: defaultPartition() };
    expect(only(input(table), 'missing-current').message).toContain('fall into the default partition');
  });

  test('a partition whose detach is unfinished covers nothing', () => {
    const pending = healthy.map((each) =>
      each.range.from === point('2026-11-01') ? { ...each, detachPending: true } : each,
    );
    expect(told(input(tableOf({ partitions: pending })))).toEqual([
      'critical missing-current',
      'warning detach-pending',
    ]);
  });

  test('neither does a default partition', () => {
    const table = tableOf({ defaultPartition: defaultPartition() });
    expect(told(input(table))).toContain('critical missing-current');
  });

  test('an open end does', () => {
    const table = tableOf({
      partitions: [...months('2026-09-01', '2026-11-01'), partition('2026-11-01', 'MAXVALUE')],
    });
    expect(told(input(table))).toEqual(['info unmanaged']);
  });

  test('is told from the first moment of the interval on', () => {
    const until = tableOf({ partitions: months('2026-09-01', '2026-11-01') });
    expect(told(input(until, configOf(), '2026-10-31T23:59:59.999999Z'))).not.toContain(
      'critical missing-current',
    );
    expect(told(input(until, configOf(), '2026-11-01T00:00Z'))).toContain('critical missing-current');
  });
});

describe('missing-next', () => {
  const until = (end: string, interval: TableConfig['interval'] = 'month') =>
    tableOf({ partitions: gridPartitions(configOf({ interval }), '2026-09-01', end) });

  test.each([
    ['2026-11-23T23:59:59Z', 'warning missing'],
    ['2026-11-24T00:00:00Z', 'critical missing-next'],
    ['2026-11-30T23:59:59Z', 'critical missing-next'],
  ])('a month is due a week before: at %s %s', (now, expected) => {
    expect(told(input(until('2026-12-01'), configOf({ premake: 2 }), now))).toEqual([expected]);
  });

  test.each([
    ['2026-11-22T11:59:59Z', []],
    ['2026-11-22T12:00:00Z', ['critical missing-next']],
  ])('a day is due half a day before: at %s %j', (now, expected) => {
    expect(told(input(until('2026-11-23', 'day'), configOf({ interval: 'day', premake: 1 }), now))).toEqual(
      expected,
    );
  });

  test('names the moment and the remedy', () => {
    const finding = only(input(until('2026-12-01'), configOf(), '2026-11-29'), 'missing-next');
    expect(finding.message).toBe(
      'The next month begins 2026-12-01T00:00:00Z and logs.events has no partition for all of it.',
    );
    expect(finding.facts).toEqual({ begins: '2026-12-01T00:00:00Z' });
    expect(finding.remedy).toContain('create --table logs.events');
  });

  test('half of a partition is not enough', () => {
    const half = tableOf({
      partitions: [...months('2026-09-01', '2026-12-01'), partition('2026-12-01', '2026-12-15')],
    });
    expect(told(input(half, configOf({ premake: 1 }), '2026-11-29'))).toEqual([
      'critical missing-next',
      'info off-grid',
    ]);
  });

  test('is told beside missing-current, each once', () => {
    const old = tableOf({ partitions: months('2026-09-01', '2026-11-01') });
    expect(told(input(old, configOf({ premake: 1 }), '2026-11-29'))).toEqual([
      'critical missing-current',
      'critical missing-next',
    ]);
  });
});

describe('missing', () => {
  test('fewer partitions ahead than premake less one', () => {
    const until = (end: string) => tableOf({ partitions: months('2026-09-01', end) });
    expect(told(input(until('2027-02-01'), configOf({ premake: 3 })))).toEqual([]);
    const finding = only(input(until('2027-01-01'), configOf({ premake: 3 })), 'missing');
    expect(finding.severity).toBe('warning');
    expect(finding.message).toBe(
      '1 partition of logs.events is missing: 1 of the coming months; the first begins 2027-01-01T00:00:00Z.',
    );
    expect(finding.facts).toEqual({ missing: 1, ahead: 1, holes: 0, first: '2027-01-01T00:00:00Z' });
  });

  test('a hole in the midst', () => {
    const hole = tableOf({
      partitions: [...months('2026-01-01', '2026-03-01'), ...months('2026-05-01', '2027-03-01')],
    });
    const finding = only(input(hole), 'missing');
    expect(finding.message).toContain(
      '2 partitions of logs.events are missing: 2 in the midst of existing ones',
    );
    expect(finding.facts).toEqual({ missing: 2, ahead: 0, holes: 2, first: '2026-03-01T00:00:00Z' });
  });

  test('a hole that retention has let go is none', () => {
    const hole = tableOf({
      partitions: [...months('2026-01-01', '2026-03-01'), ...months('2026-07-01', '2027-03-01')],
    });
    expect(told(input(hole, configOf({ retention: { months: 4 } })))).toEqual(['warning expired']);
  });

  test('a hole in the interval that the cutoff lies in, but wholly before it, is none either', () => {
    const hole = tableOf({
      partitions: [
        partition('2026-08-01', '2026-08-10'),
        partition('2026-08-15', '2026-09-01'),
        ...months('2026-09-01', '2027-03-01'),
      ],
    });
    // 90 days before are 24 August.
    expect(told(input(hole, configOf({ retention: { days: 90 } })))).toEqual(['info off-grid']);
    expect(told(input(hole, configOf({ retention: { days: 110 } })))).toEqual([
      'warning missing',
      'info off-grid',
    ]);
  });

  test('a stretch later in the current interval', () => {
    const early = tableOf({
      partitions: [
        ...months('2026-09-01', '2026-11-01'),
        partition('2026-11-01', '2026-11-25'),
        ...months('2026-12-01', '2027-03-01'),
      ],
    });
    expect(told(input(early))).toEqual(['warning missing', 'info off-grid']);
    expect(only(input(early), 'missing').facts).toEqual({
      missing: 1,
      ahead: 1,
      holes: 0,
      first: '2026-11-25T00:00:00Z',
    });
  });

  test('a thousand and more are not counted to the end', () => {
    const config = configOf({ interval: 'hour', premake: 2 });
    const old = tableOf({
      partitions: [
        partition('1970-01-01', '1970-01-01T01:00Z'),
        ...gridPartitions(config, NOW, '2026-11-22T16:00Z'),
      ],
    });
    expect(only(input(old, config), 'missing').message).toContain('more than 1000 partitions');
  });
});

describe('the first of the month at 01:00, an hour before the monthly create', () => {
  test.each([
    ['month', 3],
    ['month', 2],
    ['quarter', 2],
    ['quarter', 1],
    ['year', 1],
  ] as const)('nobody is warned: by %s, premake %i, for years', (interval, premake) => {
    const config = configOf({ interval, premake, retention: { years: 2 } });
    let table = tableOf();
    let month = Temporal.ZonedDateTime.from('2020-01-01T02:00[UTC]');
    for (let count = 0; count < 100; count++) {
      table = afterCreate(table, planCreate(table, config, { now: month.toInstant() }));
      month = month.add({ months: 1 });
      const now = month.subtract({ hours: 1 }).toInstant().toString();
      const warned = told(input(table, config, now)).filter(
        (line) => !line.startsWith('info') && !line.endsWith('expired') && !line.endsWith('too-few'),
      );
      expect(warned, now).toEqual([]);
    }
  });

  test('nor at any other time of the month, in any zone, with any key', () => {
    fc.assert(
      fc.property(
        anyZone,
        fc.constantFrom(...KEY_TYPES),
        fc.constantFrom('month', 'quarter', 'year'),
        fc.integer({ min: 2, max: 4 }),
        pointBetween('2015-01-01', '2040-01-01'),
        fc.array(fc.nat(999), { minLength: 3, maxLength: 6 }),
        (timeZone, keyType, interval, premake, at, moments) => {
          const config = configOf({ interval, premake, timeZone });
          const start = toInstant(at).toZonedDateTimeISO('UTC').with({ day: 1, hour: 2, minute: 0 });
          let table = tableOf({ keyType });
          // The run of one month, and that of the next: until then nobody is to be bothered. Not at the moment of
          // that run itself: where clocks went forward meanwhile, two months may have begun in between by the wall.
          table = afterCreate(table, planCreate(table, config, { now: start.toInstant() }));
          const end = start.add({ months: 1 }).toInstant();
          const stretch = Number(end.epochMilliseconds - start.epochMilliseconds);
          for (const moment of [...moments, 0, 999]) {
            const now = start.toInstant().add({ milliseconds: Math.floor((stretch / 1000) * moment) });
            const found = findingsOf({ table, config, now, serverClock: now, localClock: now });
            expect(found.map(({ message }) => message)).toEqual([]);
          }
        },
      ),
      { numRuns: 1200 },
    );
  });
});

describe('expired', () => {
  const config = configOf({ retention: { days: 90 } });

  test('only past overdueAfter on top of retention', () => {
    // January ends on 1 February; 190 days later it is 10 August.
    const table = tableOf({ partitions: months('2026-01-01', '2026-12-01') });
    expect(told(input(table, config, '2026-08-09T23:59:59Z'))).toEqual([]);
    expect(told(input(table, config, '2026-08-10T00:00:00Z'))).toEqual(['warning expired']);
    const finding = only(input(table, config, '2026-08-10T00:00:00Z'), 'expired');
    expect(finding.message).toBe(
      '1 partition of logs.events is past the retention of 90 days by more than 100 days; the oldest ends 2026-02-01T00:00:00Z.',
    );
    expect(finding.facts).toEqual({ expired: 1, oldest: 'logs.events_2026_01' });
    expect(finding.remedy).toContain('cleanup --table logs.events');
  });

  test('with another overdueAfter', () => {
    const table = tableOf({ partitions: months('2026-01-01', '2026-12-01') });
    const strict = { ...config, overdueAfter: { days: 1 } };
    expect(told(input(table, strict, '2026-05-03T00:00:00Z'))).toEqual(['warning expired']);
  });

  test('a quarterly cleanup is never late enough to be warned of', () => {
    const table = tableOf({ partitions: months('2026-01-01', '2027-06-01') });
    // February ends the day after the run of 1 January would have needed it; the next run is on 1 April and so on.
    for (const day of ['2026-05-31', '2026-06-30', '2026-07-01'])
      expect(told(input(table, config, day))).toEqual([]);
  });

  test('never without retention, and never the last partition', () => {
    const ancient = tableOf({ partitions: months('2000-01-01', '2000-03-01') });
    expect(told(input(ancient)).filter((line) => line.endsWith('expired'))).toEqual([]);
    expect(only(input(ancient, config), 'expired').facts['expired']).toBe(1);
  });
});

describe('detached tables', () => {
  const config = configOf({ retention: { days: 90 }, grace: { days: 7 } });
  const table = sick({
    detached: [detachedTable('2026-05-01', '2026-06-01', '2026-11-10T02:00:00Z', { name: 'may', bytes: 7 })],
  });

  test('are stranded once their grace is over', () => {
    expect(told(input(table, config, '2026-11-17T01:59:59Z'))).toEqual([]);
    expect(told(input(table, config, '2026-11-17T02:00:00Z'))).toEqual(['warning stranded']);
    expect(only(input(table, config), 'stranded')).toMatchObject({
      partition: 'logs.may',
      facts: { detachedAt: '2026-11-10T02:00:00Z', bytes: 7 },
    });
    expect(only(input(table, config), 'stranded').remedy).toContain('cleanup --table logs.events');
  });

  test('that are perhaps another table’s are told of then, with all that helps to decide', () => {
    const marker = markerOf({
      parentOid: 77,
      bounds: "FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')",
      comment: "Anna's",
    });
    const doubtful = (fields: object = {}) =>
      sick({
        doubtful: [
          detachedTable('2026-05-01', '2026-06-01', '', { name: 'may', bytes: 7, marker, ...fields }),
        ],
      });
    const due = '2026-11-08T02:00:00Z';
    expect(told(input(doubtful(), config, '2026-11-08T01:59:59Z'))).toEqual([]);
    expect(told(input(doubtful(), config, due))).toEqual(['warning stranded']);
    expect(told(input(doubtful(), configOf({ retention: { days: 300 } }), due))).toEqual([]);
    expect(only(input(doubtful(), config), 'stranded')).toMatchObject({
      partition: 'logs.may',
      facts: { detachedAt: '2026-11-01T02:00:00Z', bytes: 7, parent: 'logs.events', parentOid: 77 },
      remedy: `If its rows, ${marker.bounds}, are no longer wanted: DROP TABLE logs.may; to keep it, give it back its own comment: COMMENT ON TABLE logs.may IS 'Anna''s';`,
    });
    expect(only(input(doubtful({ kind: 'foreign' }), config), 'stranded').remedy).toContain(
      'DROP FOREIGN TABLE logs.may;',
    );
  });

  test('are meant to stay where expired partitions are only detached', () => {
    expect(told(input(table, configOf({ retention: { days: 90 }, expired: 'detach' })))).toEqual([]);
  });
});

describe('detach-pending', () => {
  const pending = (fields: Parameters<typeof partition>[2]) =>
    tableOf({
      partitions: [
        partition('2026-08-01', '2026-09-01', { name: 'aug', detachPending: true, ...fields }),
        ...healthy,
      ],
    });

  test('of ours: cleanup finishes it', () => {
    const finding = only(
      input(pending({ marker: markerOf() }), configOf({ retention: { days: 30 } })),
      'detach-pending',
    );
    expect(finding).toMatchObject({ severity: 'warning', partition: 'logs.aug', facts: { ours: true } });
    expect(finding.remedy).toContain('cleanup --table logs.events');
  });

  test.each([
    ['without a marker', null],
    ['with the marker of another parent', markerOf({ parentOid: 4711 })],
  ])('of somebody else, %s: the statement that does', (_name, marker) => {
    const finding = only(input(pending({ marker })), 'detach-pending');
    expect(finding.facts).toEqual({ ours: false });
    expect(finding.remedy).toBe('ALTER TABLE logs.events DETACH PARTITION logs.aug FINALIZE;');
  });
});

describe('default-rows', () => {
  test('rows that had no partition to go to', () => {
    const table = sick({ defaultPartition: defaultPartition({ rows: 3 }) });
    expect(told(input(table))).toEqual(['warning default-rows']);
    expect(only(input(table), 'default-rows')).toMatchObject({
      partition: 'logs.events_default',
      facts: { rows: 3 },
    });
  });

  test.each([
    ['none', 0],
    ['nobody knows', null],
  ])('%s: nothing to tell', (_name, rows) => {
    expect(told(input(sick({ defaultPartition: defaultPartition({ rows }) })))).toEqual([]);
  });

  const withKeys = (oldest: string, newest: string) =>
    sick({
      defaultPartition: defaultPartition({ rows: 2, keys: { oldest: point(oldest), newest: point(newest) } }),
    });

  test('that a plain create moves need no more than that', () => {
    const table = withKeys('2026-11-02', '2027-02-28');
    expect(only(input(table), 'default-rows').remedy).not.toContain('--from');
  });

  test.each([
    ['older than the oldest partition', '2026-08-31T23:59:59.999999Z', '2026-12-01'],
    ['just beyond the look-ahead', '2026-12-01', '2027-03-01'],
  ])('%s: a stretch is named', (_name, oldest, newest) => {
    expect(only(input(withKeys(oldest, newest)), 'default-rows').remedy).toContain('--from');
  });

  test.each([
    ['-infinity', '2026-11-22', 'from -infinity to 2026-11-22'],
    ['2026-11-22', 'infinity', 'from 2026-11-22 to infinity'],
    ['-infinity', 'infinity', 'from -infinity to infinity'],
  ])('%s to %s: no partition can be made for them', (oldest, newest, span) => {
    const { message, remedy } = only(input(withKeys(oldest, newest)), 'default-rows');
    expect(message).toContain(span);
    expect(remedy).toContain('Correct or DELETE the rows dated infinity');
    expect(remedy).not.toContain('--from');
  });

  test('rows past retention are to be deleted: no partition is made for them', () => {
    const table = withKeys('2020-01-01', '2020-02-01');
    const retained = (years: number) =>
      only(input(table, configOf({ retention: { years } })), 'default-rows').remedy;
    expect(retained(1)).toContain('DELETE them');
    expect(retained(1)).not.toContain('--from');
    expect(retained(9)).toContain('--from 2020-01-01 --to 2020-03-01 ');
  });

  test.each([
    ['2024-03-05', '2024-03-06', 'month'],
    ['2024-03-05', '2026-11-06', 'month'],
    ['2026-11-22', '2031-12-31T23:59:59.999999Z', 'month'],
    ['2026-11-22', '2027-05-31T23:59:59.999999Z', 'day'],
    ['2026-11-20T13:30Z', '2026-11-20T13:45Z', 'hour'],
    ['2026-11-20T23:30Z', '2026-11-20T23:45Z', 'hour'],
  ] as const)(
    'from %s to %s by %s: the command creates partitions for all of them',
    (oldest, newest, interval) => {
      for (const timeZone of ['UTC', 'Europe/Berlin', 'America/Los_Angeles', 'Pacific/Kiritimati']) {
        const config = configOf({ interval, timeZone, premake: 2 });
        const table = tableOf({
          partitions: gridPartitions(config, '2026-11-22', '2026-11-24'),
          defaultPartition: defaultPartition({
            rows: 2,
            keys: { oldest: point(oldest), newest: point(newest) },
          }),
        });
        const { remedy } = only(input(table, config), 'default-rows');
        const option = (name: string) => {
          const text = new RegExp(`--${name} (\\S+)`).exec(remedy)?.[1];
          return text === undefined ? undefined : instant(text);
        };
        const stretch = { from: option('from'), to: option('to') };
        const { steps } = planCreate(table, config, { now: instant(NOW), approve: true, ...stretch });
        for (const key of [point(oldest), point(newest)]) {
          const place = [...table.partitions, ...steps].find(({ range }) => contains(range, key));
          expect(place, `${timeZone}: ${remedy}`).toBeDefined();
        }
      }
    },
  );
});

describe('structure', () => {
  test('off-grid: kept as they are', () => {
    const table = tableOf({
      partitions: [
        partition('2026-07-01', '2026-08-15', { name: 'odd' }),
        partition('2026-08-15', '2026-09-01', { name: 'rest' }),
        ...healthy,
      ],
    });
    expect(told(input(table))).toEqual(['info off-grid']);
    expect(only(input(table), 'off-grid').facts).toEqual({ count: 2, partitions: ['logs.odd', 'logs.rest'] });
  });

  test('off-grid: all of another zone', () => {
    const config = configOf({ timeZone: 'America/New_York' });
    expect(only(input(tableOf({ partitions: healthy }), config), 'off-grid').facts['count']).toBe(6);
  });

  test('unmanaged: open ends, foreign tables, partitioned partitions, unreadable bounds', () => {
    const table = tableOf({
      partitions: [
        partition('MINVALUE', '2026-07-01', { name: 'first' }),
        partition('2026-07-01', '2026-08-01', { name: 'far', kind: 'foreign' }),
        partition('2026-08-01', '2026-09-01', { name: 'parts', kind: 'partitioned' }),
        ...healthy,
        partition('2027-03-01', 'MAXVALUE', { name: 'last' }),
      ],
      unreadable: [{ oid: 5, schema: 'logs', name: 'strange', boundsText: 'FOR VALUES IN (1)' }],
    });
    expect(told(input(table))).toEqual(['info unmanaged']);
    expect(only(input(table), 'unmanaged').facts).toEqual({
      count: 5,
      partitions: ['logs.first', 'logs.far', 'logs.parts', 'logs.last', 'logs.strange'],
    });
  });

  test('overlong-name: one that fills the 63 bytes', () => {
    const name = (bytes: number) => [
      partition('2026-08-01', '2026-09-01', { name: 'ä'.repeat(bytes / 2) + 'x'.repeat(bytes % 2) }),
      ...healthy,
    ];
    expect(told(input(tableOf({ partitions: name(62) })))).toEqual([]);
    expect(told(input(tableOf({ partitions: name(63) })))).toEqual(['info overlong-name']);
  });

  test('index-missing and index-invalid, also of the default partition', () => {
    const indexes = { missingIndexes: ['events_id'], invalidIndexes: ['aug_id'] };
    const table = tableOf({
      partitions: [partition('2026-08-01', '2026-09-01', { name: 'aug', ...indexes }), ...healthy],
      defaultPartition: defaultPartition({ missingIndexes: ['events_id'] }),
    });
    expect(told(input(table))).toEqual([
      'warning index-missing',
      'warning index-invalid',
      'warning index-missing',
    ]);
    const [missing, invalid, ofDefault] = findingsOf(input(table));
    expect(missing).toMatchObject({ partition: 'logs.aug', facts: { index: 'events_id' } });
    expect(invalid?.remedy).toBe('npx partition-keeper reindex logs.events --invalid');
    expect(ofDefault?.partition).toBe('logs.events_default');
  });

  test('oversized: above 50 GiB, with the next smaller interval', () => {
    const big = (bytes: number) =>
      sick({ partitions: [partition('2026-08-01', '2026-09-01', { name: 'aug', bytes }), ...healthy] });
    expect(told(input(big(50 * 2 ** 30)))).toEqual([]);
    expect(told(input(big(50 * 2 ** 30 + 1)))).toEqual(['info oversized']);
    const finding = only(input(big(80 * 2 ** 30)), 'oversized');
    expect(finding.remedy).toContain("interval: 'week'");
    expect(finding.message).toContain('80 GiB');
    expect(finding.partition).toBe('logs.aug');
  });

  test('oversized: there is no smaller interval than an hour', () => {
    const config = configOf({ interval: 'hour', premake: 1 });
    const [current, ...others] = gridPartitions(config, NOW, '2026-11-22T15:00Z');
    const table = tableOf({ partitions: current ? [{ ...current, bytes: 2 ** 40 }, ...others] : [] });
    expect(only(input(table, config), 'oversized').remedy).not.toContain("interval: 'hour'");
  });

  test('too-many: above a thousand', () => {
    const config = configOf({ interval: 'day', premake: 1 });
    const days = (from: string) => tableOf({ partitions: gridPartitions(config, from, '2026-11-24') });
    expect(told(input(days('2024-02-28'), config))).toEqual([]);
    expect(told(input(days('2024-02-27'), config))).toEqual(['warning too-many']);
  });

  test('too-few: none or one', () => {
    expect(told(input(tableOf()))).toEqual([
      'critical missing-current',
      'warning missing',
      'warning too-few',
    ]);
    const one = tableOf({ partitions: months('2026-11-01', '2026-12-01') });
    expect(told(input(one, configOf({ premake: 1 })))).toEqual(['warning too-few']);
  });
});

describe('surroundings', () => {
  test.each([
    ['2026-11-22T13:00:00Z', []],
    ['2026-11-22T13:00:01Z', ['warning clock-skew']],
    ['2026-11-22T10:59:59Z', ['warning clock-skew']],
  ])('clock-skew: this clock at 12:00, that of the server at %s', (server, expected) => {
    expect(
      told(input(tableOf({ partitions: healthy }), configOf(), NOW, { serverClock: instant(server) })),
    ).toEqual(expected);
  });

  test('permission: to manage the table, and to create in its schema', () => {
    expect(told(input(sick({ mayManage: false, mayCreate: false })))).toEqual(['critical permission']);
    expect(only(input(sick({ mayManage: false, owner: 'The Owner' })), 'permission').remedy).toContain(
      'GRANT "The Owner" TO',
    );
    expect(only(input(sick({ mayCreate: false })), 'permission').remedy).toBe(
      'GRANT USAGE, CREATE ON SCHEMA logs TO owner;',
    );
  });

  test('permission: partitions that belong to another role are told before retention has to remove them', () => {
    const table = sick({});
    const partitions = table.partitions.map((partition) => ({ ...partition, strangeOwner: 'The Other' }));
    const { remedy, facts } = only(
      input({ ...table, partitions }, configOf({ retention: { years: 7 } })),
      'permission',
    );
    expect(remedy).toContain(`ALTER TABLE logs.${partitions[0]?.name} OWNER TO owner;`);
    expect(facts['owners']).toEqual(['The Other']);
    expect(facts['partitions']).toHaveLength(partitions.length);
    expect(told(input({ ...table, partitions }))).toEqual([]);
  });

  test('foreign-key: without an index', () => {
    const key = {
      name: 'events_user',
      referenced: { oid: 1, schema: 'auth', name: 'users' },
      indexed: false,
      lockable: true,
    };
    expect(told(input(sick({ foreignKeys: [{ ...key, indexed: true }] })))).toEqual([]);
    const table = sick({ foreignKeys: [key, { ...key, name: 'events_by' }] });
    expect(told(input(table))).toEqual(['info foreign-key']);
    expect(only(input(table), 'foreign-key').facts).toEqual({ foreignKeys: ['events_user', 'events_by'] });
    expect(only(input(table), 'foreign-key').message).toContain('deleting a row of auth.users scans');
  });

  test('referenced: what retention would remove', () => {
    const table = tableOf({
      partitions: [
        partition('2026-08-01', '2026-09-01', { name: 'aug', referencedBy: ['logs.details'] }),
        ...healthy,
      ],
    });
    expect(told(input(table))).toEqual([]);
    expect(told(input(table, configOf({ retention: { days: 30 } })))).toEqual(['warning referenced']);
    // However long ago: a cleanup would not remove it, so it is not told to be overdue as well.
    const strict = configOf({ retention: { days: 60 }, overdueAfter: { days: 1 } });
    expect(told(input(table, strict))).toEqual(['warning referenced']);
    expect(gaugesOf(input(table, strict)).expired).toBe(0);
  });
});

test('the worst is told first', () => {
  const severities = ['critical', 'warning', 'info'];
  fc.assert(
    fc.property(anySituation, ({ table, config, now }) => {
      const order = findingsOf({ table, config, now, serverClock: now, localClock: now }).map(
        ({ severity }) => severities.indexOf(severity),
      );
      expect(order).toEqual(order.toSorted());
    }),
    { numRuns: 1200 },
  );
});

describe('gauges', () => {
  test('of a healthy table', () => {
    const table = tableOf({
      partitions: [
        ...months('2026-09-01', '2026-11-01'),
        partition('2026-11-01', '2026-12-01', { name: 'big', bytes: 100_000 }),
        ...months('2026-12-01', '2027-03-01'),
      ],
      defaultPartition: defaultPartition({ bytes: 5, rows: 0 }),
    });
    expect(gaugesOf(input(table))).toEqual({
      partitions: 6,
      // From 22 November, noon, to 1 March.
      runwayDays: 98.5,
      missing: 0,
      expired: 0,
      defaultRows: 0,
      detachPending: 0,
      totalBytes: 5 * 8192 + 100_000 + 5,
      largestPartition: 'logs.big',
      largestBytes: 100_000,
    });
  });

  test('of an empty one', () => {
    expect(gaugesOf(input(tableOf()))).toEqual({
      partitions: 0,
      runwayDays: 0,
      missing: 3,
      expired: 0,
      defaultRows: 0,
      detachPending: 0,
      totalBytes: 0,
      largestPartition: null,
      largestBytes: 0,
    });
  });

  test('the runway ends at the first hole, and at an unfinished detach', () => {
    const hole = tableOf({
      partitions: [...months('2026-11-01', '2026-12-01'), ...months('2027-01-01', '2027-03-01')],
    });
    expect(gaugesOf(input(hole)).runwayDays).toBe(8.5);
    const pending = tableOf({
      partitions: healthy.map((each) =>
        each.range.from === point('2026-12-01') ? { ...each, detachPending: true } : each,
      ),
    });
    expect(gaugesOf(input(pending))).toMatchObject({ runwayDays: 8.5, detachPending: 1 });
  });

  test('the runway of an open end is finite', () => {
    const open = tableOf({ partitions: [partition('MINVALUE', 'MAXVALUE')] });
    expect(gaugesOf(input(open)).runwayDays).toBeGreaterThan(365);
    expect(Number.isFinite(gaugesOf(input(open)).runwayDays)).toBe(true);
  });

  test('the next interval is missing only once it is due', () => {
    const until = tableOf({ partitions: months('2026-09-01', '2026-12-01') });
    const config = configOf({ premake: 1 });
    expect(gaugesOf(input(until, config, '2026-11-23')).missing).toBe(0);
    expect(gaugesOf(input(until, config, '2026-11-24')).missing).toBe(1);
  });

  test('rows that nobody could count are unknown, not none', () => {
    expect(
      gaugesOf(input(sick({ defaultPartition: defaultPartition({ rows: null }) }))).defaultRows,
    ).toBeNull();
    expect(gaugesOf(input(sick({ defaultPartition: defaultPartition({ rows: 7 }) }))).defaultRows).toBe(7);
  });

  test('agree with the findings, and the runway with the partitions', () => {
    fc.assert(
      fc.property(anySituation, ({ table, config, now }) => {
        const checked = { table, config, now, serverClock: now, localClock: now };
        const gauges = gaugesOf(checked);
        const found = findingsOf(checked);
        const has = (name: string) => found.some(({ finding }) => finding === name);
        const missing = found.some(({ finding }) => finding.startsWith('missing'));
        // Now may lie in a hole that retention lets go at once; whoever lacks it is told all the same.
        if (gauges.missing > 0) expect(missing).toBe(true);
        if (has('missing') || has('missing-next')) expect(gauges.missing).toBeGreaterThan(0);
        expect(gauges.expired > 0).toBe(has('expired'));
        if (has('missing-current')) expect(gauges.runwayDays).toBe(0);
        expect(gauges.detachPending).toBe(found.filter(({ finding }) => finding === 'detach-pending').length);

        const calendar = calendarOf(config.interval, gridZone(table.keyType, config.timeZone));
        const current = calendar.containing(pointAt(table.keyType, config.timeZone, now));
        const nowPoint = pointAt(table.keyType, config.timeZone, now);
        expect(contains(current, nowPoint)).toBe(true);
        const usable = table.partitions.filter(({ detachPending }) => !detachPending);
        expect(has('missing-current')).toBe(!usable.some(({ range }) => contains(range, nowPoint)));
      }),
      { numRuns: 3000 },
    );
  });
});
