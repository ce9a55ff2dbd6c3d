import { quoteLiteral } from '../partition/identifiers.ts';
import { dollarQuoted } from '../postgres/statements/common.ts';
import { schemaSql } from './schema.ts';

interface CronJob {
  readonly name: string;
  readonly schedule: string;
  /** @param schema quoted */
  readonly command: (schema: string) => string;
}

/** Names and times of the strategy document; pg_cron reads them in GMT. Every third month: January, April, July, October. */
const JOBS: readonly CronJob[] = [
  {
    name: 'create-monthly-partitions',
    schedule: '0 2 1 * *',
    command: (s) => `CALL ${s}.create_partitions();`,
  },
  {
    name: 'cleanup-old-partitions',
    schedule: '0 3 1 */3 *',
    command: (s) => `CALL ${s}.cleanup_partitions();`,
  },
  {
    name: 'partition-health-check',
    schedule: '0 1 * * *',
    command: (s) => `SELECT ${s}.require_partition_health();`,
  },
];

const argumentsOf = ({ name, schedule, command }: CronJob, schema: string): string =>
  [name, schedule, command(schemaSql(schema))].map(quoteLiteral).join(', ');

/** The calls for the database of pg_cron, where that is another: with the name of this one in place of the last word. */
export const schedulingElsewhere = (schema: string): string[] =>
  JOBS.map((job) => `SELECT cron.schedule_in_database(${argumentsOf(job, schema)}, 'DATABASE');`);

export const unschedulingElsewhere = (): string[] =>
  JOBS.map(({ name }) => `SELECT cron.unschedule(${quoteLiteral(name)});`);

/** A job of the same name and role is replaced. */
export const scheduleJobs = (schema: string): string =>
  [
    `DO ${dollarQuoted(`
BEGIN
  IF pg_catalog.to_regprocedure('cron.schedule(text, text, text)') IS NULL THEN
    RAISE EXCEPTION USING MESSAGE = 'The extension pg_cron is not installed in this database, so nothing can be scheduled here; nothing has been installed.',
      HINT = 'CREATE EXTENSION pg_cron where shared_preload_libraries and cron.database_name allow it; or print the script without --pg-cron, and schedule the jobs in the database of pg_cron with the calls at its head.';
  END IF;
END`)};`,
    ...JOBS.map((job) => `SELECT cron.schedule(${argumentsOf(job, schema)});`),
  ].join('\n');

/** Only jobs that call this schema; those of other roles are not seen. */
export const unscheduleJobs = (schema: string): string =>
  `DO ${dollarQuoted(`
DECLARE
  job pg_catalog.int8;
BEGIN
  IF pg_catalog.to_regclass('cron.job') IS NULL THEN
    RETURN;
  END IF;
  FOR job IN EXECUTE ${quoteLiteral(
    `SELECT j.jobid FROM cron.job AS j WHERE j.jobname IN (${JOBS.map(({ name }) => quoteLiteral(name)).join(', ')}) AND j.database = pg_catalog.current_database() AND pg_catalog.strpos(j.command, ${quoteLiteral(`${schemaSql(schema)}.`)}) > 0`,
  )} LOOP
    EXECUTE 'SELECT cron.unschedule($1)' USING job;
  END LOOP;
END`)};`;
