import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import {
  type Calendar,
  calendarOf,
  type GridInterval,
  INTERVALS,
  type Interval,
  toInstant,
  toPoint,
} from '../../../lib/partition/calendar.ts';
import { partitionName, suffixOf } from '../../../lib/partition/names.ts';
import type { Point } from '../../../lib/partition/range.ts';
import { anyInterval, anyZone, ZONES, zonedPoint } from '../support/arbitraries.ts';
import { HOUR, instant, point, rangeText } from '../support/points.ts';

const wallClock = (zone: string, at: Point): Temporal.PlainDateTime =>
  toInstant(at).toZonedDateTimeISO(zone).toPlainDateTime();

/** What people call the interval that a wall-clock time lies in; written without the help of the calendar. */
function spokenName(interval: Interval, wall: Temporal.PlainDateTime): string {
  const [date = '', time = ''] = wall.toString().split('T');
  const [year = '', month = '', day = ''] = date.split('-');
  switch (interval) {
    case 'hour':
      return `${year}_${month}_${day}_${time.slice(0, 2)}`;
    case 'day':
      return `${year}_${month}_${day}`;
    case 'week':
      return `${wall.yearOfWeek}_w${String(wall.weekOfYear).padStart(2, '0')}`;
    case 'month':
      return `${year}_${month}`;
    case 'quarter':
      return `${year}_q${Math.ceil(Number(month) / 3)}`;
    case 'year':
      return year;
  }
}

const same = (a: GridInterval, b: GridInterval): boolean =>
  a.from === b.from && a.to === b.to && a.label.equals(b.label);

/** Everything the grid promises about one moment. */
function checkAround(calendar: Calendar, interval: Interval, zone: string, at: Point): void {
  const found = calendar.containing(at);
  const next = calendar.after(found);
  const context = `${interval} ${zone} ${toInstant(at)}`;
  expect(found.from <= at && at < found.to, `${context}: contains the moment`).toBe(true);
  expect(same(calendar.containing(found.from), found), `${context}: its first moment`).toBe(true);
  expect(same(calendar.containing(found.to - 1n), found), `${context}: its last moment`).toBe(true);
  expect(next.from, `${context}: the next follows at once`).toBe(found.to);
  expect(next.to > next.from, `${context}: the next is not empty`).toBe(true);
  expect(same(calendar.containing(found.to), next), `${context}: the moment after it`).toBe(true);
  expect(Temporal.PlainDateTime.compare(found.label, next.label), `${context}: labels ascend`).toBe(-1);
  expect(suffixOf(interval, found.label), `${context}: named by the clock`).toBe(
    spokenName(interval, wallClock(zone, found.from)),
  );
}

const run = (interval: Interval, zone: string, from: string, count: number): GridInterval[] => {
  const calendar = calendarOf(interval, zone);
  const intervals = [calendar.containing(point(from))];
  while (intervals.length < count) {
    const last = intervals.at(-1);
    if (last !== undefined) intervals.push(calendar.after(last));
  }
  return intervals;
};

/** `2026_11: 2026-10-31T23:00Z .. 2026-11-30T23:00Z` */
const written = (interval: Interval, zone: string, from: string, count = 1): string[] =>
  run(interval, zone, from, count).map((found) => `${suffixOf(interval, found.label)}: ${rangeText(found)}`);

describe('the grid, for any moment, zone and interval', () => {
  test('contains the moment, without gap or overlap, and is named after the clock on the wall', () => {
    fc.assert(
      fc.property(zonedPoint(anyZone), anyInterval, ({ zone, at }, interval) => {
        checkAround(calendarOf(interval, zone), interval, zone, at);
      }),
      { numRuns: 2500 },
    );
  });

  test('holds in every time zone there is', () => {
    const zones = Intl.supportedValuesOf('timeZone');
    expect(zones.length).toBeGreaterThan(300);
    // One moment for each zone and interval, a step apart that has nothing to do with years: all seasons occur.
    const start = point('1900-01-01T00:30Z');
    const stretch = point('2200-01-01') - start;
    let passed = 0n;
    for (const zone of zones) {
      for (const interval of INTERVALS) {
        checkAround(calendarOf(interval, zone), interval, zone, start + (passed % stretch));
        passed += 34_567_891_234_567n;
      }
    }
  });

  test.each([
    '-004712-01-01T00:00Z',
    '0001-01-01T00:00Z',
    '1582-10-10T12:00Z',
    '9999-12-31T23:59:59.999999Z',
  ])('holds at %s', (text) => {
    for (const zone of ZONES) {
      for (const interval of INTERVALS) {
        const calendar = calendarOf(interval, zone);
        const found = calendar.containing(point(text));
        expect(found.from <= point(text) && point(text) < found.to).toBe(true);
        expect(calendar.after(found).from).toBe(found.to);
      }
    }
  });

  test('names are unique and labels ascend in a long run', () => {
    fc.assert(
      fc.property(zonedPoint(anyZone), anyInterval, ({ zone, at }, interval) => {
        const calendar = calendarOf(interval, zone);
        const names = new Set<string>();
        let current = calendar.containing(at);
        for (let count = 1; count <= 120; count++) {
          names.add(partitionName('t', interval, current.label));
          expect(names.size).toBe(count);
          const next = calendar.after(current);
          expect(next.from).toBe(current.to);
          expect(Temporal.PlainDateTime.compare(current.label, next.label)).toBe(-1);
          current = next;
        }
      }),
      { numRuns: 120 },
    );
  });

  test('each moment lies in the interval that a walk from long before arrives at', () => {
    fc.assert(
      fc.property(zonedPoint(anyZone), anyInterval, fc.nat(60), ({ zone, at }, interval, back) => {
        const calendar = calendarOf(interval, zone);
        const target = calendar.containing(at);
        let current = calendar.containing(at - BigInt(back) * 5n * HOUR);
        while (current.to <= at) current = calendar.after(current);
        expect(same(current, target)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('months', () => {
  test('in UTC', () => {
    expect(written('month', 'UTC', '2026-11-22T12:00Z', 3)).toEqual([
      '2026_11: 2026-11-01 .. 2026-12-01',
      '2026_12: 2026-12-01 .. 2027-01-01',
      '2027_01: 2027-01-01 .. 2027-02-01',
    ]);
  });

  test('in Berlin, with summer time', () => {
    expect(written('month', 'Europe/Berlin', '2026-03-15T00:00Z', 2)).toEqual([
      '2026_03: 2026-02-28T23:00Z .. 2026-03-31T22:00Z',
      '2026_04: 2026-03-31T22:00Z .. 2026-04-30T22:00Z',
    ]);
    expect(written('month', 'Europe/Berlin', '2026-09-30T22:00Z', 2)).toEqual([
      '2026_10: 2026-09-30T22:00Z .. 2026-10-31T23:00Z',
      '2026_11: 2026-10-31T23:00Z .. 2026-11-30T23:00Z',
    ]);
  });

  test.each(['2028-01-29', '2028-01-30', '2028-01-31'])(
    'after %s comes February, with its leap day',
    (day) => {
      expect(written('month', 'UTC', day, 3)).toEqual([
        '2028_01: 2028-01-01 .. 2028-02-01',
        '2028_02: 2028-02-01 .. 2028-03-01',
        '2028_03: 2028-03-01 .. 2028-04-01',
      ]);
    },
  );

  test('1900 had no leap day, 2000 had one', () => {
    expect(written('day', 'UTC', '1900-02-28', 2)[1]).toBe('1900_03_01: 1900-03-01 .. 1900-03-02');
    expect(written('day', 'UTC', '2000-02-28', 2)[1]).toBe('2000_02_29: 2000-02-29 .. 2000-03-01');
  });

  test('clocks that go back from the 1st to the 31st make the old month no longer', () => {
    // 2009-11-01 00:01 became 2009-10-31 23:01.
    expect(written('month', 'America/St_Johns', '2009-10-20', 2)).toEqual([
      '2009_10: 2009-10-01T02:30Z .. 2009-11-01T02:30Z',
      '2009_11: 2009-11-01T02:30Z .. 2009-12-01T03:30Z',
    ]);
    expect(written('month', 'America/St_Johns', '2009-11-01T03:00Z')).toEqual([
      '2009_11: 2009-11-01T02:30Z .. 2009-12-01T03:30Z',
    ]);
  });
});

describe('quarters and years', () => {
  test.each([
    ['2026-01-01', '2026_q1: 2026-01-01 .. 2026-04-01'],
    ['2026-03-31T23:59:59.999999Z', '2026_q1: 2026-01-01 .. 2026-04-01'],
    ['2026-04-01', '2026_q2: 2026-04-01 .. 2026-07-01'],
    ['2026-08-15', '2026_q3: 2026-07-01 .. 2026-10-01'],
    ['2026-12-31T23:59:59Z', '2026_q4: 2026-10-01 .. 2027-01-01'],
  ])('%s lies in %s', (moment, expected) => {
    expect(written('quarter', 'UTC', moment)).toEqual([expected]);
  });

  test('years, in UTC and half a day away from it', () => {
    expect(written('year', 'UTC', '2027-12-31T23:59Z', 2)).toEqual([
      '2027: 2027-01-01 .. 2028-01-01',
      '2028: 2028-01-01 .. 2029-01-01',
    ]);
    expect(written('year', 'Pacific/Kiritimati', '2027-12-31T23:59Z')).toEqual([
      '2028: 2027-12-31T10:00Z .. 2028-12-31T10:00Z',
    ]);
  });
});

describe('ISO weeks', () => {
  test.each([
    ['2021-01-01', '2020_w53: 2020-12-28 .. 2021-01-04'],
    ['2021-01-04', '2021_w01: 2021-01-04 .. 2021-01-11'],
    ['2026-12-31', '2026_w53: 2026-12-28 .. 2027-01-04'],
    ['2027-01-03T23:59Z', '2026_w53: 2026-12-28 .. 2027-01-04'],
    ['2024-12-30', '2025_w01: 2024-12-30 .. 2025-01-06'],
    ['2026-11-22', '2026_w47: 2026-11-16 .. 2026-11-23'],
    ['2028-02-29', '2028_w09: 2028-02-28 .. 2028-03-06'],
  ])('%s lies in %s', (moment, expected) => {
    expect(written('week', 'UTC', moment)).toEqual([expected]);
  });

  test('begin on Monday by the clock of the zone', () => {
    expect(written('week', 'America/New_York', '2026-10-30', 2)).toEqual([
      '2026_w44: 2026-10-26T04:00Z .. 2026-11-02T05:00Z',
      '2026_w45: 2026-11-02T05:00Z .. 2026-11-09T05:00Z',
    ]);
  });
});

describe('days', () => {
  test('are 23 and 25 hours long when clocks change', () => {
    expect(written('day', 'America/New_York', '2026-03-08T12:00Z')).toEqual([
      '2026_03_08: 2026-03-08T05:00Z .. 2026-03-09T04:00Z',
    ]);
    expect(written('day', 'America/New_York', '2026-11-01T12:00Z')).toEqual([
      '2026_11_01: 2026-11-01T04:00Z .. 2026-11-02T05:00Z',
    ]);
  });

  test('Samoa had no 30 December 2011', () => {
    expect(written('day', 'Pacific/Apia', '2011-12-29T20:00Z', 2)).toEqual([
      '2011_12_29: 2011-12-29T10:00Z .. 2011-12-30T10:00Z',
      '2011_12_31: 2011-12-30T10:00Z .. 2011-12-31T10:00Z',
    ]);
  });

  test('begin at one where clocks skip midnight, and end after it where they repeat the hour before', () => {
    expect(written('day', 'America/Sao_Paulo', '2018-11-04T12:00Z')).toEqual([
      '2018_11_04: 2018-11-04T03:00Z .. 2018-11-05T02:00Z',
    ]);
    expect(written('day', 'America/Sao_Paulo', '2018-02-18T02:30Z')).toEqual([
      '2018_02_17: 2018-02-17T02:00Z .. 2018-02-18T03:00Z',
    ]);
  });

  test('end at the first midnight where clocks go back across it', () => {
    expect(written('day', 'America/St_Johns', '2010-11-06T12:00Z', 2)).toEqual([
      '2010_11_06: 2010-11-06T02:30Z .. 2010-11-07T02:30Z',
      '2010_11_07: 2010-11-07T02:30Z .. 2010-11-08T03:30Z',
    ]);
  });
});

describe('hours', () => {
  test('the repeated hour is one interval of two hours', () => {
    expect(written('hour', 'America/New_York', '2026-11-01T04:30Z', 3)).toEqual([
      '2026_11_01_00: 2026-11-01T04:00Z .. 2026-11-01T05:00Z',
      '2026_11_01_01: 2026-11-01T05:00Z .. 2026-11-01T07:00Z',
      '2026_11_01_02: 2026-11-01T07:00Z .. 2026-11-01T08:00Z',
    ]);
  });

  test('the skipped hour has no interval', () => {
    expect(written('hour', 'America/New_York', '2026-03-08T06:30Z', 2)).toEqual([
      '2026_03_08_01: 2026-03-08T06:00Z .. 2026-03-08T07:00Z',
      '2026_03_08_03: 2026-03-08T07:00Z .. 2026-03-08T08:00Z',
    ]);
  });

  test('half hours are skipped and repeated on Lord Howe Island', () => {
    expect(written('hour', 'Australia/Lord_Howe', '2026-04-04T14:30Z', 2)).toEqual([
      '2026_04_05_01: 2026-04-04T14:00Z .. 2026-04-04T15:30Z',
      '2026_04_05_02: 2026-04-04T15:30Z .. 2026-04-04T16:30Z',
    ]);
    expect(written('hour', 'Australia/Lord_Howe', '2026-10-03T15:00Z', 3)).toEqual([
      '2026_10_04_01: 2026-10-03T14:30Z .. 2026-10-03T15:30Z',
      '2026_10_04_02: 2026-10-03T15:30Z .. 2026-10-03T16:00Z',
      '2026_10_04_03: 2026-10-03T16:00Z .. 2026-10-03T17:00Z',
    ]);
  });

  test('begin at a quarter past in Kathmandu', () => {
    expect(written('hour', 'Asia/Kathmandu', '2026-11-22T12:20Z')).toEqual([
      '2026_11_22_18: 2026-11-22T12:15Z .. 2026-11-22T13:15Z',
    ]);
  });

  test('a change at one past midnight leaves an hour of one minute', () => {
    expect(written('hour', 'America/St_Johns', '2010-03-14T03:30Z', 2)).toEqual([
      '2010_03_14_00: 2010-03-14T03:30Z .. 2010-03-14T03:31Z',
      '2010_03_14_01: 2010-03-14T03:31Z .. 2010-03-14T04:30Z',
    ]);
  });
});

describe('points', () => {
  test('are rounded down to the microsecond, also before 1970', () => {
    expect(toPoint(instant('1970-01-01T00:00:00.000001999Z'))).toBe(1n);
    expect(toPoint(instant('1969-12-31T23:59:59.999999001Z'))).toBe(-1n);
    expect(toPoint(instant('1969-12-31T23:59:59.999998999Z'))).toBe(-2n);
  });

  test('and instants correspond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), (value) => {
        expect(toPoint(toInstant(value))).toBe(value);
      }),
    );
  });
});
