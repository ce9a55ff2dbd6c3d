import type pg from 'pg';
import { Temporal } from 'temporal-polyfill';
import type { Config } from '../config/config.ts';
import type { ExplainedQuery, ExplainReport } from '../contract.ts';
import { KeeperError } from '../errors.ts';
import { quoteIdentifier } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { explain } from '../postgres/apply/explain.ts';
import { withCasts } from '../postgres/query-plan/statement.ts';
import { countHidden, type Statement, statementsOf } from '../postgres/query-plan/statements.ts';
import { openSession, type ServerFacts, untilDone } from '../postgres/session.ts';
import { SQLSTATE } from '../postgres/sqlstate.ts';
import { type ExplainOptions, explainReport } from './explain.ts';
import { explainQuery } from './explain-query.ts';
import { selectTables } from './options.ts';

export interface ExplainTopOptions extends ExplainOptions {
  readonly config: Config;
  /** `schema.table` of the configured tables; absent: all. */
  readonly tables?: readonly string[] | undefined;
  /** How many statements to report at most. */
  readonly top: number;
}

/** Statements that are planned at most, the most frequent first: each is a millisecond or some for the server. */
const MOST_EXPLAINED = 500;

/** Whether the statement reads partitions of a configured table that no condition on the key excludes. */
const isUnfiltered = ({ tables }: ExplainedQuery, configured: readonly TableConfig[]): boolean =>
  tables.some(
    ({ schema, table, findings }) =>
      findings.some(({ severity }) => severity === 'warning') &&
      configured.some((one) => one.schema === schema && one.table === table),
  );

/** What has no counterpart with parameters, such as `extract($1 FROM created_at)`. */
const hintFor = ({ code }: KeeperError): { readonly hint?: string } =>
  code === SQLSTATE.syntaxError || code === SQLSTATE.indeterminateType
    ? {
        hint: 'pg_stat_statements has put a parameter where only a constant can be: explain the statement as the application has it.',
      }
    : {};

async function look(
  client: pg.Client,
  server: ServerFacts,
  { query, ...figures }: Statement,
  searchPath: string | undefined,
): Promise<ExplainedQuery> {
  try {
    const { explained } = await explainQuery(client, withCasts(query), server, searchPath);
    return { ...explained, query, figures };
  } catch (error) {
    if (!(error instanceof KeeperError)) throw error;
    return { query, parameters: 0, tables: [], figures, error: { ...explain(error), ...hintFor(error) } };
  }
}

async function worst(client: pg.Client, server: ServerFacts, options: ExplainTopOptions) {
  const configured = selectTables(options.config, options.tables);
  const statements = await statementsOf(client, configured, MOST_EXPLAINED);
  const queries: ExplainedQuery[] = [];
  const failed: ExplainedQuery[] = [];
  let looked = 0;
  for (const statement of statements) {
    if (queries.length >= options.top) break;
    looked++;
    const explained = await look(client, server, statement, options.searchPath);
    if (explained.error !== undefined) failed.push(explained);
    else if (isUnfiltered(explained, configured)) queries.push(explained);
  }
  return { queries: [...queries, ...failed], looked };
}

/** The path that was used, in words of `SET search_path`. */
async function searchPathOf(client: pg.Client, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const { rows } = await client.query<{ path: string }>(
    "SELECT reset_val AS path FROM pg_settings WHERE name = 'search_path'",
  );
  return rows[0]?.path ?? quoteIdentifier('public');
}

/**
 * The most frequent statements on the configured tables that read partitions for want of a usable condition on the
 * key, from `pg_stat_statements`. They are planned and never run.
 * @throws KeeperError when the extension is not installed, not loaded, too old, or shows no text to this role
 */
export async function runExplainTop(options: ExplainTopOptions): Promise<ExplainReport> {
  const startedAt = Temporal.Now.instant();
  const { client, server } = await openSession(options.connection, 'explain', 'read');
  return await untilDone(client, async () => {
    const hidden = await countHidden(client, server);
    const { queries, looked } = await worst(client, server, options);
    return explainReport(server, startedAt, {
      ok: true,
      searchPath: await searchPathOf(client, options.searchPath),
      queries,
      statements: { explained: looked, hidden },
    });
  });
}
