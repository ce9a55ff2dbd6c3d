import { defaultSchedules } from '../partition/default-schedules.ts';
import { quoteLiteral } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { dollarQuoted } from '../postgres/statements/common.ts';
import { DEFAULT_SQL_SCHEMA, schemaSql } from './schema.ts';

interface CronJob {
  readonly name: string;
  readonly schedule: string;
  readonly command: string;
}

/** What stands for the names of the database and of the role of the jobs in what is run in another database. */
const DATABASE = 'DATABASE';
const ROLE = 'ROLE';

/** The names of the strategy document. */
const NAMES = {
  create: 'create-monthly-partitions',
  cleanup: 'cleanup-old-partitions',
  health: 'partition-health-check',
};

/** Whether a job is called as the document or a script of ours would call it, in whatever schema and database. */
export const isJobName = (name: string): boolean =>
  Object.values(NAMES).some(
    (one) => name === one || name.startsWith(`${one}.`) || name.startsWith(`${one}@`),
  );

/** One call of what the script installs for jobs and people, and nothing else. */
const CALL =
  /^\s*(?:CALL|SELECT(?:\s+\*\s+FROM)?)\s+(?:"((?:[^"]|"")+)"|([\w$]+))\.(?:(?:create|cleanup|cleanup_old|create_future)_partitions|create_monthly_partition|(?:check|require)_partition_health)\s*\([^;()]*\)\s*;?\s*$/i;

/** The schema of the functions that a command of a job calls; null: it does something else, or more. */
export function calledSchema(command: string): string | null {
  const [, quoted, plain] = CALL.exec(command) ?? [];
  return quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? null;
}

/**
 * pg_cron knows a job by its name and role: another schema or database has jobs of other names, so that no
 * installation takes those of another away. The document's names are those of the usual schema where pg_cron lives.
 */
const nameOf = (name: string, schema: string, database: string | null): string =>
  `${name}${schema === DEFAULT_SQL_SCHEMA ? '' : `.${schema}`}${database === null ? '' : `@${database}`}`;

/** Times are those of the document; pg_cron reads them in GMT. */
function jobsOf(tables: readonly TableConfig[], schema: string, database: string | null): CronJob[] {
  const s = schemaSql(schema);
  const { create, cleanup, health } = defaultSchedules(tables);
  return [
    {
      name: nameOf(NAMES.create, schema, database),
      schedule: create,
      command: `CALL ${s}.create_partitions();`,
    },
    {
      name: nameOf(NAMES.cleanup, schema, database),
      schedule: cleanup,
      command: `CALL ${s}.cleanup_partitions();`,
    },
    {
      name: nameOf(NAMES.health, schema, database),
      schedule: health,
      command: `SELECT ${s}.require_partition_health();`,
    },
  ];
}

/** A condition on `cron.job AS j`: that it calls the schema, in this database. */
const callsSchema = (schema: string): string =>
  `j.database = pg_catalog.current_database() AND pg_catalog.strpos(j.command, ${quoteLiteral(` ${schemaSql(schema)}.`)}) > 0`;

const argumentsOf = ({ name, schedule, command }: CronJob): string =>
  [name, schedule, command].map(quoteLiteral).join(', ');

/**
 * The calls for the database of pg_cron, where that is another: with the name of this one for `DATABASE`. Without a role,
 * a job would run as whoever schedules it, and lend the rights of a superuser to the role that can replace what it calls.
 */
export const schedulingElsewhere = (tables: readonly TableConfig[], schema: string): string[] =>
  jobsOf(tables, schema, DATABASE).map(
    (job) =>
      `SELECT cron.schedule_in_database(${argumentsOf(job)}, ${quoteLiteral(DATABASE)}, ${quoteLiteral(ROLE)});`,
  );

/** By name, a job is found for its own role only. */
export const unschedulingElsewhere = (schema: string): string[] =>
  Object.values(NAMES).map(
    (name) =>
      `SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname = ${quoteLiteral(nameOf(name, schema, DATABASE))} AND username = ${quoteLiteral(ROLE)};`,
  );

/** A job of the same name and role is replaced, if it was one of this schema and database; else nothing is done. */
export function scheduleJobs(tables: readonly TableConfig[], schema: string): string {
  const jobs = jobsOf(tables, schema, null);
  const taken = `SELECT j.jobname FROM cron.job AS j WHERE j.jobname IN (${jobs.map(({ name }) => quoteLiteral(name)).join(', ')}) AND j.username = current_user AND NOT (${callsSchema(schema)}) LIMIT 1`;
  return [
    `DO ${dollarQuoted(`
DECLARE
  taken pg_catalog.text;
BEGIN
  IF pg_catalog.to_regprocedure('cron.schedule(text, text, text)') IS NULL THEN
    RAISE EXCEPTION USING MESSAGE = 'The extension pg_cron is not installed in this database, so nothing can be scheduled here; nothing has been installed.',
      HINT = 'CREATE EXTENSION pg_cron where shared_preload_libraries and cron.database_name allow it; or print the script without --pg-cron, and schedule the jobs in the database of pg_cron with the calls at its head.';
  END IF;
  EXECUTE ${quoteLiteral(taken)} INTO taken;
  IF taken IS NOT NULL THEN
    RAISE EXCEPTION USING MESSAGE = pg_catalog.format('A job named %s runs something else for this role, and would be replaced; nothing has been installed.', taken),
      HINT = pg_catalog.format('If it is not needed any more: SELECT cron.unschedule(%L); and run the script again.', taken);
  END IF;
END`)};`,
    ...jobs.map((job) => `SELECT cron.schedule(${argumentsOf(job)});`),
  ].join('\n');
}

/** Only jobs that call this schema in this database, also those of earlier names; those of other roles are not seen. */
export function unscheduleJobs(schema: string): string {
  const names = Object.values(NAMES).flatMap((name) => [name, nameOf(name, schema, null)]);
  const own = `SELECT j.jobid FROM cron.job AS j WHERE j.jobname IN (${[...new Set(names)].map(quoteLiteral).join(', ')}) AND ${callsSchema(schema)}`;
  return `DO ${dollarQuoted(`
DECLARE
  job pg_catalog.int8;
BEGIN
  IF pg_catalog.to_regclass('cron.job') IS NULL THEN
    RETURN;
  END IF;
  FOR job IN EXECUTE ${quoteLiteral(own)} LOOP
    EXECUTE 'SELECT cron.unschedule($1)' USING job;
  END LOOP;
END`)};`;
}
