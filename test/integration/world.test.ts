import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyScript, HANDIWORK } from '../support/world/actions.ts';
import { runWorld } from '../support/world/run.ts';

/** For replays and long runs; see CONTRIBUTING.md. */
const { WORLD_SEED, WORLD_PATH, WORLD_RUNS, WORLD_SECONDS } = process.env;

const seed = Number(WORLD_SEED ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(WORLD_RUNS ?? 5);
const seconds = Number(WORLD_SECONDS ?? 20);

/** In so many worlds everything has happened that can. */
const ENOUGH = 90;

const table = (counts: Readonly<Record<string, number>>): string =>
  Object.keys(counts)
    .toSorted()
    .map((name) => `  ${name}: ${counts[name]}`)
    .join('\n');

describe.each([false, true])('with a default partition: %s', (defaultPartition) => {
  test(
    'whatever others do meanwhile, nothing is lost, nobody fails, and all is well in the end',
    async () => {
      console.info(
        `WORLD_SEED=${seed}, ${numRuns} worlds or ${seconds} s, default partition: ${defaultPartition}`,
      );
      const counts: Record<string, number> = {};
      // Not by fast-check's own limit: that would leave the last world running behind our back.
      const deadline = performance.now() + seconds * 1000;
      const world = fc.asyncProperty(anyScript({ defaultPartition }), async (script) => {
        if (performance.now() > deadline) return;
        for (const [what, times] of Object.entries(await runWorld(script)))
          counts[what] = (counts[what] ?? 0) + times;
        counts['worlds'] = (counts['worlds'] ?? 0) + 1;
        if (counts['worlds'] % 10 === 0) console.info(`${counts['worlds']} worlds`);
      });
      await fc.assert(world, {
        seed,
        numRuns,
        ...(WORLD_PATH === undefined ? {} : { path: WORLD_PATH }),
        endOnFailure: true,
      });
      console.info(table(counts));
      // A world in which nothing happens proves nothing.
      const happened = (...what: readonly string[]) => what.reduce((sum, one) => sum + (counts[one] ?? 0), 0);
      expect(happened('insert', 'transaction')).toBeGreaterThan(0);
      expect(happened('snapshots compared')).toBeGreaterThan(0);
      expect(happened('create: done', 'move-rows: done')).toBeGreaterThan(0);
      expect(happened('drop: done', 'detach: done')).toBeGreaterThan(0);
      if (happened('worlds') < ENOUGH) return;
      const rare = [...HANDIWORK.map((what) => `by hand: ${what}`), 'dumps compared', 'two runs at once'];
      // PostgreSQL does not detach concurrently beside a default partition.
      const possible = rare.filter((what) => !(defaultPartition && what === 'by hand: detach concurrently'));
      expect(possible.filter((what) => happened(what) === 0)).toEqual([]);
    },
    seconds * 1000 + 120_000,
  );
});
