import * as v from 'valibot';
import { JOBS, type Job } from '../contract.ts';
import { usageError } from '../errors.ts';
import { defaultSchedules } from '../partition/default-schedules.ts';
import type { Config } from './config.ts';
import { cron } from './cron.ts';
import { timeZone } from './time-zone.ts';

export { defaultSchedules } from '../partition/default-schedules.ts';

/** Instead of a cron expression: the job is not run. */
const OFF = 'off';

/** When the jobs are run. */
export interface Schedules {
  /** A cron expression of five fields for each job; null: it is not run. */
  readonly patterns: Readonly<Record<Job, string | null>>;
  /** Whose clock the expressions mean. */
  readonly timeZone: string;
}

/** What flags or environment say of it; what they leave out is as in the config, or as the tables need it. */
export type GivenSchedules = Readonly<Partial<Record<Job | 'timeZone', string | undefined>>>;

function checked(schema: v.GenericSchema<string>, text: string, what: string, hint: string): string {
  const result = v.safeParse(schema, text);
  if (result.success) return result.output;
  const reason = result.issues.map(({ message }) => message).join('; ');
  throw usageError('schedule-invalid', `The ${what} is wrong: ${reason}.`, hint);
}

function patternOf(job: Job, text: string, usual: string): string | null {
  if (text === OFF) return null;
  const hint = `Give --${job}-schedule, or PARTITION_KEEPER_${job.toUpperCase()}_SCHEDULE, five fields such as '${usual}', or the word ${OFF}.`;
  return checked(cron, text, `schedule of ${job}`, hint);
}

/**
 * The schedules of a process that runs the jobs itself. Where they are deployed to AWS as well, the config has said
 * already when.
 * @throws KeeperError `schedule-invalid` when one is not a cron expression, or the time zone is unknown
 */
export function schedulesOf(given: GivenSchedules, { tables, deployment }: Config): Schedules {
  const usual = defaultSchedules(tables);
  const patterns = JOBS.map((job) => [
    job,
    patternOf(job, given[job] ?? deployment?.schedules?.[job] ?? usual[job], usual[job]),
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
