import { Temporal } from 'temporal-polyfill';
import { uuid7 } from '../uuid.ts';
import type { Setting } from './actions.ts';

/** Moments are milliseconds since 1970 here, on the axis of the key: on purpose nothing of `lib` has a part in it. */
export type Moment = number;

export interface Stretch {
  readonly from: Moment;
  readonly to: Moment;
}

/** The calendar of a world: intervals counted from the one that was the present one when the world began. */
export interface Axis {
  readonly start: (interval: number) => Moment;
  readonly stretch: (interval: number) => Stretch;
  /** So many intervals before a moment. */
  readonly before: (moment: Moment, intervals: number) => Moment;
  /** A key in the interval, `tenth` tenths into it. */
  readonly key: (interval: number, tenth: number) => Moment;
  /** A key as SQL text. */
  readonly text: (key: Moment) => string;
  /** A bound as SQL text. */
  readonly bound: (bound: Moment) => string;
  /** SQL that makes a moment of the key column. */
  readonly sql: string;
  /** The stretch in `FOR VALUES FROM (..) TO (..)`; undefined for the default partition. */
  readonly parse: (bounds: string) => Stretch | undefined;
}

const UNITS = { day: 'days', week: 'weeks', month: 'months' } as const;
const DAY: Moment = 86_400_000;

const momentOf = (date: Temporal.PlainDate): Moment => date.toZonedDateTime('UTC').epochMilliseconds;

function firstDay(now: Moment, interval: Setting['interval']): Temporal.PlainDate {
  const today = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO('UTC').toPlainDate();
  if (interval === 'month') return today.with({ day: 1 });
  return interval === 'week' ? today.subtract({ days: today.dayOfWeek - 1 }) : today;
}

function momentOfText(keyType: Setting['keyType'], text: string): Moment {
  if (keyType === 'uuid') return Number.parseInt(text.replace('-', '').slice(0, 12), 16);
  if (keyType === 'date') return Date.parse(`${text}T00:00:00Z`);
  return Date.parse(`${text.replace(' ', 'T').replace(/\+00$/, '')}Z`);
}

export function axisOf({ keyType, interval }: Setting, now: Moment): Axis {
  const first = firstDay(now, interval);
  const start = (index: number): Moment => momentOf(first.add({ [UNITS[interval]]: index }));
  const stretch = (index: number): Stretch => ({ from: start(index), to: start(index + 1) });
  const iso = (moment: Moment): string => new Date(moment).toISOString();
  const plain = (moment: Moment): string => (keyType === 'date' ? iso(moment).slice(0, 10) : iso(moment));
  const uuid = (moment: Moment): string =>
    uuid7(Temporal.Instant.fromEpochMilliseconds(moment), moment % 2 === 0 ? 'first' : 'last');
  return {
    start,
    stretch,
    before: (moment, intervals) =>
      Temporal.Instant.fromEpochMilliseconds(moment)
        .toZonedDateTimeISO('UTC')
        .subtract({ [UNITS[interval]]: intervals }).epochMilliseconds,
    key: (index, tenth) => {
      const { from, to } = stretch(index);
      // The last tenth is the very last moment there is.
      const key = tenth === 9 ? to - 1 : from + Math.floor(((to - from) * tenth) / 10);
      return keyType === 'date' ? Math.floor(key / DAY) * DAY : key;
    },
    text: (key) => (keyType === 'uuid' ? uuid(key) : plain(key)),
    bound: (bound) =>
      keyType === 'uuid' ? uuid(bound).replace(/^(.{13}).*$/, '$1-0000-0000-000000000000') : plain(bound),
    sql:
      keyType === 'uuid'
        ? "('x' || lpad(replace(left(at::text, 13), '-', ''), 16, '0'))::bit(64)::bigint::float8"
        : '(extract(epoch FROM at) * 1000)::float8',
    parse: (bounds) => {
      const match = /^FOR VALUES FROM \('([^']*)'\) TO \('([^']*)'\)$/.exec(bounds);
      if (match === null) return undefined;
      return { from: momentOfText(keyType, match[1] ?? ''), to: momentOfText(keyType, match[2] ?? '') };
    },
  };
}
