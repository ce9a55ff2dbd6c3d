import { performance } from 'node:perf_hooks';
import type pg from 'pg';
import type { Blocker, ReportError, StepKind, StepStatus } from '../../contract.ts';
import { CONNECTION_LOST, isConnectionLoss } from '../connect.ts';
import { codeOf, isLockFailure, SQLSTATE } from '../sqlstate.ts';
import { SAVEPOINT, type Step } from '../step.ts';
import { explain } from './explain.ts';
import { readSnapshots } from './holders.ts';
import { type Patience, patience } from './patience.ts';

/** What became of one step. */
export interface StepOutcome {
  readonly step: Step;
  readonly status: StepStatus;
  readonly attempts: number;
  readonly waitedMs: number;
  readonly durationMs: number;
  readonly blockers: readonly Blocker[];
  readonly error?: ReportError;
}

export interface ApplyContext {
  readonly client: pg.Client;
  /** How long one step may wait for locks. */
  readonly budgetMs: number;
  /** No step is begun, and no wait goes on, once it is aborted. */
  readonly signal: AbortSignal;
  /** Told of every step that begins. */
  readonly onBegin?: ((step: Step) => void) | undefined;
  /** Told of every step that is done or failed. */
  readonly onOutcome: (outcome: StepOutcome) => void;
  /** Told whom a step waits for, again and again while it waits. */
  readonly onWait: (step: Step, blockers: readonly Blocker[]) => void;
  /** Told how far a repeated step is, after each round but the last; the next one begins when it returns. */
  readonly betweenRounds?: ((step: Step, progress: Progress) => Promise<void>) | undefined;
}

/** How far a repeated step is. */
export interface Progress {
  readonly finished: number;
  readonly total: number;
  /** Rows dealt with so far, where that is known. */
  readonly rows: number | null;
}

/** Takes back what a step outside a transaction set for the session. */
export const RESET = "RESET ROLE; SET lock_timeout = '2s'; SET statement_timeout = '60s'";

/** Ends whatever a failed step left open. */
async function leaveClean(client: pg.Client): Promise<void> {
  await client.query(`ROLLBACK; ${RESET}`);
}

/** Runs the statements until they are through, retrying what only failed for want of a lock. */
async function runStatements(
  client: pg.Client,
  step: Step,
  patient: Patience,
  count: () => void,
): Promise<void> {
  const restart = step.statements.indexOf(SAVEPOINT) + 1;
  const preparing = step.statements.slice(0, restart);
  const locking = step.statements.slice(restart);
  let prepared = false;
  for (;;) {
    let began = performance.now();
    try {
      if (!prepared) for (const statement of preparing) await client.query(statement);
      prepared = true;
      await patient.untilFree(step.locks);
      count();
      began = performance.now();
      for (const statement of locking) await client.query(statement);
      return;
    } catch (error) {
      if (!isLockFailure(error)) throw error;
      const toSavepoint: boolean = prepared && preparing.length > 0;
      if (toSavepoint) await client.query('ROLLBACK TO SAVEPOINT partition_keeper');
      else await leaveClean(client);
      prepared = toSavepoint;
      if (await detachIsPending(client, step)) return;
      await patient.backOff(step.locks, performance.now() - began);
    }
  }
}

/** How far the step is; null: it is done. */
async function progressOf(client: pg.Client, statements: readonly string[]): Promise<Progress | null> {
  let found: Progress | null = null;
  for (const statement of statements) {
    const { rows } = await client.query<{ finished: number; total: number; rows?: number; done?: boolean }>(
      statement,
    );
    const [row] = rows;
    if (row?.done === false) found = { finished: row.finished, total: row.total, rows: row.rows ?? null };
  }
  return found;
}

/** Runs the statements, over and over where the step says so. */
async function runRounds(
  step: Step,
  context: ApplyContext,
  patient: Patience,
  count: () => void,
): Promise<void> {
  const { client, signal } = context;
  for (;;) {
    await runStatements(client, step, patient, count);
    await client.query(RESET);
    if (step.progress === undefined) return;
    const progress = await progressOf(client, step.progress);
    if (progress === null) return;
    await context.betweenRounds?.(step, progress);
    signal.throwIfAborted();
  }
}

/** Whether the partition of the step is one still. A concurrent detach is two transactions, and may end in between. */
async function attachmentOf(client: pg.Client, step: Step): Promise<'attached' | 'pending' | 'detached'> {
  const { rows } = await client.query<{ pending: boolean }>(
    'SELECT inhdetachpending AS pending FROM pg_inherits WHERE inhrelid = $1',
    [step.partitionOid],
  );
  const [row] = rows;
  if (row === undefined) return 'detached';
  return row.pending ? 'pending' : 'attached';
}

const isPending = async (client: pg.Client, step: Step): Promise<boolean> =>
  (await attachmentOf(client, step)) === 'pending';

/** A concurrent detach that ran into the lock timeout may have got past the point of no return. */
const detachIsPending = async (client: pg.Client, step: Step): Promise<boolean> =>
  step.kind === 'detach' && (await isPending(client, step));

const REMOVES: ReadonlySet<StepKind> = new Set(['detach', 'finalize-detach', 'drop']);

/**
 * After a failure: leaves the session clean, and takes back what an earlier transaction of the step committed, unless
 * the step has got further than that: a detached table without its marker would be nobody's. But where the server
 * knows no such partition, somebody else has taken it away before us, and with our marker a later run would drop it.
 */
async function undo(client: pg.Client, step: Step, error: unknown): Promise<void> {
  await leaveClean(client);
  if (step.undo === undefined) return;
  const attachment = await attachmentOf(client, step);
  const theirs = attachment === 'detached' && codeOf(error) === SQLSTATE.undefinedTable;
  if (attachment !== 'attached' && !theirs) return;
  try {
    for (const statement of step.undo) await client.query(statement);
  } finally {
    // The partition may have another name by now: the failure of that transaction is not for the next step.
    await leaveClean(client);
  }
}

/** Steps that old snapshots may be in the way of, and not only locks. */
const WAITS_FOR_SNAPSHOTS: ReadonlySet<StepKind> = new Set(['finalize-detach', 'switch']);

/** What an interrupted detach means for the application is worse than that the step has failed. */
const halfDetached = (error: ReportError, { partition }: Step): ReportError => ({
  ...error,
  message: `${error.message} ${partition} is half detached now: its rows are not seen through the table, and INSERTs into its range fail, until cleanup has finished that.`,
});

async function applyStep(step: Step, context: ApplyContext): Promise<StepOutcome> {
  const { client, signal } = context;
  // A drop that has another way keeps half of its time for that.
  const share = step.kind === 'drop' && step.fallback !== undefined ? 0.5 : 1;
  const patient = patience(client, {
    budgetMs: context.budgetMs * share,
    signal,
    othersInTheWay: WAITS_FOR_SNAPSHOTS.has(step.kind) ? () => readSnapshots(client) : undefined,
    onWait: (blockers) => context.onWait(step, blockers),
  });
  const began = performance.now();
  let attempts = 0;
  const outcome = (status: StepStatus, error?: ReportError): StepOutcome => ({
    step,
    status,
    attempts,
    waitedMs: patient.waitedMs(),
    durationMs: Math.round(performance.now() - began),
    blockers: patient.blockers(),
    ...(error === undefined ? {} : { error }),
  });
  try {
    signal.throwIfAborted();
    context.onBegin?.(step);
    await runRounds(step, context, patient, () => attempts++);
    return outcome('done');
  } catch (error) {
    const explained = isConnectionLoss(client, error) ? CONNECTION_LOST : explain(error, step.missingGrant);
    await undo(client, step, error).catch(() => undefined);
    const pending = REMOVES.has(step.kind) && (await isPending(client, step).catch(() => false));
    return outcome(
      explained.code === 'stopped' ? 'not-run' : 'failed',
      pending ? halfDetached(explained, step) : explained,
    );
  }
}

/** Whether all who were in the way hold nothing but the partition itself, which no other way to remove it spares. */
export const heldItself = ({ step, blockers }: StepOutcome): boolean =>
  blockers.length > 0 && blockers.every(({ relation }) => relation === step.partition);

const wantsFallback = async (outcome: StepOutcome, context: ApplyContext): Promise<boolean> => {
  const { step, status, error } = outcome;
  if (step.fallback === undefined) return false;
  if (step.kind === 'detach') return status === 'done' && (await detachIsPending(context.client, step));
  if (step.kind === 'create') return status === 'failed' && error?.code === SQLSTATE.checkViolation;
  // A column that was added while the detach was pending is not in the partition, and some servers then never finish it.
  const stuck = step.kind === 'finalize-detach' && error?.code === SQLSTATE.datatypeMismatch;
  if (step.kind === 'drop' && heldItself(outcome)) return false;
  return status === 'failed' && (error?.code === 'lock-not-available' || stuck);
};

/** The step that came instead of another, with the time and the sessions that the attempt at that one has met. */
const after = (given: StepOutcome, instead: StepOutcome): StepOutcome => ({
  ...instead,
  waitedMs: given.waitedMs + instead.waitedMs,
  durationMs: given.durationMs + instead.durationMs,
  blockers: [...given.blockers, ...instead.blockers],
});

/**
 * Applies the steps of one unit (everything about one partition) in order. Stops at the first failure; a
 * fallback that ends in a drop completes the unit.
 */
export async function applyUnit(steps: readonly Step[], context: ApplyContext): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  for (const step of steps) {
    const outcome = await applyStep(step, context);
    if (await wantsFallback(outcome, context)) {
      const instead = step.fallback ?? [];
      if (outcome.status === 'done') {
        context.onOutcome(outcome);
        outcomes.push(outcome);
      }
      const others = await applyUnit(instead, context);
      if (outcome.status !== 'done')
        others.splice(0, 1, ...others.slice(0, 1).map((first) => after(outcome, first)));
      outcomes.push(...others);
      if (others.some(({ status }) => status !== 'done') || others.at(-1)?.step.kind === 'drop')
        return outcomes;
      continue;
    }
    context.onOutcome(outcome);
    outcomes.push(outcome);
    if (outcome.status !== 'done') return outcomes;
  }
  return outcomes;
}
