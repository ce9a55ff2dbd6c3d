import { expect, test } from 'vitest';
import { pulseOf } from '../../../lib/serve/pulse.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

test('a scheduler that does not look at its agenda for a minute is stuck, and a run that does not move for a quarter of an hour', () => {
  let now = 0;
  const pulse = pulseOf({ steady: () => now });
  const aliveAfter = (ms: number): boolean => {
    now += ms;
    return pulse.state().alive;
  };
  expect(aliveAfter(MINUTE)).toBe(true);
  expect(aliveAfter(1)).toBe(false);
  pulse.beat();
  expect(pulse.state()).toEqual({ alive: true, running: null, silentMs: 0 });

  pulse.running('create');
  expect(aliveAfter(15 * MINUTE)).toBe(true);
  expect(aliveAfter(1)).toBe(false);
  expect(pulse.state()).toEqual({ alive: false, running: 'create', silentMs: 15 * MINUTE + 1 });
  pulse.beat();
  expect(aliveAfter(10 * MINUTE)).toBe(true);
  pulse.running(null);
  expect(aliveAfter(2 * MINUTE)).toBe(false);
});

test('rows may be moved for a day, by a step that tells nothing until it is done, and nothing else may', () => {
  let now = 0;
  const pulse = pulseOf({ steady: () => now });
  const aliveAfter = (ms: number): boolean => {
    now += ms;
    return pulse.state().alive;
  };
  pulse.running('create');
  pulse.step('create');
  expect(aliveAfter(16 * MINUTE)).toBe(false);
  pulse.step('move-rows');
  expect(aliveAfter(DAY)).toBe(true);
  expect(aliveAfter(1)).toBe(false);
  // It waits for a lock, and may have to begin anew.
  pulse.beat();
  expect(aliveAfter(16 * MINUTE)).toBe(true);
  pulse.step(null);
  expect(aliveAfter(16 * MINUTE)).toBe(false);

  pulse.step('move-rows');
  pulse.running(null);
  expect(aliveAfter(2 * MINUTE)).toBe(false);
  pulse.running('create');
  expect(aliveAfter(16 * MINUTE)).toBe(false);
});
