import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { toInstant } from '../../../lib/partition/calendar.ts';
import {
  type Span,
  after as spanAfter,
  before as spanBefore,
  spanText,
} from '../../../lib/partition/span.ts';
import { anyZone, zonedPoint } from '../support/arbitraries.ts';
import { instant } from '../support/points.ts';

const ago = (now: string, span: Span, zone = 'UTC'): string =>
  spanBefore(instant(now), span, zone).toString();

const anySpan: fc.Arbitrary<Span> = fc
  .record(
    {
      years: fc.integer({ min: 1, max: 30 }),
      months: fc.integer({ min: 1, max: 40 }),
      weeks: fc.integer({ min: 1, max: 60 }),
      days: fc.integer({ min: 1, max: 400 }),
      hours: fc.integer({ min: 1, max: 500 }),
    },
    { requiredKeys: [] },
  )
  .filter((span) => Object.keys(span).length > 0);

describe('before', () => {
  test.each<readonly [string, Span, string]>([
    ['2026-11-22T12:00Z', { years: 7 }, '2019-11-22T12:00:00Z'],
    ['2026-11-22T12:00Z', { days: 90 }, '2026-08-24T12:00:00Z'],
    ['2026-11-22T12:00Z', { weeks: 1, days: 1, hours: 13 }, '2026-11-13T23:00:00Z'],
    ['2026-03-31T02:00Z', { months: 1 }, '2026-02-28T02:00:00Z'],
    ['2028-03-31T02:00Z', { months: 1 }, '2028-02-29T02:00:00Z'],
    ['2026-05-31T02:00Z', { months: 3 }, '2026-02-28T02:00:00Z'],
    ['2028-02-29T02:00Z', { years: 1 }, '2027-02-28T02:00:00Z'],
    ['2028-02-29T02:00Z', { years: 4 }, '2024-02-29T02:00:00Z'],
    ['2026-01-31T02:00Z', { years: 1, months: 2 }, '2024-11-30T02:00:00Z'],
    ['2026-03-29T12:00:00.123456Z', { hours: 24 }, '2026-03-28T12:00:00.123456Z'],
  ])('%s less %j is %s', (now, span, expected) => {
    expect(ago(now, span)).toBe(expected);
  });

  test('counts calendar units by the clock of the zone, and hours exactly', () => {
    // The clocks of Berlin went forward on 29 March: yesterday noon is 23 hours ago.
    expect(ago('2026-03-29T10:00Z', { days: 1 }, 'Europe/Berlin')).toBe('2026-03-28T11:00:00Z');
    expect(ago('2026-03-29T10:00Z', { hours: 24 }, 'Europe/Berlin')).toBe('2026-03-28T10:00:00Z');
    // By the clock of Auckland it is 1 March already.
    expect(ago('2026-02-28T12:00Z', { months: 1 }, 'Pacific/Auckland')).toBe('2026-01-31T12:00:00Z');
    expect(ago('2026-02-28T12:00Z', { months: 1 }, 'UTC')).toBe('2026-01-28T12:00:00Z');
  });

  test('takes the earlier reading where the clock shows the result twice or never', () => {
    // 02:30 did not exist in Berlin on 29 March, and was there twice on 25 October.
    expect(ago('2026-03-30T00:30Z', { days: 1 }, 'Europe/Berlin')).toBe('2026-03-29T00:30:00Z');
    expect(ago('2026-10-26T01:30Z', { days: 1 }, 'Europe/Berlin')).toBe('2026-10-25T00:30:00Z');
  });

  test('in the repeated hour, a span of hours is counted from the moment it is, not from the one like it', () => {
    expect(ago('2026-10-25T01:30Z', { hours: 1 }, 'Europe/Berlin')).toBe('2026-10-25T00:30:00Z');
  });

  test('is never later than the exact calendar says, and earlier by no more than a change of the clocks', () => {
    fc.assert(
      fc.property(zonedPoint(anyZone), anySpan, ({ zone, at }, span) => {
        const now = toInstant(at);
        const cutoff = spanBefore(now, span, zone);
        const exact = now
          .toZonedDateTimeISO(zone)
          .subtract({ ...span, hours: 0 })
          .toInstant()
          .subtract({ hours: span.hours ?? 0 });
        expect(Temporal.Instant.compare(cutoff, exact)).toBeLessThanOrEqual(0);
        expect(cutoff.until(exact).total('hours')).toBeLessThanOrEqual(48);
        expect(Temporal.Instant.compare(cutoff, now)).toBe(-1);
      }),
      { numRuns: 30000 },
    );
  });

  test('more is kept the longer the span', () => {
    fc.assert(
      fc.property(
        zonedPoint(anyZone),
        fc.constantFrom<keyof Span>('years', 'months', 'weeks', 'days', 'hours'),
        fc.integer({ min: 1, max: 100 }),
        ({ zone, at }, unit, amount) => {
          const now = toInstant(at);
          const shorter = spanBefore(now, { [unit]: amount }, zone);
          const longer = spanBefore(now, { [unit]: amount + 1 }, zone);
          expect(Temporal.Instant.compare(longer, shorter)).toBeLessThanOrEqual(0);
        },
      ),
      { numRuns: 10000 },
    );
  });
});

describe('after', () => {
  test.each<readonly [string, Span, string]>([
    ['2019-02-01T00:00Z', { years: 7 }, '2026-02-01T00:00:00Z'],
    ['2026-03-31T00:00Z', { months: 1 }, '2026-05-01T00:00:00Z'],
    ['2026-11-01T00:00Z', { hours: 36 }, '2026-11-02T12:00:00Z'],
  ])('%s and %j is %s', (from, span, expected) => {
    expect(spanAfter(instant(from), span, 'UTC').toString()).toBe(expected);
  });

  test('the span protects until then, and no longer', () => {
    fc.assert(
      fc.property(zonedPoint(anyZone), anySpan, ({ zone, at }, span) => {
        const from = toInstant(at);
        const until = spanAfter(from, span, zone);
        const since = (now: Temporal.Instant) => Temporal.Instant.compare(spanBefore(now, span, zone), from);
        expect(since(until)).toBeGreaterThanOrEqual(0);
        // Months of different length, and clocks that change, may make it some days.
        expect(since(until.subtract({ hours: 240 }))).toBe(-1);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('spanText', () => {
  test.each<readonly [Span, string]>([
    [{ years: 7 }, '7 years'],
    [{ years: 1 }, '1 year'],
    [{ years: 1, months: 6 }, '1 year 6 months'],
    [{ days: 90 }, '90 days'],
    [{ hours: 1, weeks: 2, days: 1 }, '2 weeks 1 day 1 hour'],
    [{ years: undefined, days: 3 }, '3 days'],
    [{}, ''],
  ])('%j is %s', (span, expected) => {
    expect(spanText(span)).toBe(expected);
  });
});
