import type { Config } from '../config/config.ts';
import type { Job, Report } from '../contract.ts';
import { runCleanup, runCreate, runHealth } from '../jobs/jobs.ts';
import type { JobOptions } from '../jobs/options.ts';
import { type LogRecord, reportRecords, stepRecord } from '../jobs/records.ts';
import { explain } from '../postgres/apply/explain.ts';
import type { ConnectionSettings } from '../postgres/connection-options.ts';
import type { Outcome, Task } from './agenda.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Pulse } from './pulse.ts';

const RUNS: Readonly<Record<Job, (options: JobOptions) => Promise<Report>>> = {
  create: runCreate,
  cleanup: runCleanup,
  health: runHealth,
};

export interface RunnerOptions {
  readonly config: Config;
  readonly connection: ConnectionSettings;
  /** How long one step may wait for locks, in milliseconds. */
  readonly maxWaitMs: number | undefined;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly pulse: Pulse;
}

/** Refused only: where a table has failed as well, trying again may help that one. */
const resultOf = ({ ok, tables }: Report): Outcome['result'] => {
  if (ok) return 'ok';
  return tables.some(({ status }) => status === 'failed') ? 'failed' : 'refused';
};

/** What can be said once any table could be inspected. */
function missingIn({ tables }: Report): boolean | null {
  const gauges = tables.flatMap((table) => table.gauges ?? []);
  return gauges.length === 0 ? null : gauges.some(({ missing }) => missing > 0);
}

/** How a job is run here: what happens is told to log, metrics and pulse. It never throws. */
export function runnerOf(options: RunnerOptions): (task: Task) => Promise<Outcome> {
  const { config, connection, maxWaitMs, signal, log, metrics, pulse } = options;
  const write = ({ level, event, fields }: LogRecord): void => log(level, event, fields);

  const run = async (job: Job): Promise<Outcome> => {
    const report = await RUNS[job]({
      config,
      connection,
      signal,
      maxWaitMs,
      onBegin: ({ kind }) => pulse.step(kind),
      onStep: (event) => {
        pulse.step(null);
        write(stepRecord(job, event));
      },
      onWait: ({ schema, table, partition, waitingFor }) => {
        pulse.beat();
        log('debug', 'wait', { job, schema, table, partition, waitingFor });
      },
    });
    reportRecords(report).forEach(write);
    metrics.observe(job, report);
    return { result: resultOf(report), missing: missingIn(report) };
  };

  return async ({ job, reason, at }) => {
    log('info', 'begin', { job, reason, due: new Date(at).toISOString() });
    pulse.running(job);
    try {
      return await run(job);
    } catch (error) {
      log('error', 'failed', { job, error: explain(error) });
      metrics.failed(job);
      return { result: 'failed', missing: null };
    } finally {
      pulse.running(null);
    }
  };
}
