import { isBounded, type Point } from '../partition/range.ts';
import { ahead, type Schedule } from '../partition/schedule.ts';
import type { Keys } from './model.ts';

/** Time a conversion may take before its boundary comes: from the check on, the old table takes no younger rows. */
const LEAD_DAYS = 7;

/** Where new partitions take over, and the first key that is too far ahead for that. */
export interface Boundary {
  readonly point: Point;
  /** Keys from here on are no rows that come a little early, but mistakes. */
  readonly limit: Point;
}

/**
 * The first line of the grid that neither a row there is nor one to come within a week has reached. Rows dated ahead
 * move it, within the look-ahead.
 */
export function boundaryOf(schedule: Schedule, keys: Keys, premake: number): Boundary {
  const { calendar, current, now } = schedule;
  const limit = ahead(calendar, current, Math.max(1, premake)).to;
  const soon = schedule.pointOf(now.add({ hours: LEAD_DAYS * 24 }));
  const newest = keys.newest !== null && isBounded(keys.newest) && keys.newest < limit ? keys.newest : soon;
  const point = calendar.containing(newest > soon ? newest : soon).to;
  return { point, limit: limit > point ? limit : point };
}
