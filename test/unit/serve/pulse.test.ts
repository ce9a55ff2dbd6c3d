import { expect, test } from 'vitest';
import { pulseOf } from '../../../lib/serve/pulse.ts';

const MINUTE = 60_000;

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
