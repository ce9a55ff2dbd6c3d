import type pg from 'pg';
import { expect, test } from 'vitest';
import { keepPace } from '../../../lib/convert/pace.ts';

/** Time that goes by only while somebody sleeps, and a server that says how far a replica is behind. */
function world(pace: Parameters<typeof keepPace>[1], lags: number[] = []) {
  let now = 0;
  let asked = 0;
  /** When the server was asked something. */
  const queries: number[] = [];
  const client = {
    query: async (sql: string) => {
      queries.push(now);
      return { rows: [sql.includes('replay_lag') ? { lag: lags[asked++] ?? 0 } : { waiting: 0 }] };
    },
  } as unknown as pg.Client;
  const between = keepPace(client, pace, new AbortController().signal, {
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
  });
  return {
    queries,
    now: () => now,
    /** A round that takes no time; the rows are all there are by then. */
    round: (rows: number | null) => between({ oid: 1 }, { rows }),
  };
}

test('rows take their time, and the session is never idle for long meanwhile', async () => {
  const { round, now, queries } = world({ maxRate: 10 });
  await round(0);
  await round(3000);
  expect(now()).toBe(300_000);
  expect(Math.max(...queries.slice(1).map((at, index) => at - (queries[index] ?? 0)))).toBe(10_000);
});

test('a pause for replicas is not made up for afterwards', async () => {
  const { round, now } = world({ maxRate: 1000, maxReplicaLag: 5 }, [0, ...Array<number>(20).fill(9)]);
  await round(0);
  await round(1000);
  expect(now()).toBe(11_000);
  for (const rows of [2000, 3000, 4000]) await round(rows);
  expect(now()).toBe(14_000);
});

test('a copy that begins anew is not waited for, nor what has no rows', async () => {
  const { round, now } = world({ maxRate: 1000 });
  for (const rows of [5000, 0, null, 8000]) await round(rows);
  expect(now()).toBe(0);
  await round(9000);
  expect(now()).toBe(1000);
});
