import type { Moment, Stretch } from './axis.ts';

/** A stretch that may be without a partition, since when, and until when. */
interface Gap {
  readonly stretch: Stretch;
  readonly opened: number;
  /** When whatever made it had ended: a partition made by a run that began later closes it. */
  settled: number;
  closed: number;
}

/** Where an INSERT may fail for want of a partition, and when. */
export interface Coverage {
  /** Somebody takes a partition away; `keep` if it stays after all. */
  readonly open: (stretch: Stretch) => { readonly settle: () => void; readonly keep: () => void };
  /** A run that began at the time given has created a partition. */
  readonly close: (stretch: Stretch, runBegan: number) => void;
  /** Whether the key may have had no partition at some time since. */
  readonly mayLack: (key: Moment, since: number) => boolean;
}

/** @param lacking stretches without a partition at the start */
export function createCoverage(lacking: readonly Stretch[]): Coverage {
  const gaps: Gap[] = lacking.map((stretch) => ({
    stretch,
    opened: 0,
    settled: 0,
    closed: Number.POSITIVE_INFINITY,
  }));
  return {
    open(stretch) {
      const gap: Gap = {
        stretch,
        opened: performance.now(),
        settled: Number.POSITIVE_INFINITY,
        closed: Number.POSITIVE_INFINITY,
      };
      gaps.push(gap);
      return {
        settle: () => {
          gap.settled = performance.now();
        },
        keep: () => {
          gap.closed = performance.now();
        },
      };
    },
    close({ from, to }, runBegan) {
      for (const gap of gaps) {
        const covered = from <= gap.stretch.from && gap.stretch.to <= to;
        if (covered && gap.settled < runBegan) gap.closed = Math.min(gap.closed, performance.now());
      }
    },
    mayLack: (key, since) =>
      gaps.some(({ stretch, closed }) => stretch.from <= key && key < stretch.to && closed >= since),
  };
}
