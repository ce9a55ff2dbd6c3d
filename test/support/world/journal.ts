/** Something by hand that may disturb others, from its beginning to its end. */
interface Disturbance {
  readonly what: string;
  ended: number;
}

/** What happened in a world, in order, and what should not have. */
export interface Journal {
  readonly tell: (who: string, what: string) => void;
  readonly complain: (who: string, what: string) => void;
  readonly complaints: readonly string[];
  readonly count: (what: string, times?: number) => void;
  readonly counts: Readonly<Record<string, number>>;
  /** Notes that something begins that others may feel; what is returned ends it. */
  readonly disturb: (what: string) => () => void;
  /** Whether something of the kind, or anything at all, went on at some time since. */
  readonly wasDisturbed: (since: number, what?: string) => boolean;
  readonly text: () => string;
}

export function createJournal(): Journal {
  const began = performance.now();
  const lines: string[] = [];
  const complaints: string[] = [];
  const counts: Record<string, number> = {};
  const disturbances: Disturbance[] = [];
  const tell = (who: string, what: string): void =>
    void lines.push(`${String(Math.round(performance.now() - began)).padStart(6)} ms ${who}: ${what}`);
  return {
    tell,
    complain: (who, what) => {
      tell(who, `WRONG: ${what}`);
      complaints.push(`${who}: ${what}`);
    },
    complaints,
    count: (what, times = 1) => {
      counts[what] = (counts[what] ?? 0) + times;
    },
    counts,
    disturb: (what) => {
      const disturbance: Disturbance = { what, ended: Number.POSITIVE_INFINITY };
      disturbances.push(disturbance);
      return () => {
        disturbance.ended = performance.now();
      };
    },
    wasDisturbed: (since, what) =>
      disturbances.some(
        (disturbance) => disturbance.ended >= since && (what === undefined || disturbance.what === what),
      ),
    text: () => lines.join('\n'),
  };
}
