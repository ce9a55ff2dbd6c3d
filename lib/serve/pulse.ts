import type { Job, StepKind } from '../contract.ts';
import type { Clock } from './clock.ts';

/** Signs of life of the scheduler. */
export interface Pulse {
  /** Something has moved: the agenda was looked at, a step waits. */
  readonly beat: () => void;
  /** A run has begun, or ended: null. */
  readonly running: (job: Job | null) => void;
  /** A step of the run has begun, or ended: null. */
  readonly step: (kind: StepKind | null) => void;
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
/** The statements of a run have a minute each, and each wait for a lock is told of: what takes longer hangs. */
const RUN_LIMIT_MS = 15 * 60_000;
/** But for those that move rows out of a default partition: they take as long as there are rows, and tell nothing. */
const MOVE_LIMIT_MS = 24 * 60 * 60_000;

export function pulseOf({ steady }: Pick<Clock, 'steady'>): Pulse {
  let moved = steady();
  let job: Job | null = null;
  let step: StepKind | null = null;
  const limitMs = (): number => {
    if (job === null) return IDLE_LIMIT_MS;
    return step === 'move-rows' ? MOVE_LIMIT_MS : RUN_LIMIT_MS;
  };
  const beat = (): void => {
    moved = steady();
  };
  return {
    beat,
    running: (now) => {
      job = now;
      step = null;
      beat();
    },
    step: (now) => {
      step = now;
      beat();
    },
    state: () => {
      const silentMs = Math.round(steady() - moved);
      return { alive: silentMs <= limitMs(), running: job, silentMs };
    },
  };
}
