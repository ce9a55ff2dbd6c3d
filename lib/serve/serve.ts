import type { Config } from '../config/config.ts';
import type { Schedules } from '../config/schedules.ts';
import { JOBS, type Job } from '../contract.ts';
import type { ConnectionSettings } from '../postgres/connection-options.ts';
import { type Address, addressText } from './address.ts';
import { type Agenda, nextRun, nextTask, type Timetable } from './agenda.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Endpoints, json, listen } from './http.ts';
import type { Log } from './log.ts';
import { loop } from './loop.ts';
import { createMetrics } from './metrics.ts';
import { occurrencesOf } from './occurrences.ts';
import { pulseOf } from './pulse.ts';
import { databaseProbe } from './readiness.ts';
import { runnerOf } from './run-job.ts';

export interface ServeOptions {
  readonly config: Config;
  readonly connection: ConnectionSettings;
  readonly schedules: Schedules;
  readonly listen: Address;
  readonly log: Log;
  /** Ends it in good order: the run at hand begins no further step. */
  readonly signal: AbortSignal;
  /** How long one step may wait for locks, in milliseconds. Default: one minute. */
  readonly maxWaitMs?: number | undefined;
  readonly clock?: Clock;
}

function timetableOf({ patterns, timeZone }: Schedules): Timetable {
  const of = (job: Job) => {
    const pattern = patterns[job];
    return pattern === null ? null : occurrencesOf(pattern, timeZone);
  };
  return { create: of('create'), cleanup: of('cleanup'), health: of('health') };
}

/**
 * Runs the jobs by their schedules, and answers to whoever watches over them, until the signal comes. A database
 * that does not answer, at the beginning or later, does not end it.
 * @throws KeeperError `cannot-listen`, before anything else is done
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { config, connection, schedules, log, signal, maxWaitMs, clock = systemClock } = options;
  const timetable = timetableOf(schedules);
  const pulse = pulseOf(clock);
  const probe = databaseProbe(connection, clock);
  let agenda: Agenda | undefined;
  const nextOf = (job: Job): number | null =>
    agenda === undefined ? null : (nextRun(timetable, agenda, job)?.at ?? null);
  const nextRuns = (): Record<string, string | null> =>
    Object.fromEntries(
      JOBS.map((job) => {
        const next = nextOf(job);
        return [job, next === null ? null : new Date(next).toISOString()];
      }),
    );
  const metrics = createMetrics(connection.database, nextOf);

  const endpoints: Endpoints = {
    '/healthz': () => {
      const { alive, running, silentMs } = pulse.state();
      const status = alive ? (signal.aborted ? 'stopping' : 'ok') : 'stuck';
      return json(alive ? 200 : 503, { status, running, silentMs, nextRuns: nextRuns() });
    },
    '/readyz': async () => {
      if (signal.aborted) return json(503, { status: 'stopping' });
      const { ok, ...answer } = await probe();
      return ok
        ? json(200, { status: 'ready', ...answer, tables: config.tables.length })
        : json(503, { status: 'not ready', ...answer });
    },
    '/metrics': async () => ({
      status: 200,
      contentType: metrics.contentType,
      body: await metrics.text(),
    }),
  };
  const door = await listen(options.listen, endpoints, (error) =>
    log('error', 'http', { reason: error instanceof Error ? error.message : String(error) }),
  );
  log('info', 'listening', { address: addressText(door.address), schedules });
  let told = '';
  try {
    await loop({
      timetable,
      clock,
      signal,
      run: runnerOf({ config, connection, maxWaitMs, signal, log, metrics, pulse }),
      onLook: (now) => {
        agenda = now;
        pulse.beat();
        const next = nextRuns();
        const isDue = (nextTask(timetable, now)?.at ?? Number.POSITIVE_INFINITY) <= now.clock;
        if (isDue || JSON.stringify(next) === told) return;
        log('info', 'next runs', next);
        told = JSON.stringify(next);
      },
      onClockChange: (byMs) => log('warn', 'clock changed', { byMs }),
    });
  } finally {
    await door.close();
    log('info', 'stopped');
  }
}
