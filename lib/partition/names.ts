import type { Temporal } from 'temporal-polyfill';
import type { Interval } from './calendar.ts';

/** PostgreSQL cuts longer identifiers with no more than a notice. */
export const MAX_NAME_BYTES = 63;

/** The trigger by which each write to a table that is being converted is noted or made a second time. */
export const MIRROR = 'partition_keeper_mirror';
/** The check constraint by which the server knows, without looking, that all rows of a table to be attached are below the boundary. */
export const BOUNDARY = 'partition_keeper_boundary';

const encoder = new TextEncoder();
export const byteLength = (name: string): number => encoder.encode(name).length;

const two = (value: number): string => String(value).padStart(2, '0');
const four = (value: number): string => String(value).padStart(4, '0');

/** What follows the table's name, for example `2026_11`, `2026_q4`, `2026_w47`, `2026_11_22_13`. */
export function suffixOf(interval: Interval, label: Temporal.PlainDateTime): string {
  const { year, month, day, hour } = label;
  switch (interval) {
    case 'year':
      return four(year);
    case 'quarter':
      return `${four(year)}_q${(month + 2) / 3}`;
    case 'month':
      return `${four(year)}_${two(month)}`;
    case 'week':
      return `${four(label.yearOfWeek ?? year)}_w${two(label.weekOfYear ?? 1)}`;
    case 'day':
      return `${four(year)}_${two(month)}_${two(day)}`;
    case 'hour':
      return `${four(year)}_${two(month)}_${two(day)}_${two(hour)}`;
  }
}

/** The name of the partition of `table` for the interval that starts at `label`. */
export const partitionName = (table: string, interval: Interval, label: Temporal.PlainDateTime): string =>
  `${table}_${suffixOf(interval, label)}`;

const LONGEST_SUFFIX: Record<Interval, string> = {
  year: '_9999',
  quarter: '_9999_q4',
  month: '_9999_12',
  week: '_9999_w53',
  day: '_9999_12_31',
  hour: '_9999_12_31_23',
};

/** Bytes by which the names of this table's partitions would exceed PostgreSQL's limit; 0 when they fit. */
export const nameExcess = (table: string, interval: Interval): number =>
  Math.max(0, byteLength(table + LONGEST_SUFFIX[interval]) - MAX_NAME_BYTES);
