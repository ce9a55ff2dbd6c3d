import { Temporal } from 'temporal-polyfill';

const YEARS = 5;
const MINUTE = 60_000_000_000;

/** Minutes by which a zone is ahead of UTC, as this process has it. */
export const localMinutes = (zone: string, instant: Temporal.Instant): number =>
  instant.toZonedDateTimeISO(zone).offsetNanoseconds / MINUTE;

/**
 * Moments by which two editions of the rules of a zone are told apart: around every change that one of them knows of,
 * and in between, where the other may have one.
 */
export function samplesOf(zone: string, now: Temporal.Instant): Temporal.Instant[] {
  const start = now.toZonedDateTimeISO(zone);
  const end = start.add({ years: YEARS });
  const monthly = Array.from({ length: YEARS * 12 }, (_, month) => start.add({ months: month }).toInstant());
  const changes: Temporal.Instant[] = [];
  for (
    let next = start.getTimeZoneTransition('next');
    next !== null && Temporal.ZonedDateTime.compare(next, end) < 0;
    next = next.getTimeZoneTransition('next')
  ) {
    const instant = next.toInstant();
    changes.push(instant.subtract({ minutes: 1 }), instant);
  }
  return [...monthly, ...changes];
}
