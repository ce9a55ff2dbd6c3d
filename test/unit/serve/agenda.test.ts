import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultSchedules } from '../../../lib/config/schedules.ts';
import { JOBS, type Job } from '../../../lib/contract.ts';
import {
  type Agenda,
  begin,
  finished,
  nextTask,
  type Outcome,
  observed,
  retryDelayMs,
  started,
  type Task,
  type Timetable,
} from '../../../lib/serve/agenda.ts';
import { occurrencesOf } from '../../../lib/serve/occurrences.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const SCHEDULES = defaultSchedules([{ interval: 'month' }]);
const GOOD: Outcome = { result: 'ok', missing: false };
const at = (text: string): number => Date.parse(`${text}Z`);
const iso = (instant: number): string => new Date(instant).toISOString().slice(0, 16);

const timetable = (patterns: Partial<Record<Job, string | null>> = {}, timeZone = 'UTC'): Timetable => {
  const of = (job: Job) => {
    const pattern = patterns[job] === undefined ? SCHEDULES[job] : patterns[job];
    return pattern === null ? null : occurrencesOf(pattern, timeZone);
  };
  return { create: of('create'), cleanup: of('cleanup'), health: of('health') };
};

/** A process as it would be: at each look it runs what is due, one after the other, each in no time. */
class Story {
  agenda: Agenda;
  readonly ran: (Task & { readonly on: number })[] = [];
  outcome: (task: Task) => Outcome = () => GOOD;
  readonly #times: Timetable;

  constructor(times: Timetable, now: number) {
    this.#times = times;
    this.agenda = begin(now);
  }

  look(now: number): this {
    this.agenda = observed(this.agenda, now);
    for (;;) {
      const task = nextTask(this.#times, this.agenda);
      if (task === null || task.at > now) return this;
      this.ran.push({ ...task, on: now });
      this.agenda = started(this.#times, this.agenda, task.job, now);
      this.agenda = finished(this.agenda, task.job, this.outcome(task), now);
    }
  }

  /** Looks whenever something is due, until then. */
  live(until: number): this {
    for (;;) {
      const next = nextTask(this.#times, this.agenda);
      if (next === null || next.at > until) return this.look(until);
      this.look(next.at);
    }
  }

  get told(): string[] {
    return this.ran.map(({ job, reason, on }) => `${iso(on)} ${job} ${reason}`);
  }
}

const scheduled = (story: Story, job: Job) =>
  story.ran.filter((task) => task.job === job && task.reason === 'schedule');

describe('from the beginning', () => {
  test('create is run at once, then health, and the schedules are kept', () => {
    const story = new Story(timetable({ health: '0 1 * * 1' }), at('2026-11-26T10:00')).live(
      at('2027-01-01T12:00'),
    );
    expect(story.told).toEqual([
      '2026-11-26T10:00 create start',
      '2026-11-26T10:00 health start',
      '2026-11-30T01:00 health schedule',
      '2026-12-01T02:00 create schedule',
      '2026-12-07T01:00 health schedule',
      '2026-12-14T01:00 health schedule',
      '2026-12-21T01:00 health schedule',
      '2026-12-28T01:00 health schedule',
      '2027-01-01T02:00 create schedule',
      '2027-01-01T03:00 cleanup schedule',
    ]);
  });

  test('a create that was due while nobody was there is made up for, as soon as it can be', () => {
    const story = new Story(timetable(), at('2026-12-01T02:30'));
    let reachable = false;
    story.outcome = () => (reachable ? GOOD : { result: 'failed', missing: null });
    story.look(at('2026-12-01T02:30'));
    reachable = true;
    story.live(at('2026-12-02T00:00'));
    expect(story.told).toEqual([
      '2026-12-01T02:30 create start',
      '2026-12-01T02:30 health start',
      '2026-12-01T02:31 create retry',
      '2026-12-01T02:31 health retry',
    ]);
  });

  test('a job without a schedule is never run', () => {
    const off = timetable({ create: null, cleanup: null, health: null });
    const story = new Story(off, at('2026-11-26T10:00')).live(at('2030-01-01T00:00'));
    expect(story.ran).toEqual([]);
    expect(nextTask(off, story.agenda)).toBeNull();
    const alone = new Story(timetable({ create: null }), 0);
    alone.outcome = () => ({ result: 'ok', missing: true });
    expect(alone.look(0).ran.map(({ job }) => job)).toEqual(['health']);
  });
});

describe('partitions that are missing', () => {
  test('are created as soon as another job has seen it, each time, by one run', () => {
    const story = new Story(timetable({ cleanup: '0 3 28 11 *' }), at('2026-11-26T10:00')).live(
      at('2026-11-26T23:00'),
    );
    let missing = false;
    story.outcome = ({ job }) => {
      if (job === 'create') missing = false;
      return { result: 'ok', missing };
    };
    missing = true;
    story.live(at('2026-11-28T02:00'));
    missing = true;
    story.live(at('2026-11-29T02:00'));
    expect(story.told.slice(2)).toEqual([
      '2026-11-27T01:00 health schedule',
      '2026-11-27T01:00 create catch-up',
      '2026-11-28T01:00 health schedule',
      '2026-11-28T03:00 cleanup schedule',
      '2026-11-28T03:00 create catch-up',
      '2026-11-29T01:00 health schedule',
    ]);
  });

  test('although create was run are tried more and more seldom, up to every hour, until they are there', () => {
    const story = new Story(timetable({ create: '0 0 1 1 *', health: '*/5 * * * *' }), 0);
    let missing = true;
    story.outcome = () => ({ result: 'refused', missing });
    story.live(12 * HOUR);
    const creates = story.ran.filter(({ job }) => job === 'create');
    expect(creates[0]?.reason).toBe('start');
    expect(new Set(creates.slice(1).map(({ reason }) => reason))).toEqual(new Set(['catch-up']));
    const pauses = creates.map(({ on }, index) => (on - (creates[index - 1]?.on ?? 0)) / MINUTE);
    // After a pause, up to five minutes until health has seen it again.
    expect(pauses.slice(0, 8)).toEqual([0, 1, 6, 7, 9, 18, 36, 63]);
    for (const pause of pauses.slice(8)) {
      expect(pause).toBeGreaterThanOrEqual(60);
      expect(pause).toBeLessThanOrEqual(65);
    }

    missing = false;
    story.live(14 * HOUR);
    const before = story.ran.length;
    missing = true;
    story.live(14 * HOUR + 5 * MINUTE);
    expect(story.ran.slice(before).map(({ job }) => job)).toEqual(['health', 'create']);
  });

  test('do not hasten a create that has failed', () => {
    const story = new Story(timetable({ health: '* * * * *' }), 0);
    story.outcome = ({ job }) => ({ result: job === 'create' ? 'failed' : 'ok', missing: true });
    story.live(70 * MINUTE);
    const creates = story.ran.filter(({ job }) => job === 'create');
    expect(creates.map(({ on }) => on / MINUTE)).toEqual([0, 1, 3, 7, 15, 31, 63]);
    expect(creates.slice(1).every(({ reason }) => reason === 'retry')).toBe(true);
  });
});

describe('a run that fails', () => {
  test('is tried again after a minute, then more seldom, up to every hour, until it succeeds', () => {
    const story = new Story(timetable({ create: null, cleanup: null, health: '0 0 1 1 *' }), 0);
    story.outcome = () => ({ result: 'failed', missing: null });
    story.live(5 * HOUR);
    const pauses = story.ran.map(({ on }, index) => (on - (story.ran[index - 1]?.on ?? 0)) / MINUTE);
    expect(pauses).toEqual([0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    story.outcome = () => GOOD;
    const before = story.ran.length;
    story.live(300 * DAY);
    expect(story.ran.length).toBe(before + 1);
    expect(retryDelayMs(2000)).toBe(HOUR);
  });

  test('is not tried again where a guard has refused it', () => {
    const story = new Story(timetable(), at('2026-12-31T23:00'));
    story.outcome = ({ job }) => (job === 'cleanup' ? { result: 'refused', missing: false } : GOOD);
    story.live(at('2027-03-31T00:00'));
    expect(story.ran.filter(({ job }) => job === 'cleanup').map(({ on }) => iso(on))).toEqual([
      '2027-01-01T03:00',
    ]);
  });

  test('the schedule takes the place of a retry', () => {
    const story = new Story(timetable(), at('2026-12-01T00:30'));
    story.outcome = ({ job, reason }) =>
      job === 'create' || reason === 'schedule' ? GOOD : { result: 'failed', missing: null };
    story.live(at('2026-12-01T01:30'));
    expect(story.told).toEqual([
      '2026-12-01T00:30 create start',
      '2026-12-01T00:30 health start',
      '2026-12-01T00:31 health retry',
      '2026-12-01T00:33 health retry',
      '2026-12-01T00:37 health retry',
      '2026-12-01T00:45 health retry',
      '2026-12-01T01:00 health schedule',
    ]);
  });
});

describe('a clock that jumps', () => {
  test('whatever was missed while the machine slept is run once on waking, create first', () => {
    const story = new Story(timetable(), at('2026-11-26T10:00')).look(at('2026-11-26T10:00'));
    story.look(at('2027-04-15T12:34'));
    expect(story.told.slice(2)).toEqual([
      '2027-04-15T12:34 health schedule',
      '2027-04-15T12:34 create schedule',
      '2027-04-15T12:34 cleanup schedule',
    ]);
  });

  test('set back past a run, that run is not repeated, and the next one is', () => {
    const story = new Story(timetable(), at('2026-12-01T01:30')).live(at('2026-12-01T02:10'));
    story.live(at('2026-12-01T01:50')).live(at('2027-01-01T02:30'));
    expect(scheduled(story, 'create').map(({ on }) => iso(on))).toEqual([
      '2026-12-01T02:00',
      '2027-01-01T02:00',
    ]);
  });

  test('once years ahead by mistake, nothing is left out when it is right again', () => {
    const story = new Story(timetable(), at('2026-11-26T10:00')).look(at('2026-11-26T10:00'));
    story.look(at('2031-05-05T05:05'));
    const before = story.ran.length;
    story.look(at('2026-11-26T10:05')).live(at('2026-12-01T12:00'));
    expect(story.told.slice(before)).toContain('2026-12-01T02:00 create schedule');
    expect(story.told.slice(before).filter((told) => told.includes('health'))).toHaveLength(5);
  });

  test('a retry keeps its distance', () => {
    const story = new Story(timetable(), at('2026-11-26T10:00'));
    story.outcome = () => ({ result: 'failed', missing: null });
    story.look(at('2026-11-26T10:00')).look(at('2026-11-26T08:00'));
    expect(nextTask(timetable(), story.agenda)).toMatchObject({
      at: at('2026-11-26T08:01'),
      reason: 'retry',
    });
  });
});

describe('where clocks change', () => {
  test.each([
    ['2026-03-27T00:00', ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30']],
    ['2026-10-23T12:00', ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30']],
  ])('from %s on, half past two comes once a day', (from, runs) => {
    const times = timetable({ health: '30 2 * * *' }, 'Europe/Berlin');
    const story = new Story(times, at(from)).live(at(from) + 3 * DAY + 12 * HOUR);
    const scheduled = story.ran.filter(({ job, reason }) => job === 'health' && reason === 'schedule');
    expect(scheduled.map(({ on }) => iso(on)).filter((run) => run > '2026-03-27T02')).toEqual(
      expect.arrayContaining(runs),
    );
    expect(new Set(scheduled.map(({ on }) => iso(on))).size).toBe(scheduled.length);
  });
});

const FREQUENT = ['*/7 * * * *', '30 * * * *', '15 3 * * *', '30 2 * * MON', '0 2 1 * *'];
const START = at('2026-03-20T09:13');
const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York');
const patterns = fc.record({
  create: fc.constantFrom(...FREQUENT),
  cleanup: fc.constantFrom(...FREQUENT),
  health: fc.constantFrom(...FREQUENT),
});
/** Between two looks: mostly short, at times a long sleep. */
const forward = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 20 * MINUTE }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 3 * DAY }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60 * DAY }) },
);

describe('for any schedules', () => {
  test('between two looks a job is run once if an occurrence lies there, and else not', () => {
    fc.assert(
      fc.property(patterns, zone, fc.array(forward, { maxLength: 25 }), (given, timeZone, steps) => {
        const times = timetable(given, timeZone);
        const story = new Story(times, START).look(START);
        let now = START;
        for (const step of steps) {
          const before = now;
          const count = story.ran.length;
          now += step;
          story.look(now);
          for (const job of JOBS) {
            const first = times[job]?.after(before) ?? Number.POSITIVE_INFINITY;
            const runs = story.ran.slice(count).filter((task) => task.job === job);
            expect(runs.map(({ at: due }) => due)).toEqual(first <= now ? [first] : []);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('who wakes when told is never late, and never wakes in vain', () => {
    fc.assert(
      fc.property(patterns, zone, fc.integer({ min: 1, max: DAY }), (given, timeZone, length) => {
        const times = timetable(given, timeZone);
        const story = new Story(times, START).live(START + length);
        for (const job of JOBS) {
          const expected: number[] = [];
          let next = times[job]?.after(START) ?? null;
          while (next !== null && next <= START + length) {
            expected.push(next);
            next = times[job]?.after(next) ?? null;
          }
          expect(scheduled(story, job).map(({ on }) => on)).toEqual(expected);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('whoever sees that partitions are missing has a create within the hour, one at the most, and none else does', () => {
    const outcome = fc.record({
      result: fc.constantFrom('ok', 'refused', 'failed'),
      missing: fc.constantFrom(true, false, null),
    });
    fc.assert(
      fc.property(
        patterns,
        fc.array(outcome, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: HOUR, max: 6 * HOUR }),
        (given, outcomes, length) => {
          const story = new Story(timetable(given), START);
          const outcomeOf = (index: number): Outcome => outcomes[index % outcomes.length] ?? GOOD;
          story.outcome = () => outcomeOf(story.ran.length - 1);
          story.live(START + length);
          const runs = story.ran.map((task, index) => ({ ...task, ...outcomeOf(index) }));
          runs.forEach(({ job, missing, on }, index) => {
            if (job === 'create' || missing !== true || on + HOUR > START + length) return;
            const next = runs.slice(index + 1).find((run) => run.job === 'create');
            expect(next?.on).toBeLessThanOrEqual(on + HOUR);
          });
          runs.forEach(({ reason }, index) => {
            if (reason !== 'catch-up') return;
            const before = runs.slice(0, index);
            const last = before.findLastIndex(({ job }) => job === 'create');
            expect(before.slice(last + 1).some(({ missing }) => missing === true)).toBe(true);
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a clock that is set back past an occurrence that was run does not bring it again, but the next one', () => {
    const share = fc.double({ min: 0, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(fc.constantFrom(...FREQUENT), zone, share, share, (pattern, timeZone, late, back) => {
        const times = timetable({ create: pattern, cleanup: null, health: null }, timeZone);
        const before = times.create?.after(START) ?? 0;
        const occurrence = times.create?.after(before) ?? 0;
        const next = times.create?.after(occurrence) ?? 0;
        const story = new Story(times, before).look(before);
        const now = occurrence + Math.floor(late * (next - occurrence));
        story.look(now);
        story.look(occurrence - 1 - Math.floor(back * (occurrence - before - 1)));
        story
          .look(occurrence)
          .look(next - 1)
          .look(next);
        expect(scheduled(story, 'create').map(({ on }) => on)).toEqual([now, next]);
      }),
    );
  });

  test('however the clock is set, no occurrence is run twice in a row, and none that comes later is left out', () => {
    const jump = fc.oneof(forward, forward, fc.integer({ min: -90 * DAY, max: -1 }));
    fc.assert(
      fc.property(patterns, zone, fc.array(jump, { maxLength: 25 }), (given, timeZone, jumps) => {
        const times = timetable(given, timeZone);
        const story = new Story(times, START).look(START);
        let now = START;
        for (const step of jumps) {
          now += step;
          story.look(now);
        }
        for (const job of JOBS) {
          const stood = scheduled(story, job).map(({ on }) => times[job]?.latest(on));
          expect(stood.filter((occurrence, index) => occurrence === stood[index - 1])).toEqual([]);
        }
        const before = JOBS.map((job) => scheduled(story, job).length);
        const occurrences = JOBS.flatMap((job) => {
          const next = times[job]?.after(now) ?? now;
          return [next, times[job]?.after(next) ?? now];
        });
        for (const occurrence of occurrences.toSorted((a, b) => a - b)) story.look(occurrence);
        JOBS.forEach((job, index) => {
          expect(scheduled(story, job).length).toBeGreaterThan(before[index] ?? 0);
        });
      }),
      { numRuns: 60 },
    );
  });
});
