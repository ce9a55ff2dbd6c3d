import type { Temporal } from 'temporal-polyfill';
import { toInstant, toPoint } from '../calendar.ts';
import { type KeyType, keyText, parseKeyText } from '../key-type.ts';
import { isBounded } from '../range.ts';
import type { Expression } from './expression.ts';

/** What a key is compared with: a moment that is known, by the wall clock or as an instant, or a piece of SQL. */
export type Moment =
  | { readonly kind: 'wall'; readonly at: Temporal.PlainDateTime }
  | { readonly kind: 'instant'; readonly at: Temporal.Instant }
  | { readonly kind: 'sql'; readonly text: string };

export const wall = (at: Temporal.PlainDateTime): Moment => ({ kind: 'wall', at });
export const sql = (text: string): Moment => ({ kind: 'sql', text });

const TYPES: Readonly<Record<string, KeyType>> = {
  'timestamp with time zone': 'timestamptz',
  'timestamp without time zone': 'timestamp',
  date: 'date',
};

/** The type of a constant or a cast, where it is one of time. */
export const timeTypeOf = (type: string | null): KeyType | undefined =>
  TYPES[(type ?? '').replace(/\(\d\)/, '')];

/** Constants are printed in ISO style. */
export function momentOf(expression: Expression): Moment {
  if (expression.kind !== 'constant') return sql(expression.text);
  const type = timeTypeOf(expression.type);
  const point = type === undefined ? undefined : parseKeyText(type, expression.value);
  if (type === undefined || point === undefined || !isBounded(point)) return sql(expression.text);
  const at = toInstant(point);
  return type === 'timestamptz'
    ? { kind: 'instant', at }
    : wall(at.toZonedDateTimeISO('UTC').toPlainDateTime());
}

/** @throws RangeError when the zone is unknown */
export const instantIn = (at: Temporal.PlainDateTime, zone: string): Moment => ({
  kind: 'instant',
  at: at.toZonedDateTime(zone).toInstant(),
});

export const wallIn = (at: Temporal.Instant, zone: string): Temporal.PlainDateTime =>
  at.toZonedDateTimeISO(zone).toPlainDateTime();

/** The same moment for a value of the type; what is SQL stays as it is. @throws RangeError when the zone is unknown */
export function asType(moment: Moment, type: KeyType, zone: string): Moment {
  if (moment.kind === 'sql') return moment;
  if (type === 'timestamptz') return moment.kind === 'wall' ? instantIn(moment.at, zone) : moment;
  return moment.kind === 'instant' ? wall(wallIn(moment.at, zone)) : moment;
}

const wallText = (at: Temporal.PlainDateTime, type: 'timestamp' | 'date'): string =>
  keyText(type, toPoint(at.toZonedDateTime('UTC').toInstant()));

/** As SQL, in the session's zone, with its offset. */
export function momentSql(moment: Moment, zone: string): string {
  if (moment.kind === 'sql') return moment.text;
  if (moment.kind === 'wall') {
    const midnight = moment.at.equals(
      moment.at.with({ hour: 0, minute: 0, second: 0, millisecond: 0, microsecond: 0 }),
    );
    return midnight
      ? `'${wallText(moment.at, 'date')}'::date`
      : `'${wallText(moment.at, 'timestamp')}'::timestamp`;
  }
  const { offset } = moment.at.toZonedDateTimeISO(zone);
  return `'${wallText(wallIn(moment.at, zone), 'timestamp')}${offset.replace(/:00$/, '')}'::timestamptz`;
}

export const UNITS = ['minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const;
export type Unit = (typeof UNITS)[number];

/** The first moment of the unit, as `date_trunc` has it. */
export function floor(at: Temporal.PlainDateTime, unit: Unit): Temporal.PlainDateTime {
  const minute = at.with({ second: 0, millisecond: 0, microsecond: 0, nanosecond: 0 });
  if (unit === 'minute') return minute;
  const hour = minute.with({ minute: 0 });
  if (unit === 'hour') return hour;
  const day = hour.with({ hour: 0 });
  if (unit === 'day') return day;
  if (unit === 'week') return day.subtract({ days: day.dayOfWeek - 1 });
  if (unit === 'month') return day.with({ day: 1 });
  return day.with({ day: 1, month: unit === 'year' ? 1 : day.month - ((day.month - 1) % 3) });
}

export const following = (at: Temporal.PlainDateTime, unit: Unit): Temporal.PlainDateTime =>
  unit === 'quarter' ? at.add({ months: 3 }) : at.add({ [`${unit}s`]: 1 });
