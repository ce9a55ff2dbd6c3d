import { Temporal } from 'temporal-polyfill';
import { toInstant, toPoint } from '../../../lib/partition/calendar.ts';
import {
  MAXVALUE,
  MINUS_INFINITY,
  MINVALUE,
  PLUS_INFINITY,
  type Point,
  type Range,
} from '../../../lib/partition/range.ts';

const UNBOUNDED: Readonly<Record<string, Point>> = {
  MINVALUE,
  '-infinity': MINUS_INFINITY,
  infinity: PLUS_INFINITY,
  MAXVALUE,
};

/** `2026-11-01` is midnight of UTC; anything longer is ISO 8601 with an offset. */
export const instant = (text: string): Temporal.Instant =>
  Temporal.Instant.from(text.includes('T') ? text : `${text}T00:00Z`);

/** A point as `instant` reads it, or one of the unbounded ones by its name in SQL. */
export const point = (text: string): Point => UNBOUNDED[text] ?? toPoint(instant(text));

/** The reverse of `point`, for comparison with texts. */
function pointText(value: Point): string {
  const unbounded = Object.entries(UNBOUNDED).find(([, known]) => known === value);
  if (unbounded !== undefined) return unbounded[0];
  return toInstant(value)
    .toString()
    .replace(/T00:00:00Z$/, '')
    .replace(/:00Z$/, 'Z');
}

/** `2026-11-01 .. 2026-12-01` */
export const rangeText = ({ from, to }: Range): string => `${pointText(from)} .. ${pointText(to)}`;

export const HOUR = 3_600_000_000n;
export const DAY = 24n * HOUR;
