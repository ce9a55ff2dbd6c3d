import * as v from 'valibot';
import { JOBS, type Job } from '../contract.ts';
import { usageError } from '../errors.ts';
import type { Config } from './config.ts';
import { cron } from './cron.ts';
import { timeZone } from './time-zone.ts';

/** Create before the new interval needs it, clean up each quarter, look every day. */
export const DEFAULT_SCHEDULES: Readonly<Record<Job, string>> = {
  create: '0 2 1 * *',
  cleanup: '0 3 1 1,4,7,10 *',
  health: '0 1 * * *',
};

/** Instead of a cron expression: the job is not run. */
const OFF = 'off';

/** When the jobs are run. */
export interface Schedules {
  /** A cron expression of five fields for each job; null: it is not run. */
  readonly patterns: Readonly<Record<Job, string | null>>;
  /** Whose clock the expressions mean. */
  readonly timeZone: string;
}

/** What flags or environment say of it; what they leave out is as in the config, or as it is by default. */
export type GivenSchedules = Readonly<Partial<Record<Job | 'timeZone', string | undefined>>>;

function checked(schema: v.GenericSchema<string>, text: string, what: string, hint: string): string {
  const result = v.safeParse(schema, text);
  if (result.success) return result.output;
  const reason = result.issues.map(({ message }) => message).join('; ');
  throw usageError('schedule-invalid', `The ${what} is wrong: ${reason}.`, hint);
}

function patternOf(job: Job, text: string): string | null {
  if (text === OFF) return null;
  const hint = `Give --${job}-schedule, or PARTITION_KEEPER_${job.toUpperCase()}_SCHEDULE, five fields such as '${DEFAULT_SCHEDULES[job]}', or the word ${OFF}.`;
  return checked(cron, text, `schedule of ${job}`, hint);
}

/**
 * The schedules of a process that runs the jobs itself. Where they are deployed to AWS as well, the config has said
 * already when.
 * @throws KeeperError `schedule-invalid` when one is not a cron expression, or the time zone is unknown
 */
export function schedulesOf(given: GivenSchedules, { deployment }: Config): Schedules {
  const patterns = JOBS.map((job) => [
    job,
    patternOf(job, given[job] ?? deployment?.schedules?.[job] ?? DEFAULT_SCHEDULES[job]),
  ]);
  const zone = given.timeZone ?? deployment?.scheduleTimeZone ?? 'UTC';
  return {
    patterns: Object.fromEntries(patterns),
    timeZone: checked(
      timeZone,
      zone,
      'time zone of the schedules',
      'Correct it where it is given: --time-zone, PARTITION_KEEPER_TIME_ZONE, or deployment.scheduleTimeZone of the config.',
    ),
  };
}
