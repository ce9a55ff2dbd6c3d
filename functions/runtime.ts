import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Config, parseConfig } from '../lib/config/config.ts';
import { parsePayload } from '../lib/config/payload.ts';
import type { Job, Report } from '../lib/contract.ts';
import { runCleanup, runCreate, runHealth } from '../lib/jobs/jobs.ts';
import type { JobOptions, StepEvent } from '../lib/jobs/options.ts';
import { connectionSettings } from '../lib/postgres/connection-options.ts';
import { settingsFromSecret } from './secret.ts';

/** The part of Lambda's context that is used. */
export interface InvocationContext {
  readonly getRemainingTimeInMillis: () => number;
}

export type Handler = (payload: unknown, context: InvocationContext) => Promise<Report>;

/** Kept of the remaining time for the last step at hand, the second inspection and the report. */
const RESERVE_MS = 10_000;

/** The config is packed beside the code, as JSON; `PARTITION_KEEPER_CONFIG` names another file. */
async function readConfig(env: NodeJS.ProcessEnv): Promise<Config> {
  const name = env['PARTITION_KEEPER_CONFIG'] ?? 'partitions.config.json';
  const path = resolve(env['LAMBDA_TASK_ROOT'] ?? process.cwd(), name);
  return parseConfig(JSON.parse(await readFile(path, 'utf8')), name);
}

const log = (record: object): void => console.log(JSON.stringify(record));

/** `DATABASE_SECRET_ARN`, or what the command line takes: `DATABASE_URL` or `PG*`. */
function connectionFrom(env: NodeJS.ProcessEnv): Promise<JobOptions['connection']> {
  const arn = env['DATABASE_SECRET_ARN'];
  return arn === undefined
    ? Promise.resolve(connectionSettings(undefined, env))
    : settingsFromSecret(arn, env);
}

async function run(job: Job, payload: unknown, context: InvocationContext): Promise<Report> {
  const { env } = process;
  const common = async () => ({
    config: await readConfig(env),
    connection: await connectionFrom(env),
    signal: AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MS)),
    onStep: ({ schema, table, step }: StepEvent) => log({ event: 'step', job, schema, table, ...step }),
  });
  switch (job) {
    case 'create': {
      const asked = parsePayload('create', payload);
      return runCreate({ ...(await common()), ...asked });
    }
    case 'cleanup': {
      const asked = parsePayload('cleanup', payload);
      return runCleanup({ ...(await common()), ...asked });
    }
    case 'health': {
      const asked = parsePayload('health', payload);
      return runHealth({ ...(await common()), ...asked });
    }
  }
}

const failures = (report: Report): string =>
  report.tables
    .flatMap(({ schema, table, status, error }) =>
      error === undefined || status === 'skipped'
        ? []
        : [`${schema}.${table}: ${error.message} ${error.hint}`],
    )
    .join(' ');

/**
 * The handler of one job. A run in which a table failed or was refused throws after all tables have been dealt
 * with, so that retries, the Errors metric and the failure destination see it; the report is in the log.
 */
export function handlerFor(job: Job): Handler {
  return async (payload, context) => {
    const report = await run(job, payload, context);
    log({ event: 'report', ...report });
    if (!report.ok) throw new Error(`${job} did not succeed. ${failures(report)}`);
    return report;
  };
}
