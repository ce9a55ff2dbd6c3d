import { displayName, quoteIdentifier, quoteLiteral } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { dollarQuoted } from '../postgres/statements/common.ts';
import { buildRoutines } from './build.ts';
import { catalogRoutines } from './catalog.ts';
import { scheduleJobs, schedulingElsewhere, unscheduleJobs } from './cron.ts';
import { lookRoutines } from './look.ts';
import { planRoutines } from './plan.ts';
import { COMMENT_PREFIX, createRoutine, dropRoutines, type Routine } from './routine.ts';
import { tablesRoutine } from './tables.ts';
import { timeRoutines } from './time.ts';
import { workRoutines } from './work.ts';

/** The schema the functions are put into unless another is chosen. */
export const DEFAULT_SQL_SCHEMA = 'partition_keeper';

export interface SqlScriptOptions {
  /** Made if it is not there. */
  readonly schema?: string | undefined;
  /** Whether the three jobs are scheduled by pg_cron. */
  readonly pgCron?: boolean | undefined;
}

/** What the script is run under: names resolve to nobody's objects, nothing waits for long, all or nothing. */
const BEGIN = `BEGIN;
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
  const detaching = tables.filter(({ expired, grace }) => expired === 'detach' || grace !== null);
  return comment([
    'Partition Keeper: functions that create, remove and watch the time partitions of',
    ...tables.map((table) => `  ${displayName(table.schema, table.table)}`),
    '',
    `They are put into the schema ${quoteIdentifier(schema)}. They do what "npx partition-keeper" does, by the same rules: all is`,
    'judged by the bounds in the catalog, never by names. Run this script by a role that may create that schema, in one',
    'go; run again, it replaces what is there. The functions work with the rights of whoever calls them: the owner of a',
    'table, a member of it, or a superuser. They belong to the config they were made from; after a change, print them anew.',
    '',
    'By hand, and from schedulers:',
    `  CALL ${quoteIdentifier(schema)}.create_partitions();      creates what is missing`,
    `  CALL ${quoteIdentifier(schema)}.cleanup_partitions();     drops what is past retention`,
    `  SELECT * FROM ${quoteIdentifier(schema)}.check_partition_health();`,
    `  SELECT * FROM ${quoteIdentifier(schema)}.partition_gaps();      what create would make; takes an instant`,
    `  SELECT * FROM ${quoteIdentifier(schema)}.partition_removals();  what cleanup would drop; takes an instant`,
    `  SELECT * FROM ${quoteIdentifier(schema)}.partition_sizes();`,
    `  SELECT ${quoteIdentifier(schema)}.create_monthly_partition('schema', 'table', DATE '2026-12-01');`,
    `  SELECT * FROM ${quoteIdentifier(schema)}.create_future_partitions(3);`,
    `  SELECT * FROM ${quoteIdentifier(schema)}.cleanup_old_partitions();`,
    '',
    'The procedures take one transaction for each partition, wait up to a minute outside of every lock queue for those',
    'who hold a lock, and fail in the end if a table has failed. They cannot be called inside a transaction. The functions',
    'do all in the transaction of their caller, whose locks last to its end: they never wait longer than 50 ms for a lock,',
    'stop after a second, and say so.',
    '',
    'What is not done here, because functions cannot, or should not:',
    '  - DETACH PARTITION CONCURRENTLY. A partition that goes is dropped while attached, which locks the table for a',
    '    moment; where readers never leave it free, that fails, and "npx partition-keeper cleanup" is needed.',
    "  - Tables with expired: 'detach' or a grace period get partitions, but none is removed" +
      (detaching.length === 0
        ? '.'
        : ': ' + detaching.map((table) => displayName(table.schema, table.table)).join(', ') + '.'),
    '  - An unfinished detach is reported, not finished. Tables that are detached already are not dropped.',
    '  - Rows of a default partition are not moved: a partition for which it holds rows is not created.',
    '  - The clock of the server cannot be compared with another. Whoever can set it decides what is past retention.',
    '',
    'With pg_cron in another database, schedule the jobs there (its times are GMT; cleanup runs in January, April, July',
    'and October), with the name of this database for DATABASE:',
    ...schedulingElsewhere(schema).map((call) => `  ${call}`),
  ]);
}

/** Whoever may create functions in the schema could put others in the place of these. */
const makeSchema = (schema: string): string =>
  `DO ${dollarQuoted(`
BEGIN
  IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 140000 THEN
    RAISE EXCEPTION USING MESSAGE = 'Partition Keeper needs PostgreSQL 14 or newer; nothing has been installed.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = ${quoteLiteral(schema)}) THEN
    EXECUTE pg_catalog.format('CREATE SCHEMA %I', ${quoteLiteral(schema)});
    EXECUTE pg_catalog.format('COMMENT ON SCHEMA %I IS %L', ${quoteLiteral(schema)}, ${quoteLiteral(SCHEMA_COMMENT)});
  ELSIF EXISTS (
    SELECT FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS a
    WHERE n.nspname = ${quoteLiteral(schema)} AND a.grantee = 0 AND a.privilege_type = 'CREATE'
  ) THEN
    RAISE EXCEPTION USING MESSAGE = pg_catalog.format('Everybody may create functions in schema %I, and so make these call others; nothing has been installed.', ${quoteLiteral(schema)}),
      HINT = 'Choose another schema with --schema, or REVOKE CREATE ON SCHEMA .. FROM PUBLIC.';
  END IF;
END`)};`;

export function routinesOf(tables: readonly TableConfig[], schema: string): readonly Routine[] {
  const quoted = quoteIdentifier(schema);
  return [
    tablesRoutine(tables),
    ...timeRoutines(quoted),
    ...catalogRoutines(quoted),
    ...planRoutines(quoted),
    ...buildRoutines(quoted),
    ...workRoutines(quoted),
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
    makeSchema(schema),
    dropRoutines(schema, routines),
    ...routines.map((routine) => createRoutine(schema, routine)),
    ...(pgCron ? [scheduleJobs(schema)] : []),
    'COMMIT;',
  ].join('\n\n')}\n`;
}

/** The script that removes what `installScript` has made: functions, jobs, and the schema if nothing else is in it. */
export function uninstallScript({
  schema = DEFAULT_SQL_SCHEMA,
}: Pick<SqlScriptOptions, 'schema'> = {}): string {
  return `${[
    comment([
      `Partition Keeper: removes its functions from the schema ${quoteIdentifier(schema)}, and their jobs. No partition is touched.`,
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
