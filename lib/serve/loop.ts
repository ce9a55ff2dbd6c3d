import {
  type Agenda,
  begin,
  finished,
  nextTask,
  type Outcome,
  observed,
  started,
  type Task,
  type Timetable,
} from './agenda.ts';
import type { Clock } from './clock.ts';

export interface LoopOptions {
  readonly timetable: Timetable;
  readonly clock: Clock;
  /** Ends the loop: at once when it waits, else after the run at hand. */
  readonly signal: AbortSignal;
  /** Runs a job; what becomes of it is in the outcome, it never throws. */
  readonly run: (task: Task) => Promise<Outcome>;
  /** Told whenever the agenda has been looked at, and when a run begins. */
  readonly onLook: (agenda: Agenda) => void;
  /** Told when the clock has been set, or the machine has slept: by how many milliseconds, forward or back. */
  readonly onClockChange: (byMs: number) => void;
}

/** So soon a clock that was set, or the end of a sleep, is noticed. */
const LONGEST_PAUSE_MS = 10_000;
/** Less is taken for a machine that was busy, or a clock that is kept right. */
const CLOCK_CHANGE_MS = 30_000;

/** Runs what is due, one job at a time, until the signal comes. */
export async function loop(options: LoopOptions): Promise<void> {
  const { timetable, clock, signal, run, onLook, onClockChange } = options;
  let agenda = begin(clock.now());
  let steady = clock.steady();
  while (!signal.aborted) {
    const now = clock.now();
    const changed = now - agenda.clock - (clock.steady() - steady);
    steady = clock.steady();
    if (Math.abs(changed) > CLOCK_CHANGE_MS) onClockChange(Math.round(changed));
    agenda = observed(agenda, now);
    onLook(agenda);
    const task = nextTask(timetable, agenda);
    if (task === null || task.at > now) {
      await clock.pause(Math.min(LONGEST_PAUSE_MS, (task?.at ?? Number.POSITIVE_INFINITY) - now), signal);
      continue;
    }
    agenda = started(timetable, agenda, task.job, now);
    onLook(agenda);
    const outcome = await run(task);
    // Counted by what nobody can set; if the clock was, meanwhile, that is noticed at the next look.
    const began = steady;
    steady = clock.steady();
    agenda = finished(agenda, task.job, outcome, now + (steady - began));
  }
}
