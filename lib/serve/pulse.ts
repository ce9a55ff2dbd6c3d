import type { Job } from '../contract.ts';
import type { Clock } from './clock.ts';

/** Signs of life of the scheduler. */
export interface Pulse {
  /** Something has moved: the agenda was looked at, a step was done or waits. */
  readonly beat: () => void;
  /** A run has begun, or ended: null. */
  readonly running: (job: Job | null) => void;
  readonly state: () => PulseState;
}

export interface PulseState {
  /** Whether it has moved as lately as it should. */
  readonly alive: boolean;
  readonly running: Job | null;
  /** Milliseconds since it has moved last. */
  readonly silentMs: number;
}

/** It looks at its agenda every ten seconds. */
const IDLE_LIMIT_MS = 60_000;
/** Each statement of a run has a minute, and each wait for a lock is told of: what takes longer hangs. */
const RUN_LIMIT_MS = 15 * 60_000;

export function pulseOf({ steady }: Pick<Clock, 'steady'>): Pulse {
  let moved = steady();
  let job: Job | null = null;
  const beat = (): void => {
    moved = steady();
  };
  return {
    beat,
    running: (now) => {
      job = now;
      beat();
    },
    state: () => {
      const silentMs = Math.round(steady() - moved);
      return { alive: silentMs <= (job === null ? IDLE_LIMIT_MS : RUN_LIMIT_MS), running: job, silentMs };
    },
  };
}
