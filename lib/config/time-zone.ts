import { Temporal } from 'temporal-polyfill';
import * as v from 'valibot';

/** Not everything Temporal takes for a zone is the name of one: a whole timestamp would do, too. */
function isTimeZone(name: string): boolean {
  try {
    const { timeZoneId } = Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return timeZoneId.toLowerCase() === name.toLowerCase();
  } catch {
    return false;
  }
}

export const timeZone = v.pipe(
  v.string('must be the name of a time zone, such as UTC or Europe/Berlin'),
  v.check(
    isTimeZone,
    (issue) => `unknown time zone ${issue.received}; use an IANA name such as Europe/Berlin`,
  ),
);
