import { Temporal } from 'temporal-polyfill';
import type { Point } from './range.ts';

export const INTERVALS = ['hour', 'day', 'week', 'month', 'quarter', 'year'] as const;
/** The length of a partition on the calendar. A week is an ISO week: it starts on Monday. */
export type Interval = (typeof INTERVALS)[number];

/** One interval of the grid. */
export interface GridInterval {
  /** The wall-clock time it is named after: its first moment by the calendar. */
  readonly label: Temporal.PlainDateTime;
  readonly from: Point;
  readonly to: Point;
}

/** The grid of one interval length in one time zone: gapless, without overlap, from ever to ever. */
export interface Calendar {
  /** The interval that contains the point. */
  containing(point: Point): GridInterval;
  /** The interval that follows. */
  after(interval: GridInterval): GridInterval;
}

const STEP: Record<Interval, Temporal.DurationLike> = {
  hour: { hours: 1 },
  day: { days: 1 },
  week: { weeks: 1 },
  month: { months: 1 },
  quarter: { months: 3 },
  year: { years: 1 },
};

const MICROSECOND = 1000n;

export const toInstant = (point: Point): Temporal.Instant =>
  Temporal.Instant.fromEpochNanoseconds(point * MICROSECOND);

/** Rounded down to the microsecond, PostgreSQL's resolution. */
export function toPoint(instant: Temporal.Instant): Point {
  const nanoseconds = instant.epochNanoseconds;
  const down = nanoseconds % MICROSECOND < 0n ? 1n : 0n;
  return nanoseconds / MICROSECOND - down;
}

/** The start, by the wall clock, of the interval that the wall-clock time lies in. */
function labelOf(wall: Temporal.PlainDateTime, interval: Interval): Temporal.PlainDateTime {
  if (interval === 'hour') return wall.round({ smallestUnit: 'hour', roundingMode: 'floor' });
  const day = wall.round({ smallestUnit: 'day', roundingMode: 'floor' });
  switch (interval) {
    case 'day':
      return day;
    case 'week':
      return day.subtract({ days: day.dayOfWeek - 1 });
    case 'month':
      return day.with({ day: 1 });
    case 'quarter':
      return day.with({ month: day.month - ((day.month - 1) % 3), day: 1 });
    case 'year':
      return day.with({ month: 1, day: 1 });
  }
}

/**
 * The first instant at which a clock in the zone shows the wall-clock time or a later one: the earlier of two
 * when clocks go back, the moment of the change when clocks skip it.
 */
function firstInstant(wall: Temporal.PlainDateTime, timeZone: string): Temporal.Instant {
  const zoned = wall.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
  if (zoned.toPlainDateTime().equals(wall)) return zoned.toInstant();
  const change = zoned.getTimeZoneTransition('next');
  if (change === null) throw new RangeError(`${timeZone} skips ${wall} without a transition`);
  return change.toInstant();
}

/**
 * The grid of `interval` in `timeZone` (an IANA name). An interval holds every instant whose wall-clock time
 * lies in it, so the repeated hour of an autumn night belongs to one hourly interval of two hours, a skipped
 * hour to none, and names stay unique.
 */
export function calendarOf(interval: Interval, timeZone: string): Calendar {
  const step = STEP[interval];
  const startOf = (label: Temporal.PlainDateTime): Point =>
    timeZone === 'UTC'
      ? BigInt(label.toZonedDateTime('UTC').epochMilliseconds) * 1000n
      : toPoint(firstInstant(label, timeZone));

  /** The interval of the label, or the next that is not empty: a zone may have skipped a whole day. */
  const intervalAt = (label: Temporal.PlainDateTime, from: Point): GridInterval => {
    let current = label;
    for (;;) {
      const next = current.add(step);
      const to = startOf(next);
      if (to > from) return { label: current, from, to };
      current = next;
    }
  };

  return {
    containing(point) {
      let label = labelOf(toInstant(point).toZonedDateTimeISO(timeZone).toPlainDateTime(), interval);
      // Clocks that go back across a boundary show the former interval's time once more.
      while (startOf(label) > point) label = label.subtract(step);
      let found = intervalAt(label, startOf(label));
      while (found.to <= point) found = this.after(found);
      return found;
    },
    after(previous) {
      return intervalAt(previous.label.add(step), previous.to);
    },
  };
}
