import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { calendarOf, type Interval, toPoint } from '../../../lib/partition/calendar.ts';
import {
  byteLength,
  MAX_NAME_BYTES,
  nameExcess,
  partitionName,
  suffixOf,
} from '../../../lib/partition/names.ts';
import { anyInterval, pointBetween } from '../support/arbitraries.ts';

const label = (text: string): Temporal.PlainDateTime => Temporal.PlainDateTime.from(text);

describe('suffixes', () => {
  const cases: readonly (readonly [Interval, string, string])[] = [
    ['year', '2026-01-01', '2026'],
    ['year', '0987-01-01', '0987'],
    ['quarter', '2026-01-01', '2026_q1'],
    ['quarter', '2026-04-01', '2026_q2'],
    ['quarter', '2026-07-01', '2026_q3'],
    ['quarter', '2026-10-01', '2026_q4'],
    ['month', '2026-11-01', '2026_11'],
    ['month', '2026-01-01', '2026_01'],
    ['week', '2026-11-16', '2026_w47'],
    ['week', '2020-12-28', '2020_w53'],
    ['week', '2024-12-30', '2025_w01'],
    ['week', '2026-12-28', '2026_w53'],
    ['day', '2026-11-22', '2026_11_22'],
    ['day', '2026-02-03', '2026_02_03'],
    ['hour', '2026-11-22T13:00', '2026_11_22_13'],
    ['hour', '2026-01-02T00:00', '2026_01_02_00'],
  ];
  test.each(cases)('%s that begins %s: %s', (interval, start, expected) => {
    expect(suffixOf(interval, label(start))).toBe(expected);
    expect(partitionName('audit_logs', interval, label(start))).toBe(`audit_logs_${expected}`);
  });

  test('sort like the intervals they name', () => {
    fc.assert(
      fc.property(
        anyInterval,
        pointBetween('1000-01-01', '9900-01-01'),
        fc.integer({ min: 1, max: 50 }),
        (interval, at, steps) => {
          const calendar = calendarOf(interval, 'UTC');
          const first = calendar.containing(at);
          let later = first;
          for (let step = 0; step < steps; step++) later = calendar.after(later);
          expect(suffixOf(interval, first.label) < suffixOf(interval, later.label)).toBe(true);
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe('the limit of 63 bytes', () => {
  test.each([
    ['year', 58],
    ['quarter', 55],
    ['month', 55],
    ['week', 54],
    ['day', 52],
    ['hour', 49],
  ] as const)('for a partition by %s, names of up to %i bytes fit', (interval, longest) => {
    expect(nameExcess('x'.repeat(longest), interval)).toBe(0);
    expect(nameExcess('x'.repeat(longest + 1), interval)).toBe(1);
    expect(nameExcess('x'.repeat(longest + 7), interval)).toBe(7);
  });

  test('counts bytes, not characters', () => {
    expect(byteLength('größe')).toBe(7);
    expect(byteLength('日本')).toBe(6);
    expect(byteLength('🐘')).toBe(4);
    expect(nameExcess('ü'.repeat(27), 'month')).toBe(0);
    expect(nameExcess('ü'.repeat(28), 'month')).toBe(1);
    expect(nameExcess('🐘'.repeat(14), 'year')).toBe(0);
    expect(nameExcess('🐘'.repeat(15), 'year')).toBe(2);
  });

  test('is kept by every name of a table that has no excess, and broken by one that has', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        anyInterval,
        pointBetween('1000-01-01', '9999-12-31'),
        (table, interval, at) => {
          const name = partitionName(table, interval, calendarOf(interval, 'UTC').containing(at).label);
          const over = Math.max(0, byteLength(name) - MAX_NAME_BYTES);
          expect(nameExcess(table, interval)).toBe(over);
        },
      ),
      { numRuns: 10000 },
    );
  });
});

test('the longest suffix of each interval occurs', () => {
  const last = toPoint(Temporal.Instant.from('9999-12-31T23:30Z'));
  expect(
    (['year', 'quarter', 'month', 'day', 'hour'] as const).map((interval) =>
      suffixOf(interval, calendarOf(interval, 'UTC').containing(last).label),
    ),
  ).toEqual(['9999', '9999_q4', '9999_12', '9999_12_31', '9999_12_31_23']);
});
