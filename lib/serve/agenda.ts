import { JOBS, type Job } from '../contract.ts';
import type { Occurrences } from './occurrences.ts';

/**
 * What is to be run when, as plain arithmetic: every instant, in milliseconds of the epoch, comes from outside, and
 * no function here waits or asks a clock.
 */

/** Why a job is run. */
export type Reason =
  /** It is due by its schedule. */
  | 'schedule'
  /** The process has just begun, and does not know how things are, nor what was due while nobody was there. */
  | 'start'
  /** The run before has failed. */
  | 'retry'
  /** Another job has seen that partitions are missing. */
  | 'catch-up';

interface Extra {
  readonly at: number;
  readonly reason: Exclude<Reason, 'schedule'>;
}

/** What is known of one job. */
interface Entry {
  /** Occurrences up to this instant have been dealt with. */
  readonly since: number;
  /** The occurrence that was run last; null before the first. */
  readonly last: number | null;
  /** A run besides the schedule. */
  readonly extra: Extra | null;
  /** Runs that have failed one after the other, up to now. */
  readonly failures: number;
}

/** What is to be run, as far as it is known. */
export interface Agenda {
  /** The latest instant that was looked at. */
  readonly clock: number;
  readonly jobs: Readonly<Record<Job, Entry>>;
  /** Creates that have left partitions missing, one after the other, up to now. */
  readonly inVain: number;
}

/** The occurrences of each job; null: it has no schedule and is not run. */
export type Timetable = Readonly<Record<Job, Occurrences | null>>;

/** A run that is due. */
export interface Task {
  readonly job: Job;
  readonly reason: Reason;
  /** When it should have begun. */
  readonly at: number;
}

/** How a run ended, as far as it matters for what is to be run next. */
export interface Outcome {
  /** `refused`: by a guard, which trying again would not change. */
  readonly result: 'ok' | 'refused' | 'failed';
  /** Whether partitions are missing; null when it could not be seen. */
  readonly missing: boolean | null;
}

const FIRST_RETRY_MS = 60_000;
const LAST_RETRY_MS = 3_600_000;

/** A minute after the first failure, then twice as long each time, up to an hour. */
export const retryDelayMs = (failures: number): number =>
  Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS);

const perJob = (entry: (job: Job) => Entry): Agenda['jobs'] => ({
  create: entry('create'),
  cleanup: entry('cleanup'),
  health: entry('health'),
});

const withEntry = (agenda: Agenda, job: Job, changes: Partial<Entry>): Agenda => ({
  ...agenda,
  jobs: { ...agenda.jobs, [job]: { ...agenda.jobs[job], ...changes } },
});

/**
 * Nothing is known of what was run before. So create is run at once, which does nothing where nothing is to be done,
 * and things are looked at. Cleanup waits for its schedule.
 */
export const begin = (now: number): Agenda => ({
  clock: now,
  jobs: perJob((job) => ({
    since: now,
    last: null,
    extra: job === 'cleanup' ? null : { at: now, reason: 'start' },
    failures: 0,
  })),
  inVain: 0,
});

/**
 * Takes note of the time. Where the clock has been set back, what is ahead of it is ahead again, but for the
 * occurrence of each job that was run last; retries keep their distance.
 */
export function observed(agenda: Agenda, now: number): Agenda {
  const back = agenda.clock - now;
  if (back <= 0) return { ...agenda, clock: now };
  const jobs = perJob((job) => {
    const { since, extra, ...entry } = agenda.jobs[job];
    return {
      ...entry,
      since: Math.min(since, now),
      extra: extra === null ? null : { ...extra, at: extra.at - back },
    };
  });
  return { ...agenda, clock: now, jobs };
}

/** The next occurrence that has not been run. */
function nextOccurrence(occurrences: Occurrences, { since, last }: Entry): number | null {
  const next = occurrences.after(since);
  return next !== null && next === last ? occurrences.after(next) : next;
}

/** When the job is run next, and why; null: never. */
export function nextRun(timetable: Timetable, agenda: Agenda, job: Job): Task | null {
  const occurrences = timetable[job];
  if (occurrences === null) return null;
  const entry = agenda.jobs[job];
  const scheduled = nextOccurrence(occurrences, entry);
  const { extra } = entry;
  if (extra !== null && (scheduled === null || extra.at < scheduled)) return { job, ...extra };
  return scheduled === null ? null : { job, reason: 'schedule', at: scheduled };
}

/** The run that comes first of all; of those due at the same time create, then cleanup, then health. */
export function nextTask(timetable: Timetable, agenda: Agenda): Task | null {
  const tasks = JOBS.flatMap((job) => nextRun(timetable, agenda, job) ?? []);
  return tasks.reduce<Task | null>(
    (first, task) => (first === null || task.at < first.at ? task : first),
    null,
  );
}

/** The run has begun: it stands for every occurrence up to now, and for the retry that was due. */
export function started(timetable: Timetable, agenda: Agenda, job: Job, now: number): Agenda {
  const noted = observed(agenda, now);
  const { since, last } = noted.jobs[job];
  const latest = timetable[job]?.latest(now) ?? null;
  return withEntry(noted, job, {
    since: now,
    last: latest !== null && latest > since ? latest : last,
    extra: null,
  });
}

/**
 * The run has ended. A failure is tried again, unless the schedule comes before. Where any other job has seen that
 * partitions are missing, create follows: at once, but after creates in vain as late as after failures.
 */
export function finished(agenda: Agenda, job: Job, { result, missing }: Outcome, now: number): Agenda {
  const noted = observed(agenda, now);
  const failures = result === 'failed' ? noted.jobs[job].failures + 1 : 0;
  const ended = withEntry(noted, job, {
    failures,
    extra: result === 'failed' ? { at: now + retryDelayMs(failures), reason: 'retry' } : null,
  });
  if (missing === null) return ended;
  if (!missing) return { ...ended, inVain: 0 };
  if (job === 'create') return { ...ended, inVain: ended.inVain + 1 };
  // A create that is to come anyhow, such as a retry, will do.
  if (ended.jobs.create.extra !== null) return ended;
  const pause = ended.inVain === 0 ? 0 : retryDelayMs(ended.inVain);
  return withEntry(ended, 'create', { extra: { at: now + pause, reason: 'catch-up' } });
}
