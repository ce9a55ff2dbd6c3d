import type pg from 'pg';
import type { StatementFigures } from '../../contract.ts';
import { KeeperError } from '../../errors.ts';
import { qualified, quoteIdentifier } from '../../partition/identifiers.ts';
import type { TableConfig } from '../../partition/table-config.ts';
import type { ServerFacts } from '../session.ts';
import { codeOf, SQLSTATE } from '../sqlstate.ts';

/** A normalised statement: `$1`, `$2` stand for its constants. */
export interface Statement extends StatementFigures {
  readonly query: string;
}

const INSTALL = 'CREATE EXTENSION pg_stat_statements;';

const trouble = (code: string, message: string, hint: string, cause?: unknown): KeeperError =>
  new KeeperError({ code, message, hint, cause });

/** The extension's view. @throws KeeperError when it is not installed in this database */
async function viewOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ schema: string }>(
    `SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_stat_statements'`,
  );
  const [row] = rows;
  if (row === undefined) {
    throw trouble(
      'statements-not-installed',
      'The extension pg_stat_statements is not installed in this database, so nobody has counted its statements.',
      `Run, as an administrator: ${INSTALL} The server must load it at its start, too: shared_preload_libraries = 'pg_stat_statements' (on RDS it does).`,
    );
  }
  return qualified(row.schema, 'pg_stat_statements');
}

/** What goes wrong when the view is read, by SQLSTATE. */
function explained(error: unknown, role: string): unknown {
  switch (codeOf(error)) {
    case SQLSTATE.prerequisiteMissing:
      return trouble(
        'statements-not-loaded',
        'The extension pg_stat_statements is installed, but the server has not loaded it: nothing is counted.',
        'Add pg_stat_statements to shared_preload_libraries (on RDS in the parameter group) and restart the server.',
        error,
      );
    case SQLSTATE.undefinedColumn:
      return trouble(
        'statements-too-old',
        'The extension pg_stat_statements is of an older version than its server.',
        'ALTER EXTENSION pg_stat_statements UPDATE;',
        error,
      );
    case SQLSTATE.insufficientPrivilege:
      return trouble(
        SQLSTATE.insufficientPrivilege,
        `Role ${role} may not read pg_stat_statements.`,
        `GRANT pg_read_all_stats TO ${quoteIdentifier(role)}; and SELECT on the view, if that was taken from PUBLIC.`,
        error,
      );
    default:
      return error;
  }
}

/**
 * How many statements of other roles cannot be read.
 * @throws KeeperError when none can be read, or the view cannot
 */
export async function countHidden(client: pg.Client, { role }: ServerFacts): Promise<number> {
  const view = await viewOf(client);
  // What is hidden has no id.
  const { rows } = await client
    .query<{ hidden: number; seen: number }>(
      `SELECT count(*) FILTER (WHERE queryid IS NULL)::int AS hidden, count(queryid)::int AS seen FROM ${view}
       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)`,
    )
    .catch((error: unknown) => {
      throw explained(error, role);
    });
  const { hidden = 0, seen = 0 } = rows[0] ?? {};
  if (hidden > 0 && seen === 0) {
    throw trouble(
      'statements-hidden',
      `The statements of other roles are hidden from role ${role}: all ${hidden} of this database.`,
      `GRANT pg_read_all_stats TO ${quoteIdentifier(role)};`,
    );
  }
  return hidden;
}

/** Tables and, since they are read by other names, the views on them. */
const NAMES = `
  WITH RECURSIVE named(oid) AS (
    SELECT c.oid FROM unnest($1::text[], $2::text[]) AS w(schema, name)
    JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    UNION
    SELECT r.ev_class FROM named d
    JOIN pg_depend p ON p.refobjid = d.oid AND p.refclassid = 'pg_class'::regclass AND p.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = p.objid
  )
  SELECT DISTINCT lower(c.relname) AS name FROM named d JOIN pg_class c ON c.oid = d.oid`;

/** The most frequent statements whose text has the name of a table, or of a view on one, in it. */
export async function statementsOf(
  client: pg.Client,
  tables: readonly TableConfig[],
  limit: number,
): Promise<Statement[]> {
  const view = await viewOf(client);
  const named = await client.query<{ name: string }>(NAMES, [
    tables.map(({ schema }) => schema),
    tables.map(({ table }) => table),
  ]);
  const { rows } = await client.query<Statement>(
    `WITH ours AS (
       SELECT s.query, sum(s.calls) AS calls, sum(s.total_exec_time) AS total
       FROM ${view} s
       WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.queryid IS NOT NULL
       GROUP BY s.query
     )
     SELECT o.query, o.calls::float8 AS calls, round((o.total / greatest(o.calls, 1))::numeric, 3)::float8 AS "meanMs",
            round(o.total::numeric, 3)::float8 AS "totalMs",
            round((o.total / nullif((SELECT sum(total) FROM ours), 0))::numeric, 4)::float8 AS share
     FROM ours o
     WHERE EXISTS (SELECT 1 FROM unnest($1::text[]) AS n(name) WHERE strpos(lower(o.query), n.name) > 0)
       AND o.query ~* '^(\\s|\\(|--[^\\n]*\\n|/\\*.*?\\*/)*(select|with|update|delete|merge|table)\\y'
     ORDER BY o.calls DESC, o.total DESC LIMIT $2`,
    [named.rows.map(({ name }) => name), limit],
  );
  return rows;
}
