import { Cron } from 'croner';

/** When a cron expression says that something is to be run. Instants are milliseconds of the epoch. */
export interface Occurrences {
  /** The first occurrence later than the instant; null: none ever. */
  readonly after: (instant: number) => number | null;
  /** The last occurrence at the instant or before it; null: none ever. */
  readonly latest: (instant: number) => number | null;
}

/**
 * @param pattern a valid cron expression of five fields
 * @param timeZone whose clock it means: an hour that a change of clocks leaves out is made up for, one that it
 *   repeats counts once
 */
export function occurrencesOf(pattern: string, timeZone: string): Occurrences {
  const cron = new Cron(pattern, { paused: true, mode: '5-part', timezone: timeZone });
  return {
    after: (instant) => cron.nextRun(new Date(instant))?.getTime() ?? null,
    // Croner looks for those before, in whole seconds.
    latest: (instant) =>
      cron.previousRuns(1, new Date(Math.floor(instant / 1000) * 1000 + 1000))[0]?.getTime() ?? null,
  };
}
