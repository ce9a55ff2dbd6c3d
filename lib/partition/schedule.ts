import type { Temporal } from 'temporal-polyfill';
import { type Calendar, calendarOf, type GridInterval } from './calendar.ts';
import { gridZone, instantAt, type KeyType, pointAt } from './key-type.ts';
import type { Partition } from './model.ts';
import { isBounded, type Point, type Range, uncovered, union } from './range.ts';
import { before, type Span } from './span.ts';
import type { TableConfig } from './table-config.ts';

/** One table's calendar at one moment: where now is on it, and what retention still protects. */
export interface Schedule {
  readonly calendar: Calendar;
  readonly now: Temporal.Instant;
  readonly nowPoint: Point;
  readonly current: GridInterval;
  /** Data older than this instant is past retention; null: kept for ever. */
  readonly cutoff: Temporal.Instant | null;
  /** Where a row written at the instant lies on the axis of the key. */
  pointOf(instant: Temporal.Instant): Point;
  /** The latest instant a row below the upper bound can have been written at. */
  latest(upperBound: Point): Temporal.Instant;
  /** Whether the whole range is past retention, and past `slack` on top of it. */
  expired(range: Range, slack?: Span): boolean;
}

const isBefore = (a: Temporal.Instant, b: Temporal.Instant): boolean =>
  a.epochNanoseconds < b.epochNanoseconds;

export function scheduleOf(config: TableConfig, keyType: KeyType, now: Temporal.Instant): Schedule {
  const { timeZone, retention } = config;
  const calendar = calendarOf(config.interval, gridZone(keyType, timeZone));
  const pointOf = (instant: Temporal.Instant) => pointAt(keyType, timeZone, instant);
  const nowPoint = pointOf(now);
  const cutoff = retention === null ? null : before(now, retention, timeZone);
  const latest = (upperBound: Point) => instantAt(keyType, timeZone, upperBound);
  return {
    calendar,
    now,
    nowPoint,
    current: calendar.containing(nowPoint),
    cutoff,
    pointOf,
    latest,
    expired(range, slack) {
      if (cutoff === null || !isBounded(range.to)) return false;
      const end = latest(range.to);
      if (isBefore(cutoff, end)) return false;
      return slack === undefined || !isBefore(before(cutoff, slack, timeZone), end);
    },
  };
}

/** The interval `steps` after another. */
export function ahead(calendar: Calendar, interval: GridInterval, steps: number): GridInterval {
  let result = interval;
  for (let step = 0; step < steps; step++) result = calendar.after(result);
  return result;
}

/** A stretch without a partition, inside one grid interval: the whole of it, or a stub. */
export interface Gap {
  readonly interval: GridInterval;
  readonly range: Range;
}

/** Every grid interval, or part of one, inside `window` that the ranges leave uncovered, in order. */
export function* gapsIn(calendar: Calendar, window: Range, covered: readonly Range[]): Generator<Gap> {
  for (const hole of uncovered(window, union(covered))) {
    let interval = calendar.containing(hole.from);
    while (interval.from < hole.to) {
      const from = interval.from > hole.from ? interval.from : hole.from;
      const to = interval.to < hole.to ? interval.to : hole.to;
      yield { interval, range: { from, to } };
      interval = calendar.after(interval);
    }
  }
}

/** The earliest finite bound of any partition; undefined when there is none. */
function oldestBound(partitions: readonly Partition[]): Point | undefined {
  let oldest: Point | undefined;
  for (const { range } of partitions) {
    const bound = isBounded(range.from) ? range.from : range.to;
    if (isBounded(bound) && (oldest === undefined || bound < oldest)) oldest = bound;
  }
  return oldest;
}

/** The start of the oldest interval that is not wholly past retention; undefined: everything is kept. */
function protectedFrom({ calendar, cutoff, pointOf, latest }: Schedule): Point | undefined {
  if (cutoff === null) return undefined;
  let interval = calendar.containing(pointOf(cutoff));
  // Where clocks went back, an earlier time by the wall clock may be the later instant.
  while (isBefore(cutoff, latest(interval.from))) interval = calendar.containing(interval.from - 1n);
  return interval.from;
}

const later = (a: Point, b: Point | undefined): Point => (b === undefined || a > b ? a : b);

/**
 * What must be covered: from the oldest existing partition (or now, on a new table), but no further back than
 * retention reaches, through `steps` intervals after the current one.
 */
export function requiredWindow(schedule: Schedule, partitions: readonly Partition[], steps: number): Range {
  const { calendar, current } = schedule;
  const oldest = oldestBound(partitions);
  const from = oldest === undefined || oldest > current.from ? current.from : oldest;
  return { from: later(from, protectedFrom(schedule)), to: ahead(calendar, current, steps).to };
}
