import { describe, expect, test } from 'vitest';
import { calendarOf } from '../../../lib/partition/calendar.ts';
import { suffixOf } from '../../../lib/partition/names.ts';
import { ahead, gapsIn, requiredWindow, scheduleOf } from '../../../lib/partition/schedule.ts';
import { instant, point, rangeText } from '../support/points.ts';
import { configOf, partition } from '../support/tables.ts';

const NOW = instant('2026-11-22T12:00Z');
const monthly = calendarOf('month', 'UTC');
const window = { from: point('2026-01-15'), to: point('2026-05-01') };

test('ahead counts intervals', () => {
  const current = monthly.containing(point('2026-11-22'));
  expect(ahead(monthly, current, 0)).toBe(current);
  expect(rangeText(ahead(monthly, current, 3))).toBe('2027-02-01 .. 2027-03-01');
});

describe('gaps', () => {
  const gaps = (...covered: readonly (readonly [string, string])[]): string[] =>
    [
      ...gapsIn(
        monthly,
        window,
        covered.map(([from, to]) => ({ from: point(from), to: point(to) })),
      ),
    ].map(({ interval, range }) => `${suffixOf('month', interval.label)}: ${rangeText(range)}`);

  test('of an empty table are the intervals, cut to the window', () => {
    expect(gaps()).toEqual([
      '2026_01: 2026-01-15 .. 2026-02-01',
      '2026_02: 2026-02-01 .. 2026-03-01',
      '2026_03: 2026-03-01 .. 2026-04-01',
      '2026_04: 2026-04-01 .. 2026-05-01',
    ]);
  });

  test('lie beside what is covered, whatever its order and however it overlaps', () => {
    expect(
      gaps(['2026-03-10', '2026-03-20'], ['2025-01-01', '2026-02-10'], ['2026-03-15', 'MAXVALUE']),
    ).toEqual(['2026_02: 2026-02-10 .. 2026-03-01', '2026_03: 2026-03-01 .. 2026-03-10']);
  });

  test('are none where all is covered', () => {
    expect(gaps(['MINVALUE', 'MAXVALUE'])).toEqual([]);
    expect(gaps(['2026-01-15', '2026-05-01'])).toEqual([]);
  });
});

describe('the window that must be covered', () => {
  const required = (
    fields: Parameters<typeof configOf>[0],
    ...ranges: readonly (readonly [string, string])[]
  ) => {
    const schedule = scheduleOf(configOf(fields), 'timestamptz', NOW);
    const partitions = ranges.map(([from, to]) => partition(from, to));
    return rangeText(requiredWindow(schedule, partitions, 3));
  };

  test.each<readonly [string, string, readonly (readonly [string, string])[]]>([
    ['a new table: from the current interval', '2026-11-01 .. 2027-03-01', []],
    [
      'from the oldest partition',
      '2026-01-10 .. 2027-03-01',
      [
        ['2026-05-01', '2026-06-01'],
        ['2026-01-10', '2026-02-01'],
      ],
    ],
    ['from the end of one without a beginning', '2026-02-01 .. 2027-03-01', [['MINVALUE', '2026-02-01']]],
    ['the same with -infinity', '2026-02-01 .. 2027-03-01', [['-infinity', '2026-02-01']]],
    ['partitions of the future only', '2026-11-01 .. 2027-03-01', [['2097-01-01', '2098-01-01']]],
    ['one partition for everything', '2026-11-01 .. 2027-03-01', [['MINVALUE', 'MAXVALUE']]],
  ])('%s', (_name, expected, ranges) => {
    expect(required({}, ...ranges)).toBe(expected);
  });

  test('reaches no further back than the interval the cutoff lies in', () => {
    const since2020 = ['2020-01-01', '2020-02-01'] as const;
    expect(required({ retention: { days: 90 } }, since2020)).toBe('2026-08-01 .. 2027-03-01');
    expect(required({ retention: { years: 9 } }, since2020)).toBe('2020-01-01 .. 2027-03-01');
    expect(required({ retention: { hours: 1 } }, since2020)).toBe('2026-11-01 .. 2027-03-01');
  });
});

describe('a schedule', () => {
  const schedule = scheduleOf(configOf({ retention: { days: 90 } }), 'timestamptz', NOW);

  test('knows the cutoff', () => {
    expect(schedule.cutoff?.toString()).toBe('2026-08-24T12:00:00Z');
    expect(scheduleOf(configOf(), 'timestamptz', NOW).cutoff).toBeNull();
  });

  test.each([
    ['2026-08-24T12:00Z', true],
    ['2026-08-24T12:00:00.000001Z', false],
    ['infinity', false],
    ['MAXVALUE', false],
    ['-infinity', false],
  ])('what ends at %s is expired: %s', (to, expected) => {
    expect(schedule.expired({ from: point('MINVALUE'), to: point(to) })).toBe(expected);
  });

  test('adds the slack on top of retention', () => {
    const range = { from: point('2026-01-01'), to: point('2026-08-01') };
    expect(schedule.expired(range)).toBe(true);
    expect(schedule.expired(range, { days: 23 })).toBe(true);
    expect(schedule.expired(range, { days: 24 })).toBe(false);
  });
});

test('the current interval is required even where an hour of retention reaches back across a change of two hours', () => {
  // At 01:00 of UTC on 25 October 2026 the clocks of Troll went back from 03:00 to 01:00: an hour ago it was 02:30.
  const config = configOf({ interval: 'hour', timeZone: 'Antarctica/Troll', retention: { hours: 1 } });
  const schedule = scheduleOf(config, 'timestamp', instant('2026-10-25T01:30Z'));
  expect(rangeText(requiredWindow(schedule, [], 1))).toBe('2026-10-25T01:00Z .. 2026-10-25T03:00Z');
});
