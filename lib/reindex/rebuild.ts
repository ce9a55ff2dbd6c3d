import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Blocker, ReportError, StepStatus } from '../contract.ts';
import { KeeperError } from '../errors.ts';
import { RESET, type StepOutcome } from '../postgres/apply/apply.ts';
import { explain } from '../postgres/apply/explain.ts';
import { blockersText, endingThem } from '../postgres/apply/patience.ts';
import { CONNECTION_LOST, isConnectionLoss } from '../postgres/connect.ts';
import { codeOf, SQLSTATE } from '../postgres/sqlstate.ts';
import type { Step } from '../postgres/step.ts';
import { readIndexes } from './indexes.ts';
import { leftoversOf } from './leftovers.ts';
import type { LeafIndex } from './model.ts';
import type { IndexWork } from './plan.ts';
import { oldTransactions } from './watch.ts';

const POLL_MS = 500;
/** After a failure: what cannot be removed in that time, the next run removes. */
const TIDYING_MS = 5000;

/** What is told and asked while one connection works. */
export interface Surroundings {
  readonly client: pg.Client;
  readonly tableOid: number;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  readonly onWait: (step: Step, blockers: readonly Blocker[]) => void;
  readonly onOutcome: (outcome: StepOutcome) => void;
  /** Told before and after the statement that may be cancelled. */
  readonly rebuilding: (step: Step | null) => void;
  /** Whom the rebuild was seen waiting for. */
  readonly seen: () => readonly Blocker[];
}

function outOfTime(step: Step, blockers: readonly Blocker[], budgetMs: number): KeeperError {
  return new KeeperError({
    code: 'lock-not-available',
    message: `${step.partition}, ${step.reason}: older transactions did not end within ${Math.round(budgetMs / 1000)} s; in the way: ${blockersText(blockers)}.`,
    hint: endingThem(blockers),
  });
}

/** The statement has no end of its own: it is as good as not begun when the run is stopped. */
const wasStopped = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted && codeOf(error) === SQLSTATE.cancelled;

interface Attempt {
  readonly began: number;
  waitedMs: number;
  readonly met: Map<number, Blocker>;
}

async function untilNoOldTransaction(
  step: Step,
  index: LeafIndex,
  attempt: Attempt,
  around: Surroundings,
): Promise<void> {
  for (;;) {
    around.signal.throwIfAborted();
    const old = await oldTransactions(around.client, index.table);
    if (old.length === 0) return;
    for (const blocker of old) attempt.met.set(blocker.pid, blocker);
    around.onWait(step, old);
    if (attempt.waitedMs + POLL_MS > around.budgetMs)
      throw outOfTime(step, [...attempt.met.values()], around.budgetMs);
    const began = performance.now();
    await sleep(POLL_MS, undefined, { signal: around.signal });
    attempt.waitedMs += performance.now() - began;
  }
}

const outcomeOf = (step: Step, attempt: Attempt, status: StepStatus, error?: ReportError): StepOutcome => ({
  step,
  status,
  attempts: status === 'not-run' ? 0 : 1,
  waitedMs: Math.round(attempt.waitedMs),
  durationMs: Math.round(performance.now() - attempt.began),
  blockers: [...attempt.met.values()],
  ...(error === undefined ? {} : { error }),
});

const GONE: ReportError = {
  code: 'gone',
  message:
    'It is not there any more: its partition was dropped, or it was rebuilt or dropped by somebody else.',
  hint: 'Nothing to do.',
};

/**
 * One step, whatever becomes of it.
 * @param tidying after a failure: not put off, and not cancelled
 */
async function carryOut(
  step: Step,
  index: LeafIndex,
  around: Surroundings,
  tidying = false,
): Promise<StepOutcome> {
  const { client, signal } = around;
  const attempt: Attempt = { began: performance.now(), waitedMs: 0, met: new Map() };
  try {
    if (!tidying) await untilNoOldTransaction(step, index, attempt, around);
    around.rebuilding(tidying ? null : step);
    for (const statement of step.statements) await client.query(statement);
    return outcomeOf(step, attempt, 'done');
  } catch (error) {
    const late = codeOf(error) === SQLSTATE.lockNotAvailable && around.seen().length === 0;
    const seen = late ? await oldTransactions(client, index.table, 0).catch(() => []) : around.seen();
    for (const blocker of seen) attempt.met.set(blocker.pid, blocker);
    if (isConnectionLoss(client, error)) return outcomeOf(step, attempt, 'failed', CONNECTION_LOST);
    if (wasStopped(error, signal)) {
      const { code, message, hint } = explain(signal.reason);
      return outcomeOf(step, attempt, 'not-run', { code, message, hint });
    }
    const told =
      codeOf(error) === SQLSTATE.lockNotAvailable
        ? explain(outOfTime(step, [...attempt.met.values()], around.budgetMs))
        : explain(error);
    return outcomeOf(step, attempt, told.code === 'stopped' ? 'not-run' : 'failed', told);
  } finally {
    around.rebuilding(null);
    await client.query(`ROLLBACK; ${RESET}`).catch(() => undefined);
  }
}

/**
 * Removes what is left over, then rebuilds; what a failed attempt leaves behind is removed at once. Returns the steps,
 * in order, with what became of them.
 */
export async function rebuild(
  work: IndexWork,
  discard: (leftover: LeafIndex, of: LeafIndex, maxWaitMs: number) => Step,
  around: Surroundings,
): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  const note = (outcome: StepOutcome): void => {
    outcomes.push(outcome);
    around.onOutcome(outcome);
  };
  const { index, step } = work;
  const attempt: Attempt = { began: performance.now(), waitedMs: 0, met: new Map() };
  for (const { index: leftover, step: removal } of work.leftovers) {
    // Looked at once more: what is half built may be somebody's who has come to an end since.
    const now = await readIndexes(around.client, around.tableOid);
    const base = now.find(({ name, schema }) => name === index.name && schema === index.schema);
    const still = base !== undefined && leftoversOf(base, now).some(({ oid }) => oid === leftover.oid);
    note(still ? await carryOut(removal, leftover, around) : outcomeOf(removal, attempt, 'not-run', GONE));
    if (outcomes.at(-1)?.status === 'failed') return outcomes;
  }
  if (step === null) return outcomes;
  const before = await readIndexes(around.client, around.tableOid);
  if (!before.some(({ oid, name }) => oid === index.oid && name === index.name)) {
    note(outcomeOf(step, attempt, 'not-run', GONE));
    return outcomes;
  }
  const outcome = await carryOut(step, index, around);
  if (outcome.status === 'done' || outcome.error?.code === CONNECTION_LOST.code) {
    note(outcome);
    return outcomes;
  }
  const after = await readIndexes(around.client, around.tableOid).catch(() => null);
  if (after === null) {
    note(outcome);
    return outcomes;
  }
  const base = after.find(({ name, schema }) => name === index.name && schema === index.schema);
  if (base === undefined) {
    note({ ...outcome, status: 'not-run', error: GONE });
    return outcomes;
  }
  // With another oid it was rebuilt all the same; only the old one, which some transaction still uses, is yet to go.
  const rebuilt = base.oid !== index.oid && base.valid;
  note(rebuilt ? outcomeDone(outcome) : outcome);
  // What was stopped is cleaned up all the same: until then, it costs every write.
  const tidy = { ...around, budgetMs: Math.min(around.budgetMs, TIDYING_MS) };
  for (const leftover of leftoversOf(base, after))
    note(await carryOut(discard(leftover, base, tidy.budgetMs), leftover, tidy, true));
  return outcomes;
}

function outcomeDone({ error: _, ...outcome }: StepOutcome): StepOutcome {
  return { ...outcome, status: 'done', attempts: 1 };
}
