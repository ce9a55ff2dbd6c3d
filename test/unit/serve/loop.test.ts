import { expect, test } from 'vitest';
import type { Outcome } from '../../../lib/serve/agenda.ts';
import type { Clock } from '../../../lib/serve/clock.ts';
import { loop } from '../../../lib/serve/loop.ts';
import { occurrencesOf } from '../../../lib/serve/occurrences.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse('2026-11-26T10:00:00Z');

/** Lives for some hours, hourly health checks among them, in no time. */
async function live(hours: number, runs: (run: number, pass: (ms: number) => void) => Outcome['result']) {
  const stop = new AbortController();
  let now = START;
  let steady = 0;
  let running = false;
  const pass = (ms: number): void => {
    now += ms;
    steady += ms;
  };
  const clock: Clock = {
    now: () => now,
    steady: () => steady,
    pause: async (ms) => {
      expect(ms).toBeGreaterThan(0);
      expect(ms).toBeLessThanOrEqual(10_000);
      pass(ms);
      if (now > START + hours * HOUR) stop.abort();
    },
  };
  const began: string[] = [];
  const changes: number[] = [];
  await loop({
    timetable: { create: null, cleanup: null, health: occurrencesOf('0 * * * *', 'UTC') },
    clock,
    signal: stop.signal,
    run: async ({ reason }) => {
      expect(running).toBe(false);
      running = true;
      began.push(`${new Date(now).toISOString().slice(11, 16)} ${reason}`);
      const result = runs(began.length, pass);
      await Promise.resolve();
      running = false;
      return { result, missing: false };
    },
    onLook: () => undefined,
    onClockChange: (byMs) => changes.push(byMs),
  });
  return { began, changes };
}

test('a run that takes longer than its schedule is followed by one more, and is no change of the clock', async () => {
  const { began, changes } = await live(5, (run, pass) => {
    if (run === 2) pass(150 * MINUTE);
    return 'ok';
  });
  expect(began).toEqual([
    '10:00 start',
    '11:00 schedule',
    '13:30 schedule',
    '14:00 schedule',
    '15:00 schedule',
  ]);
  expect(changes).toEqual([]);
});

test('a retry counts from the end of the run that has failed', async () => {
  const { began } = await live(1, (run, pass) => {
    pass(10 * MINUTE);
    return run === 1 ? 'failed' : 'ok';
  });
  expect(began).toEqual(['10:00 start', '10:11 retry', '11:00 schedule']);
});
