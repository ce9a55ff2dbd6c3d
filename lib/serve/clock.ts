import { setTimeout as delay } from 'node:timers/promises';

/** Time, as the process sees it. */
export interface Clock {
  /** The time of day, in milliseconds of the epoch: it can be set, and goes on while the machine sleeps. */
  readonly now: () => number;
  /** Milliseconds since some moment, which nobody can set. */
  readonly steady: () => number;
  /** Waits, or less long when the signal is aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  steady: () => performance.now(),
  pause: async (ms, signal) => {
    // It rejects when it is aborted, and for no other reason.
    await delay(ms, undefined, { signal }).catch(() => undefined);
  },
};
