import { displayName, quoteLiteral } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { dollarQuoted } from '../postgres/statements/common.ts';
import { buildRoutines, LARGEST_DEFAULT_MIB } from './build.ts';
import { catalogRoutines } from './catalog.ts';
import { scheduleJobs, schedulingElsewhere, unscheduleJobs, unschedulingElsewhere } from './cron.ts';
import { functionRoutines } from './functions.ts';
import { lookRoutines } from './look.ts';
import { planRoutines } from './plan.ts';
import { procedureRoutines } from './procedures.ts';
import { COMMENT_PREFIX, createRoutine, dropRoutines, type Routine } from './routine.ts';
import { DEFAULT_SQL_SCHEMA, schemaSql } from './schema.ts';
import { stepRoutines } from './step.ts';
import { tablesRoutine } from './tables.ts';
import { timeRoutines } from './time.ts';

export interface SqlScriptOptions {
  /** Made if it is not there. */
  readonly schema?: string | undefined;
  /** Whether the three jobs are scheduled by pg_cron. */
  readonly pgCron?: boolean | undefined;
}

/** What the script is run under: names resolve to nobody's objects, nothing waits for long, all or nothing. */
const BEGIN = `BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '2s';
SET LOCAL client_min_messages = warning;
SET LOCAL standard_conforming_strings = on;
SET LOCAL check_function_bodies = on;`;

const SCHEMA_COMMENT = `${COMMENT_PREFIX}functions that look after time partitions`;

/** One line for each text: names may hold anything, also the end of a line. */
const comment = (lines: readonly string[]): string =>
  lines.map((line) => `-- ${line.replace(/[\r\n]/g, ' ')}`.trimEnd()).join('\n');

function header(tables: readonly TableConfig[], schema: string): string {
  const name = schemaSql(schema);
  const kept = tables.filter(({ expired, grace }) => expired === 'detach' || grace !== null);
  return comment([
    'Partition Keeper: functions that create, remove and watch the time partitions of',
    ...tables.map((table) => `  ${displayName(table.schema, table.table)}`),
    '',
    'They do what "npx partition-keeper" does, by the same rules: all is judged by the bounds in the catalog, never by',
    'names. Run this script as a role that may create the schema, in psql with -v ON_ERROR_STOP=1; it does all or nothing.',
    'Run again, it replaces what is there. The functions have no rights of their own: they work for the owner of a table, a',
    'member of it, or a superuser. They follow the config they were made from: print them again when it has changed.',
    '',
    `  CALL ${name}.create_partitions();                     creates what is missing`,
    `  CALL ${name}.cleanup_partitions();                    drops what is past retention`,
    `  SELECT * FROM ${name}.check_partition_health();       a line for each table`,
    `  SELECT * FROM ${name}.partition_gaps();               what would be created; also at another instant`,
    `  SELECT * FROM ${name}.partition_removals();           what would be dropped; also at another instant`,
    `  SELECT * FROM ${name}.partition_sizes();              largest first`,
    `  SELECT ${name}.create_monthly_partition('schema', 'table', DATE '2026-12-01');`,
    `  SELECT * FROM ${name}.create_future_partitions(3);`,
    `  SELECT * FROM ${name}.cleanup_old_partitions();`,
    '',
    'The procedures, which are CALLed, take one transaction for each partition. They wait, for a minute at most and outside',
    'of every lock queue, for those who hold a lock for long, try for another minute where short transactions leave no gap,',
    'and fail in the end if something could not be done. They cannot be called inside a transaction, and a',
    'statement_timeout counts for the whole call. The functions do all in the transaction of their caller, whose locks last',
    'to its end: they try a few times, never wait longer than 50 ms for a lock, stop 0.3 s after the first, and say so in',
    'their results.',
    '',
    'What is not done here, and takes "npx partition-keeper":',
    '  - DETACH PARTITION CONCURRENTLY, which no function can do. A partition is dropped while it is attached, which locks the',
    '    table for a moment; where readers never leave the table free, that fails.',
    `  - Removing from tables with expired: 'detach' or a grace period${kept.length === 0 ? ' (none of these).' : `: ${kept.map((table) => displayName(table.schema, table.table)).join(', ')}.`}`,
    '  - Finishing a detach that was interrupted, and dropping a table that is detached already.',
    '  - Moving rows out of a default partition: no partition is created for which it holds rows, or beside a default',
    `    partition of more than ${LARGEST_DEFAULT_MIB} MiB, which would be looked through while writers wait.`,
    '  - Comparing the clock of the server with another: whoever sets that clock decides what is past retention.',
    '',
    'Where pg_cron lives in another database of the server, a superuser schedules the jobs there, with the name of this database',
    'for DATABASE, twice in each call, and for ROLE that of the role that installs this script, which the jobs then run as.',
    'Without the role they would run as the superuser, who would lend his rights to whoever can replace the functions. A role',
    'that is no superuser needs EXECUTE on cron.schedule_in_database, and leaves the last argument out: the jobs are its own.',
    'Times are GMT unless cron.timezone says otherwise; 1 */3 is January, April, July and October.',
    ...schedulingElsewhere(tables, schema).map((call) => `  ${call}`),
  ]);
}

/**
 * Whoever may put functions into the schema, or change those that are there, has the rights of all who call them: so
 * nobody may but the role that installs, and superusers.
 */
const makeSchema = (schema: string, routines: readonly Routine[]): string => {
  const name = quoteLiteral(schema);
  const refuse = (message: string, hint: string) =>
    `RAISE EXCEPTION USING MESSAGE = pg_catalog.format('${message}; nothing has been installed.', ${name}, somebody), HINT = '${hint}';`;
  return `DO ${dollarQuoted(`
DECLARE
  somebody pg_catalog.text;
BEGIN
  IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 140000 THEN
    RAISE EXCEPTION USING MESSAGE = 'Partition Keeper needs PostgreSQL 14 or newer; nothing has been installed.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = ${name}) THEN
    EXECUTE pg_catalog.format('CREATE SCHEMA %I', ${name});
    EXECUTE pg_catalog.format('COMMENT ON SCHEMA %I IS %L', ${name}, ${quoteLiteral(SCHEMA_COMMENT)});
    RETURN;
  END IF;
  SELECT o.rolname INTO somebody FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
  WHERE n.nspname = ${name} AND o.rolname <> current_user AND NOT o.rolsuper;
  IF FOUND THEN
    ${refuse('Schema %I belongs to role %I, who could make these functions call others', 'Choose another schema with --schema, install as its owner, or ALTER SCHEMA .. OWNER TO.')}
  END IF;
  SELECT coalesce(r.rolname, 'PUBLIC') INTO somebody
  FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee
  WHERE n.nspname = ${name} AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
    AND r.rolname IS DISTINCT FROM current_user AND r.rolsuper IS NOT TRUE;
  IF somebody = 'PUBLIC' THEN
    ${refuse('Everybody may create functions in schema %I, and so make these call others', 'Choose another schema with --schema, or REVOKE CREATE ON SCHEMA .. FROM PUBLIC.')}
  ELSIF FOUND THEN
    ${refuse('In schema %I, role %I may create functions, and so make these call others', 'Choose another schema with --schema, or REVOKE CREATE ON SCHEMA .. from that role.')}
  END IF;
  SELECT o.rolname INTO somebody FROM pg_catalog.pg_namespace AS n
  JOIN pg_catalog.pg_proc AS p ON p.pronamespace = n.oid JOIN pg_catalog.pg_roles AS o ON o.oid = p.proowner
  WHERE n.nspname = ${name} AND o.rolname <> current_user AND NOT o.rolsuper
    AND p.proname = ANY (ARRAY[${[...new Set(routines.map((routine) => routine.name))].map(quoteLiteral).join(', ')}]);
  IF FOUND THEN
    ${refuse('In schema %I, a function that has the name of one of these belongs to role %I, who could change it', 'Drop it, install as that role, or choose another schema with --schema.')}
  END IF;
END`)};`;
};

function routinesOf(tables: readonly TableConfig[], schema: string): readonly Routine[] {
  const quoted = schemaSql(schema);
  return [
    tablesRoutine(tables),
    ...timeRoutines(quoted),
    ...catalogRoutines(quoted),
    ...planRoutines(quoted),
    ...buildRoutines(quoted),
    ...stepRoutines(quoted),
    ...procedureRoutines(quoted),
    ...functionRoutines(quoted),
    ...lookRoutines(quoted),
  ];
}

/** The script that installs functions for the tables, in place of those of an older version. */
export function installScript(tables: readonly TableConfig[], options: SqlScriptOptions = {}): string {
  const { schema = DEFAULT_SQL_SCHEMA, pgCron = false } = options;
  const routines = routinesOf(tables, schema);
  return `${[
    header(tables, schema),
    BEGIN,
    makeSchema(schema, routines),
    dropRoutines(schema, routines),
    ...routines.map((routine) => createRoutine(schema, routine)),
    ...(pgCron ? [scheduleJobs(tables, schema)] : []),
    'COMMIT;',
  ].join('\n\n')}\n`;
}

/** The script that removes what `installScript` has made: functions, jobs, and the schema if nothing else is in it. */
export function uninstallScript({
  schema = DEFAULT_SQL_SCHEMA,
}: Pick<SqlScriptOptions, 'schema'> = {}): string {
  return `${[
    comment([
      `Partition Keeper: removes its functions from the schema ${schemaSql(schema)}, and their jobs. No partition is touched.`,
      'Where pg_cron lives in another database of the server, remove the jobs there, with the name of this one for DATABASE,',
      'and for ROLE that of the role they run as:',
      ...unschedulingElsewhere(schema).map((call) => `  ${call}`),
    ]),
    BEGIN,
    unscheduleJobs(schema),
    dropRoutines(schema, []),
    `DO ${dollarQuoted(`
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname = ${quoteLiteral(schema)} AND pg_catalog.obj_description(n.oid, 'pg_namespace') = ${quoteLiteral(SCHEMA_COMMENT)}
  ) THEN
    EXECUTE pg_catalog.format('DROP SCHEMA %I', ${quoteLiteral(schema)});
  END IF;
EXCEPTION WHEN dependent_objects_still_exist THEN
  -- Somebody has put something else into it.
  NULL;
END`)};`,
    'COMMIT;',
  ].join('\n\n')}\n`;
}
