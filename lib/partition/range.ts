/**
 * The axis of a partition key. A point is a number of microseconds since 1970-01-01: of UTC for `timestamptz`
 * and UUIDv7 keys, of the wall clock for `timestamp` and `date` keys. PostgreSQL's four unbounded values are
 * points too, so that every comparison is `<`.
 */
export type Point = bigint;

const FARTHEST = 1n << 70n;
export const MINVALUE: Point = -FARTHEST - 1n;
export const MINUS_INFINITY: Point = -FARTHEST;
export const PLUS_INFINITY: Point = FARTHEST;
export const MAXVALUE: Point = FARTHEST + 1n;

/** `[from, to)`. */
export interface Range {
  readonly from: Point;
  readonly to: Point;
}

/** Whether the point is a moment in time: not MINVALUE, MAXVALUE or an infinity. */
export const isBounded = (point: Point): boolean => point > MINUS_INFINITY && point < PLUS_INFINITY;

export const contains = (range: Range, point: Point): boolean => range.from <= point && point < range.to;

const byFrom = (a: Range, b: Range): number => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0);

/** The covered stretches in ascending order, touching and overlapping ranges joined. */
export function union(ranges: readonly Range[]): Range[] {
  const joined: Range[] = [];
  for (const range of ranges.toSorted(byFrom)) {
    const last = joined.at(-1);
    if (last !== undefined && range.from <= last.to) {
      if (range.to > last.to) joined[joined.length - 1] = { from: last.from, to: range.to };
    } else {
      joined.push(range);
    }
  }
  return joined;
}

/** What of `range` none of the disjoint, ascending `covered` stretches (as `union` makes them) contains. */
export function uncovered(range: Range, covered: readonly Range[]): Range[] {
  const pieces: Range[] = [];
  let from = range.from;
  for (const stretch of covered) {
    if (stretch.to <= from) continue;
    if (stretch.from >= range.to) break;
    if (stretch.from > from) pieces.push({ from, to: stretch.from });
    from = stretch.to;
  }
  if (from < range.to) pieces.push({ from, to: range.to });
  return pieces;
}
