import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Blocker } from '../contract.ts';
import type { StepOutcome } from '../postgres/apply/apply.ts';
import { explain, HOPELESS } from '../postgres/apply/explain.ts';
import { CONNECTION_LOST, isConnectionLoss } from '../postgres/connect.ts';
import type { Session } from '../postgres/session.ts';
import type { Step } from '../postgres/step.ts';
import type { IndexWork, ReindexPlan } from './plan.ts';
import { rebuild } from './rebuild.ts';
import { look, type Sight } from './watch.ts';

export interface PoolOptions {
  readonly plan: ReindexPlan;
  readonly tableOid: number;
  /** The connection that watches the others, and cancels them. */
  readonly watcher: pg.Client;
  /** Opens one more connection. */
  readonly open: () => Promise<Session>;
  readonly jobs: number;
  /** Told when the server has no connection left for some of the jobs. */
  readonly onFewer: (connections: number, jobs: number) => void;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  readonly onOutcome: (outcome: StepOutcome) => void;
  readonly onWait: (step: Step, blockers: readonly Blocker[]) => void;
  /** Told again and again what is being rebuilt, and how far it is. */
  readonly onSight: (sights: readonly (readonly [Step, Sight])[]) => void;
}

/** What one connection is at. */
interface Worker {
  readonly pid: number;
  step: Step | null;
  blockers: readonly Blocker[];
}

const POLL_MS = 500;

/** No other index would fare better, nor where no lock on one partition is in the way but a snapshot, for all of them. */
const isHopeless = ({ error, blockers }: StepOutcome): boolean =>
  error !== undefined &&
  (HOPELESS.includes(error.code) ||
    (error.code === 'lock-not-available' && blockers.some(({ lockMode }) => lockMode === 'snapshot')));

async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** Looks at the workers until all are at their end, and cancels what they are at when the run is stopped. */
async function watch(
  workers: ReadonlySet<Worker>,
  working: Promise<unknown>,
  options: PoolOptions,
): Promise<void> {
  let over = false;
  working.then(
    () => (over = true),
    () => (over = true),
  );
  const { watcher, signal } = options;
  while (!over) {
    const busy = [...workers].flatMap((worker) =>
      worker.step === null ? [] : [{ worker, step: worker.step }],
    );
    const sights = await look(
      watcher,
      busy.map(({ worker }) => worker.pid),
    );
    const seen = busy.flatMap(({ worker, step }) => {
      const sight = sights.find(({ pid }) => pid === worker.pid);
      return sight === undefined || worker.step !== step ? [] : [{ worker, step, sight }];
    });
    for (const { worker, step, sight } of seen) {
      worker.blockers = sight.blockers;
      if (sight.blockers.length > 0) options.onWait(step, sight.blockers);
    }
    if (seen.length > 0) options.onSight(seen.map(({ step, sight }) => [step, sight]));
    if (signal.aborted) {
      const pids = busy.flatMap(({ worker, step }) => (worker.step === step ? [worker.pid] : []));
      await watcher.query('SELECT pg_cancel_backend(pid) FROM unnest($1::int[]) AS pid', [pids]);
    }
    await Promise.race([working, sleep(POLL_MS, undefined, signal.aborted ? {} : { signal })]).catch(
      () => undefined,
    );
  }
}

/** What cannot even be looked at has failed, and keeps the others' connections from nothing. */
const brokenOff = ({ step, leftovers }: IndexWork, client: pg.Client, error: unknown): StepOutcome => {
  const failed = step ?? leftovers[0]?.step;
  if (failed === undefined) throw error;
  return {
    step: failed,
    status: 'failed',
    attempts: 0,
    waitedMs: 0,
    durationMs: 0,
    blockers: [],
    error: isConnectionLoss(client, error) ? CONNECTION_LOST : explain(error),
  };
};

/** As many as can be had, at least one. */
async function openSessions(count: number, { open, onFewer }: PoolOptions): Promise<Session[]> {
  const sessions: Session[] = [];
  while (sessions.length < count) {
    try {
      sessions.push(await open());
    } catch (error) {
      if (sessions.length === 0) throw error;
      onFewer(sessions.length, count);
      break;
    }
  }
  return sessions;
}

/**
 * Rebuilds, table by table, so many at a time, each over a connection of its own: of one table never two.
 * @returns what became of each step that was dealt with
 */
export async function rebuildAll(options: PoolOptions): Promise<StepOutcome[]> {
  const { plan, signal } = options;
  const queue = [...plan.units];
  const outcomes: StepOutcome[] = [];
  const workers = new Set<Worker>();
  let hopeless = false;

  const work = async (client: pg.Client, worker: Worker, unit: readonly IndexWork[]): Promise<void> => {
    for (const item of unit) {
      if (hopeless || signal.aborted) return;
      const found = await rebuild(item, plan.discard, {
        client,
        tableOid: options.tableOid,
        budgetMs: options.budgetMs,
        signal,
        onWait: options.onWait,
        onOutcome: options.onOutcome,
        rebuilding: (step) => {
          worker.step = step;
          worker.blockers = [];
        },
        seen: () => worker.blockers,
      }).catch((error: unknown) => [brokenOff(item, client, error)]);
      outcomes.push(...found);
      hopeless ||= found.some(isHopeless);
    }
  };

  const workThrough = async ({ client }: Session): Promise<void> => {
    const worker: Worker = { pid: await pidOf(client), step: null, blockers: [] };
    workers.add(worker);
    for (let unit = queue.shift(); unit !== undefined && !hopeless; unit = queue.shift())
      await work(client, worker, unit);
  };

  const sessions = await openSessions(Math.min(options.jobs, plan.units.length), options);
  const working = Promise.allSettled(
    sessions.map((session) =>
      workThrough(session).finally(() => session.client.end().catch(() => undefined)),
    ),
  );
  try {
    await watch(workers, working, options);
  } catch (error) {
    hopeless = true;
    await working;
    throw error;
  }
  const failed = (await working).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return outcomes;
}
