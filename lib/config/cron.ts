import { Cron } from 'croner';
import * as v from 'valibot';

/** What EventBridge Scheduler and cron programs read alike. Croner would take more. */
const COMMON = /^[0-9A-Za-z*,/\s-]+$/;

/** Why a text is not a schedule; null when it is one. */
function problemOf(pattern: string): string | null {
  const [, , day, , weekDay] = pattern.trim().split(/\s+/);
  if (!COMMON.test(pattern))
    return 'only numbers, names of months and weekdays, and the characters * , - / are understood';
  if (day !== '*' && weekDay !== '*') return 'one of day and weekday must be *';
  if (weekDay?.includes('/')) return 'a weekday cannot have a step';
  try {
    new Cron(pattern, { paused: true, mode: '5-part' });
    return null;
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
