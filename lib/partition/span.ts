import type { Temporal } from 'temporal-polyfill';

/** A stretch of time in calendar units, as in `{ years: 7 }` or `{ days: 90 }`. */
export interface Span {
  readonly years?: number | undefined;
  readonly months?: number | undefined;
  readonly weeks?: number | undefined;
  readonly days?: number | undefined;
  readonly hours?: number | undefined;
}

const SPAN_UNITS = ['years', 'months', 'weeks', 'days', 'hours'] as const;

/**
 * The instant a span before another: calendar units by the zone's wall clock, hours exactly. Where the clock
 * shows the result twice or never, the earlier reading is taken: more is kept, never less.
 */
export function before(instant: Temporal.Instant, span: Span, timeZone: string): Temporal.Instant {
  const { years = 0, months = 0, weeks = 0, days = 0, hours = 0 } = span;
  const wall = instant.toZonedDateTimeISO(timeZone).toPlainDateTime();
  const earlier = wall.subtract({ years, months, weeks, days });
  const onDate = earlier.equals(wall)
    ? instant
    : earlier.toZonedDateTime(timeZone, { disambiguation: 'earlier' }).toInstant();
  return onDate.subtract({ hours });
}

/** The first instant that the span no longer protects: `before` of it is not earlier than the given one. */
export function after(instant: Temporal.Instant, span: Span, timeZone: string): Temporal.Instant {
  const { years = 0, months = 0, weeks = 0, days = 0, hours = 0 } = span;
  const wall = instant.toZonedDateTimeISO(timeZone).toPlainDateTime();
  let later = wall.add({ years, months, weeks, days });
  const instantOf = (): Temporal.Instant =>
    (later.equals(wall)
      ? instant
      : later.toZonedDateTime(timeZone, { disambiguation: 'later' }).toInstant()
    ).add({ hours });
  // A month after 31 March is 30 April, but a month before that is 30 March.
  while (before(instantOf(), span, timeZone).epochNanoseconds < instant.epochNanoseconds)
    later = later.add({ days: 1 }).with({ hour: 0, minute: 0, second: 0, millisecond: 0, microsecond: 0 });
  return instantOf();
}

/** For people: `7 years`, `1 year 6 months`, `90 days`. */
export function spanText(span: Span): string {
  return SPAN_UNITS.flatMap((unit) => {
    const amount = span[unit];
    return amount === undefined ? [] : [`${amount} ${amount === 1 ? unit.slice(0, -1) : unit}`];
  }).join(' ');
}
