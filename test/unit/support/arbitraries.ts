import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { INTERVALS, type Interval, toInstant, toPoint } from '../../../lib/partition/calendar.ts';
import type { KeyType } from '../../../lib/partition/key-type.ts';
import type { Point } from '../../../lib/partition/range.ts';
import { DAY, HOUR } from './points.ts';

/**
 * Zones that differ from the usual in some way: half hours, quarter hours, half-hour changes, changes at midnight or
 * a minute past it, skipped days, a day lived twice, changes of two hours, changes that follow the moon.
 */
export const ZONES = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Europe/Dublin',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/St_Johns',
  'America/Sao_Paulo',
  'Asia/Kathmandu',
  'Africa/Casablanca',
  'Africa/Cairo',
  'Africa/Monrovia',
  'Asia/Tehran',
  'Asia/Kolkata',
  'America/Toronto',
  'America/Havana',
  'America/Caracas',
  'Pacific/Kiritimati',
  'Pacific/Kwajalein',
  'Pacific/Chatham',
  'Antarctica/Troll',
  'Europe/Moscow',
] as const;

export const KEY_TYPES = ['timestamptz', 'timestamp', 'date', 'uuid'] as const satisfies readonly KeyType[];

export const anyZone: fc.Arbitrary<string> = fc.constantFrom(...ZONES);
export const anyInterval: fc.Arbitrary<Interval> = fc.constantFrom(...INTERVALS);

/** About the length of an interval, in microseconds. */
export const LENGTH: Readonly<Record<Interval, Point>> = {
  hour: HOUR,
  day: DAY,
  week: 7n * DAY,
  month: 30n * DAY,
  quarter: 91n * DAY,
  year: 365n * DAY,
};

/** Microseconds, evenly spread. */
export const pointBetween = (from: string, to: string): fc.Arbitrary<Point> =>
  fc.bigInt({
    min: toPoint(Temporal.Instant.from(`${from}T00:00Z`)),
    max: toPoint(Temporal.Instant.from(`${to}T00:00Z`)),
  });

interface Years {
  readonly min: number;
  readonly max: number;
}

/** Ends of days, months, quarters and years by the wall clock of the zone, give or take an hour and a half. */
const nearCalendarLine = (zone: string, years: Years): fc.Arbitrary<Point> =>
  fc
    .record({
      year: fc.integer(years),
      month: fc.constantFrom(1, 2, 3, 4, 7, 10, 12),
      day: fc.constantFrom(1, 2, 28, 29, 30, 31),
      micros: fc.bigInt({ min: (-3n * HOUR) / 2n, max: (3n * HOUR) / 2n }),
    })
    .map(
      ({ year, month, day, micros }) =>
        toPoint(Temporal.PlainDateTime.from({ year, month, day }).toZonedDateTime(zone).toInstant()) + micros,
    );

/** Moments around a change of the zone's clocks, where there is one. */
const nearChange = (zone: string, { min, max }: Years): fc.Arbitrary<Point> =>
  fc
    .record({
      before: pointBetween(`${min}-01-01`, `${Math.min(max, 2037)}-01-01`),
      micros: fc.oneof(
        fc.constantFrom(-1n, 0n, 1n),
        fc.bigInt({ min: -3n * HOUR, max: 3n * HOUR }),
        fc.bigInt({ min: -2n * DAY, max: 2n * DAY }),
      ),
    })
    .map(({ before, micros }) => {
      const change = toInstant(before).toZonedDateTimeISO(zone).getTimeZoneTransition('next');
      return (change === null ? before : toPoint(change.toInstant())) + micros;
    });

/** A zone, and a moment in it, mostly where calendars are difficult. */
export const zonedPoint = (
  zones: fc.Arbitrary<string>,
  years: Years = { min: 1900, max: 2200 },
): fc.Arbitrary<{ zone: string; at: Point }> =>
  zones.chain((zone) =>
    fc.record({
      zone: fc.constant(zone),
      at: fc.oneof(
        nearCalendarLine(zone, years),
        nearChange(zone, years),
        pointBetween(`${years.min}-01-01`, `${years.max}-01-01`),
      ),
    }),
  );
