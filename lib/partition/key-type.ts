import type { Temporal } from 'temporal-polyfill';
import { toInstant, toPoint } from './calendar.ts';
import { isBounded, MAXVALUE, MINUS_INFINITY, MINVALUE, PLUS_INFINITY, type Point } from './range.ts';

/** Types a partition key may have; `uuid` holds version 7, whose first 48 bits are Unix milliseconds. */
export type KeyType = 'timestamptz' | 'timestamp' | 'date' | 'uuid';

/** Whether the type stores wall-clock times, which name an instant only together with a time zone. */
const isWallClock = (keyType: KeyType): boolean => keyType === 'timestamp' || keyType === 'date';

/** The zone the grid of this key is cut in: wall-clock keys have no daylight saving on their own axis. */
export const gridZone = (keyType: KeyType, timeZone: string): string =>
  isWallClock(keyType) ? 'UTC' : timeZone;

/** Where a row written at `instant` lies on the axis of the key. */
export function pointAt(keyType: KeyType, timeZone: string, instant: Temporal.Instant): Point {
  if (!isWallClock(keyType)) return toPoint(instant);
  return toPoint(instant.toZonedDateTimeISO(timeZone).toPlainDateTime().toZonedDateTime('UTC').toInstant());
}

/**
 * The instant of a finite point. A wall-clock time that occurs twice, or never, stands for the latest instant
 * it could mean: as an upper bound it then never lets a younger row pass for an older one.
 */
export function instantAt(keyType: KeyType, timeZone: string, point: Point): Temporal.Instant {
  if (!isWallClock(keyType)) return toInstant(point);
  const wall = toInstant(point).toZonedDateTimeISO('UTC').toPlainDateTime();
  return wall.toZonedDateTime(timeZone, { disambiguation: 'later' }).toInstant();
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function dateText(wall: Temporal.PlainDateTime): { date: string; era: string } {
  const year = wall.year > 0 ? wall.year : 1 - wall.year;
  return {
    date: `${pad(year, 4)}-${pad(wall.month, 2)}-${pad(wall.day, 2)}`,
    era: wall.year > 0 ? '' : ' BC',
  };
}

function timeText(wall: Temporal.PlainDateTime): string {
  const micros = wall.millisecond * 1000 + wall.microsecond;
  const fraction = micros === 0 ? '' : `.${pad(micros, 6).replace(/0+$/, '')}`;
  return `${pad(wall.hour, 2)}:${pad(wall.minute, 2)}:${pad(wall.second, 2)}${fraction}`;
}

/** The smallest UUID whose timestamp is the point's millisecond: it sorts before every UUIDv7 of that moment. */
function uuidText(point: Point): string {
  const milliseconds = point / 1000n;
  if (point < 0n || milliseconds >= 1n << 48n) {
    throw new RangeError('a UUIDv7 holds instants from 1970 to the year 10889');
  }
  const hex = milliseconds.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** The point as text of the key's type, explicit about its offset where the type knows one. */
export function keyText(keyType: KeyType, point: Point): string {
  if (point === PLUS_INFINITY) return 'infinity';
  if (point === MINUS_INFINITY) return '-infinity';
  if (keyType === 'uuid') return uuidText(point);
  const wall = toInstant(point).toZonedDateTimeISO('UTC').toPlainDateTime();
  const { date, era } = dateText(wall);
  if (keyType === 'date') return `${date}${era}`;
  return `${date} ${timeText(wall)}${keyType === 'timestamptz' ? '+00' : ''}${era}`;
}

/** The point as it stands in `FOR VALUES FROM (..) TO (..)`. */
export function boundSql(keyType: KeyType, point: Point): string {
  if (point === MINVALUE) return 'MINVALUE';
  if (point === MAXVALUE) return 'MAXVALUE';
  return `'${keyText(keyType, point)}'`;
}

const DATE_TIME =
  /^(\d{4,6})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?$/;
const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;
/** No UUIDv7 has a tail below this: version and variant bits stand at its front. */
const LOWEST_UUID7_TAIL = '7000-8000-000000000000';
/** PostgreSQL's timestamps reach further than Temporal's; beyond this year a bound is as good as at it. */
const LAST_YEAR = 270_000;

function parseDateTime(keyType: KeyType, text: string): Point | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [
    ,
    year,
    month,
    day,
    hour,
    minute,
    second,
    fraction,
    sign,
    offsetHour,
    offsetMinute,
    offsetSecond,
    bc,
  ] = match;
  const hasTime = hour !== undefined;
  const hasOffset = sign !== undefined;
  if (hasTime !== (keyType !== 'date') || hasOffset !== (keyType === 'timestamptz')) return undefined;
  if (Number(year) === 0) return undefined;
  const seconds = wallSeconds(
    bc === undefined ? Math.min(Number(year), LAST_YEAR) : 1 - Number(year),
    Number(month),
    Number(day),
    Number(hour ?? 0),
    Number(minute ?? 0),
    Number(second ?? 0),
  );
  if (seconds === undefined) return undefined;
  const offset = Number(offsetHour ?? 0) * 3600 + Number(offsetMinute ?? 0) * 60 + Number(offsetSecond ?? 0);
  const utcSeconds = sign === '-' ? seconds + offset : seconds - offset;
  return BigInt(utcSeconds) * 1_000_000n + BigInt((fraction ?? '').padEnd(6, '0'));
}

/**
 * The seconds since 1970 when a clock of UTC shows this; undefined for what none shows, such as 30 February. By `Date`,
 * because an inspection reads two of them for each partition, and Temporal takes ten times as long.
 */
function wallSeconds(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const shown =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  return shown ? date.getTime() / 1000 : undefined;
}

function parseUuid(text: string, end: 'from' | 'to'): Point | undefined {
  const match = UUID.exec(text);
  if (match === null) return undefined;
  const [, high, low, tail] = match;
  const milliseconds = BigInt(`0x${high}${low}`);
  // An upper bound in the midst of a millisecond counts as its end: rows below it may be that young.
  const within = end === 'to' && (tail ?? '') > LOWEST_UUID7_TAIL;
  return (milliseconds + (within ? 1n : 0n)) * 1000n;
}

/**
 * The point that `keyText`, or the server in ISO date style, wrote; undefined for anything else.
 * @param end which bound of a range it is: one between two points counts as the outer of them
 */
export function parseKeyText(keyType: KeyType, text: string, end: 'from' | 'to' = 'from'): Point | undefined {
  if (keyType === 'uuid') return parseUuid(text, end);
  if (text === 'infinity') return PLUS_INFINITY;
  if (text === '-infinity') return MINUS_INFINITY;
  return parseDateTime(keyType, text);
}

/** ISO 8601 with Z for reports; null for an unbounded point. */
export function isoText(keyType: KeyType, timeZone: string, point: Point): string | null {
  return isBounded(point) ? instantAt(keyType, timeZone, point).toString() : null;
}
