import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Config, parseConfig } from '../lib/config/config.ts';
import { parsePayload } from '../lib/config/payload.ts';
import { ANSWER_IN_ANY_CASE, CONFIG_FILE, ENVIRONMENT, type Job, type Report } from '../lib/contract.ts';
import { KeeperError } from '../lib/errors.ts';
import { runCleanup, runCreate, runHealth } from '../lib/jobs/jobs.ts';
import type { JobOptions } from '../lib/jobs/options.ts';
import { reportRecords, stepRecord } from '../lib/jobs/records.ts';
import { SQLSTATE } from '../lib/postgres/sqlstate.ts';
import { credentials } from './credentials.ts';
import { logger, writeRecord } from './log.ts';
import { measurementsOf, measurementsOfFailure, publish } from './metrics.ts';

/** The part of Lambda's context that is used. */
export interface InvocationContext {
  readonly awsRequestId: string;
  readonly getRemainingTimeInMillis: () => number;
  /** What the caller sends beside the payload. */
  readonly clientContext?: unknown;
}

export type Handler = (payload: unknown, context: InvocationContext) => Promise<Report>;

/** Kept of the remaining time for the last step at hand, the second inspection and the report. */
const RESERVE_MS = 10_000;

/** The config is packed beside the code, as JSON. */
async function readConfig(env: NodeJS.ProcessEnv): Promise<Config> {
  const name = env[ENVIRONMENT.config] ?? CONFIG_FILE;
  const path = resolve(env['LAMBDA_TASK_ROOT'] ?? process.cwd(), name);
  return parseConfig(JSON.parse(await readFile(path, 'utf8')), name);
}

/** A job as the payload asks for it. */
interface Asked {
  readonly run: (common: JobOptions) => Promise<Report>;
  /** All tables, and not a dry run: what the schedules ask for. */
  readonly complete: boolean;
}

/** @throws KeeperError on a payload that is not understood; nothing has been done then */
function ask(job: Job, payload: unknown): Asked {
  switch (job) {
    case 'create': {
      const asked = parsePayload('create', payload);
      const restricted = asked.tables ?? asked.from ?? asked.to;
      return {
        run: (common) => runCreate({ ...common, ...asked }),
        complete: restricted === undefined && asked.dryRun !== true,
      };
    }
    case 'cleanup': {
      const asked = parsePayload('cleanup', payload);
      const restricted = asked.tables ?? asked.partitions;
      return {
        run: (common) => runCleanup({ ...common, ...asked }),
        complete: restricted === undefined && asked.dryRun !== true,
      };
    }
    case 'health': {
      const asked = parsePayload('health', payload);
      return {
        run: (common) => runHealth({ ...common, ...asked }),
        complete: asked.tables === undefined,
      };
    }
  }
}

const isRefusedPassword = (error: unknown): boolean =>
  error instanceof KeeperError && error.code === SQLSTATE.invalidPassword;

/** A secret that was rotated since it was cached is fetched anew, once; nothing has been done by then. */
async function withCredentials(
  run: (connection: JobOptions['connection']) => Promise<Report>,
): Promise<Report> {
  const { settings, cached } = await credentials(process.env, false);
  try {
    return await run(settings);
  } catch (error) {
    if (!cached || !isRefusedPassword(error)) throw error;
    logger.warn('The password was refused; fetching the secret anew.');
    return run((await credentials(process.env, true)).settings);
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

/** What a failed invocation shows, and its failure destination gets: the hint is part of it. */
const told = (error: unknown): unknown =>
  error instanceof KeeperError ? new Error(`${error.message} ${error.hint}`, { cause: error }) : error;

/** Whether somebody waits for the report, whatever it says. */
function wantsAnswer({ clientContext: sent }: InvocationContext): boolean {
  const custom: unknown =
    typeof sent === 'object' && sent !== null && 'custom' in sent ? sent.custom : undefined;
  if (typeof custom !== 'object' || custom === null || !('answer' in custom)) return false;
  return custom.answer === ANSWER_IN_ANY_CASE.custom.answer;
}

/**
 * The handler of one job. A run in which a table failed or was refused throws after all tables have been dealt
 * with, so that retries, the Errors metric and the failure destination see it; the report is in the log.
 * A caller who asks for the report in any case gets it as the answer.
 */
export function handlerFor(job: Job): Handler {
  return async (payload, context) => {
    logger.resetKeys();
    logger.appendKeys({ requestId: context.awsRequestId, job });
    const signal = AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MS));
    let asked: Asked;
    try {
      asked = ask(job, payload);
    } catch (error) {
      // A mistake of whoever invoked it says nothing about the job: no metric.
      logger.error('refused', { payload, error });
      throw told(error);
    }
    let database = process.env[ENVIRONMENT.database] ?? process.env['PGDATABASE'] ?? 'postgres';
    let report: Report;
    try {
      const config = await readConfig(process.env);
      report = await withCredentials((connection) => {
        database = process.env[ENVIRONMENT.database] ?? connection.database;
        return asked.run({
          config,
          connection,
          signal,
          onStep: (event) => writeRecord(stepRecord(job, event)),
        });
      });
    } catch (error) {
      logger.error('failed', { error });
      publish(measurementsOfFailure(database, job, asked.complete));
      throw told(error);
    }
    reportRecords(report).forEach(writeRecord);
    publish(measurementsOf(database, job, report, asked.complete));
    if (!report.ok && !wantsAnswer(context)) throw new Error(`${job} did not succeed. ${failures(report)}`);
    return report;
  };
}
