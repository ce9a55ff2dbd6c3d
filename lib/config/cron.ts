import { Cron } from 'croner';
import * as v from 'valibot';

/** What EventBridge Scheduler and cron programs read alike: no L, W or #. Croner would take more. */
const NUMBERS = '[0-9*,/-]+';
const MONTHS = '(?:[0-9*,/-]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)+';
const WEEKDAYS = '(?:[0-9*,-]|SUN|MON|TUE|WED|THU|FRI|SAT)+';
const COMMON = new RegExp(`^${[NUMBERS, NUMBERS, NUMBERS, MONTHS, WEEKDAYS].join('\\s+')}$`);

/** A date to look for others from. */
const SOME_DATE = new Date('2027-01-01T00:00:00Z');

/** Why a text is not a schedule; null when it is one. */
function problemOf(pattern: string): string | null {
  const [, , day, , weekDay] = pattern.split(/\s+/);
  if (!COMMON.test(pattern))
    return 'it must have five fields of numbers, * , - and /, months and weekdays also by name (JAN, MON), weekdays without /';
  if (day !== '*' && weekDay !== '*') return 'one of day and weekday must be *';
  try {
    const next = new Cron(pattern, { paused: true, mode: '5-part', timezone: 'UTC' }).nextRun(SOME_DATE);
    return next === null ? 'no such date ever comes' : null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A cron expression of five fields: minute, hour, day, month, weekday. */
export const cron = v.pipe(
  v.string('must be a cron expression such as 0 2 1 * *'),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const problem = problemOf(dataset.value);
    if (problem !== null) {
      addIssue({
        message: `${dataset.value} is not a cron expression such as 0 2 1 * * (minute, hour, day, month, weekday): ${problem}`,
      });
    }
  }),
);
