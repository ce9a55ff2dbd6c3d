import { randomUUID } from 'node:crypto';
import { Temporal } from 'temporal-polyfill';
import type { ExplainReport } from '../contract.ts';
import type { ConnectionSettings } from '../postgres/connection-options.ts';
import { singleStatement } from '../postgres/query-plan/statement.ts';
import { openSession, type ServerFacts, untilDone } from '../postgres/session.ts';
import { explainQuery } from './explain-query.ts';

export interface ExplainOptions {
  readonly connection: ConnectionSettings;
  /** Schemas in which names are looked up, as in `SET search_path`; absent: those of role and database. */
  readonly searchPath?: string | undefined;
}

/** The frame of a report. */
export const explainReport = (
  server: ServerFacts,
  startedAt: Temporal.Instant,
  content: Pick<ExplainReport, 'ok' | 'searchPath' | 'queries' | 'statements'>,
): ExplainReport => ({
  version: 1,
  job: 'explain',
  runId: randomUUID(),
  database: server.database,
  serverVersion: server.version,
  startedAt: startedAt.toString(),
  now: server.clock.toString(),
  durationMs: Temporal.Now.instant().epochMilliseconds - startedAt.epochMilliseconds,
  dryRun: true,
  ...content,
});

/**
 * Which partitions a query reads, and why not fewer. The query is planned and never run.
 * @throws KeeperError when it is not one statement with a plan, or the server does not plan it
 */
export async function runExplain(
  options: ExplainOptions & { readonly query: string },
): Promise<ExplainReport> {
  const query = singleStatement(options.query).trim();
  const startedAt = Temporal.Now.instant();
  const { client, server } = await openSession(options.connection, 'explain', 'read');
  return await untilDone(client, async () => {
    const { explained, searchPath } = await explainQuery(client, query, server, options.searchPath);
    return explainReport(server, startedAt, { ok: true, searchPath, queries: [explained] });
  });
}
