import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Blocker } from '../../contract.ts';
import { KeeperError } from '../../errors.ts';
import type { LockNeed } from '../step.ts';
import { type Holder, readHolders } from './holders.ts';

/** A holder younger than this is gone by the time we ask for the lock. */
const SHORT_MS = 50;
/** Longer than that by more than a timer is early: who is still there at the second look is not young. */
const LOOK_AGAIN_MS = 60;
const POLL_MS = 100;
/**
 * Where transactions that are somewhat longer follow each other without a gap, a look finds the lock free only when
 * one has just begun, and the attempt is in vain. So after one such attempt, or after waiting for this long, only a
 * holder older than this is waited for: of the others, one may be about to end, and whoever queues behind us
 * meanwhile does so for no longer than the lock timeout.
 */
const BUSY_MS = 1000;
/** So many sessions are named when time is up; the report has all of them. */
const NAMED = 5;
const FIRST_BACKOFF_MS = 200;
const BACKOFF_FACTOR = 1.5;
const LONGEST_BACKOFF_MS = 1500;

/** Waiting for locks in a way that lets nobody wait behind us, within a budget of time. */
export interface Patience {
  /** Returns when no long transaction holds a conflicting lock. Waits outside every lock queue. */
  untilFree(needs: readonly LockNeed[]): Promise<void>;
  /** After an attempt ran into its lock timeout: notes who was in the way, and pauses. */
  backOff(needs: readonly LockNeed[], attemptMs: number): Promise<void>;
  readonly waitedMs: () => number;
  readonly blockers: () => Blocker[];
}

/** @param locks of one session, at least one */
const describe = (locks: readonly [Blocker, ...Blocker[]]): string => {
  const [blocker] = locks;
  const held = locks.map(({ lockMode, relation }) => `${lockMode} on ${relation}`).join(' and ');
  const who = [
    blocker.application,
    blocker.user === null ? null : `role ${blocker.user}`,
    blocker.state,
    blocker.ageSeconds === null ? null : `in a transaction for ${blocker.ageSeconds} s`,
  ].filter((part) => part !== null);
  const query = blocker.query === null ? '' : `: ${blocker.query.replace(/\s+/g, ' ').slice(0, 120)}`;
  return `pid ${blocker.pid} (${[...who, held].join(', ')}${query})`;
};

/** Who is in the way, for a sentence. */
export function blockersText(blockers: readonly Blocker[]): string {
  if (blockers.length === 0) return 'nobody long enough to be seen';
  const oldest = blockers.toSorted((one, other) => (other.ageSeconds ?? 0) - (one.ageSeconds ?? 0));
  // Prepared transactions have no process.
  const sessions = [...Map.groupBy(oldest, ({ pid, relation }) => (pid === 0 ? relation : pid)).values()];
  const named = sessions
    .slice(0, NAMED)
    .flatMap(([first, ...others]) => (first === undefined ? [] : [describe([first, ...others])]));
  const more = sessions.length > NAMED ? [`and ${sessions.length - NAMED} more`] : [];
  return [...named, ...more].join('; ');
}

/** What to do about those who are in the way. */
export function endingThem(blockers: readonly Blocker[]): string {
  const pids = [...new Set(blockers.map(({ pid }) => pid))].filter((pid) => pid !== 0);
  return pids.length === 0
    ? 'Run the command again in a quieter moment, or allow it more time with --max-wait.'
    : `Wait for these transactions and run the command again, or have an administrator end them: ${pids.map((pid) => `SELECT pg_terminate_backend(${pid});`).join(' ')}`;
}

function outOfTime(needs: readonly LockNeed[], blockers: readonly Blocker[], budgetMs: number): KeeperError {
  const relations = [...new Set(needs.map(({ relation }) => relation))].join(', ');
  return new KeeperError({
    code: 'lock-not-available',
    message: `No lock on ${relations} could be had within ${Math.round(budgetMs / 1000)} s without making others wait; in the way: ${blockersText(blockers)}.`,
    hint: endingThem(blockers),
  });
}

export interface PatienceOptions {
  /** How long all waiting together may take. */
  readonly budgetMs: number;
  /** Ends the waiting early. */
  readonly signal: AbortSignal;
  /** Who may have been in the way of an attempt besides those who hold locks. */
  readonly othersInTheWay?: (() => Promise<Holder[]>) | undefined;
  /** Told whom is waited for, each time before a pause. */
  readonly onWait: (blockers: readonly Blocker[]) => void;
}

export function patience(client: pg.Client, options: PatienceOptions): Patience {
  const { budgetMs, signal, othersInTheWay = async () => [], onWait } = options;
  const firstSeen = new Map<string, number>();
  const met = new Map<string, Blocker>();
  let waited = 0;
  let backoff = FIRST_BACKOFF_MS;
  let longMs = SHORT_MS;

  const note = (holders: readonly Holder[]): void => {
    for (const { transaction, ...blocker } of holders) {
      // A session that comes again and again is named once; prepared transactions have none.
      met.set(`${blocker.pid === 0 ? transaction : blocker.pid} ${blocker.relation}`, blocker);
    }
    if (holders.length > 0) onWait(holders);
  };

  const pause = async (milliseconds: number, needs: readonly LockNeed[]): Promise<void> => {
    if (waited + milliseconds > budgetMs) throw outOfTime(needs, [...met.values()], budgetMs);
    const began = performance.now();
    await sleep(milliseconds, undefined, { signal });
    waited += performance.now() - began;
  };

  /** By the server's word or, where a role may not see that, since it was seen first. In milliseconds. */
  const ageOf = (holder: Holder, now: number): number => {
    const key = `${holder.pid} ${holder.transaction}`;
    const seen = firstSeen.get(key) ?? now;
    firstSeen.set(key, seen);
    return Math.max(now - seen, (holder.ageSeconds ?? 0) * 1000);
  };

  return {
    async untilFree(needs) {
      if (needs.length === 0) return;
      const began = performance.now();
      // Whoever shows up only in a second look began after the first one, and so is young.
      for (let lookedBefore = false; ; lookedBefore = true) {
        const holders = await readHolders(client, needs);
        const now = performance.now();
        if (now - began >= BUSY_MS) longMs = BUSY_MS;
        const long = holders.filter((holder) => ageOf(holder, now) >= longMs);
        const doubtful = !lookedBefore && holders.some(({ ageSeconds }) => ageSeconds === null);
        if (long.length === 0 && !doubtful) return;
        note(long);
        await pause(long.length > 0 ? POLL_MS : LOOK_AGAIN_MS, needs);
      }
    },
    async backOff(needs, attemptMs) {
      waited += attemptMs;
      longMs = BUSY_MS;
      note(await readHolders(client, needs));
      note(await othersInTheWay());
      // Jitter keeps two runs from meeting again and again.
      await pause(backoff * (0.5 + Math.random()), needs);
      backoff = Math.min(backoff * BACKOFF_FACTOR, LONGEST_BACKOFF_MS);
    },
    waitedMs: () => Math.round(waited),
    blockers: () => [...met.values()],
  };
}
