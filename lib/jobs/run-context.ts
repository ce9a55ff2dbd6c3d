import { randomUUID } from 'node:crypto';
import { Temporal } from 'temporal-polyfill';
import type { Finding, FindingName, Report, ReportError, ReportKind, TableReport } from '../contract.ts';
import type { TableConfig } from '../partition/table-config.ts';
import type { Found } from '../postgres/inspect/inspected.ts';
import { openSession, type Session } from '../postgres/session.ts';
import type { JobOptions } from './options.ts';
import type { PlanContext } from './plan-table.ts';

/** One run of a job over its connection. */
export interface Run {
  readonly kind: ReportKind;
  readonly options: JobOptions;
  readonly session: Session;
  readonly startedAt: Temporal.Instant;
  readonly context: PlanContext;
}

/** Opens the connection and reads the clocks. */
export async function start(kind: ReportKind, options: JobOptions, access: 'read' | 'write'): Promise<Run> {
  const startedAt = Temporal.Now.instant();
  const session = await openSession(options.connection, kind, access);
  const localClock = Temporal.Now.instant();
  const context = {
    client: session.client,
    server: session.server,
    runId: randomUUID(),
    now: options.now ?? session.server.clock,
    localClock,
  };
  return { kind, options, session, startedAt, context };
}

/** Whether the run did what it was asked: a table that another run works on is in good hands. */
const succeeded = (tables: readonly TableReport[]): boolean =>
  tables.every(({ status }) => status === 'ok' || status === 'skipped');

export function reportOf(run: Run, dryRun: boolean, tables: readonly TableReport[]): Report {
  const { kind, context, startedAt, session } = run;
  return {
    version: 1,
    job: kind,
    runId: context.runId,
    database: session.server.database,
    serverVersion: session.server.version,
    startedAt: startedAt.toString(),
    now: context.now.toString(),
    durationMs: Temporal.Now.instant().epochMilliseconds - startedAt.epochMilliseconds,
    dryRun,
    ok: succeeded(tables),
    tables,
  };
}

const FINDING_OF_ERROR: Readonly<Record<string, FindingName>> = {
  'table-missing': 'not-partitioned',
  'not-partitioned': 'not-partitioned',
  'wrong-key': 'wrong-key',
};

/** A table that cannot be managed as configured: it fails alone. */
export function unmanageable(config: TableConfig, error: ReportError): TableReport {
  const name = FINDING_OF_ERROR[error.code];
  const findings: Finding[] =
    name === undefined
      ? []
      : [
          {
            finding: name,
            severity: 'critical',
            message: error.message,
            remedy: error.hint,
            facts: { code: error.code },
          },
        ];
  return { schema: config.schema, table: config.table, status: 'failed', steps: [], findings, error };
}

/** What a table reports that another run works on. */
export const SKIPPED: ReportError = {
  code: 'skipped',
  message: 'Another run of Partition Keeper is working on this table.',
  hint: "Run the command again when the other run is over. If it hangs: SELECT pid, state, query FROM pg_stat_activity WHERE application_name LIKE 'partition-keeper/%';",
};

export const base = (config: TableConfig) => ({ schema: config.schema, table: config.table });

export const healthInput = (run: Run, entry: Found) => ({
  ...entry,
  now: run.context.now,
  serverClock: run.context.server.clock,
  localClock: run.context.localClock,
});
