import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toInstant, toPoint } from '../../../lib/partition/calendar.ts';
import type { PartitionedTable } from '../../../lib/partition/model.ts';
import { planCleanup } from '../../../lib/partition/plan-cleanup.ts';
import { planCreate } from '../../../lib/partition/plan-create.ts';
import { uncovered, union } from '../../../lib/partition/range.ts';
import { requiredWindow, scheduleOf } from '../../../lib/partition/schedule.ts';
import { anyInterval, anyZone, LENGTH, zonedPoint } from '../support/arbitraries.ts';
import { HOUR, rangeText } from '../support/points.ts';
import { afterCreate, configOf, tableOf } from '../support/tables.ts';

/** The keys that are instants, a moment that is difficult in one of two zones, and a retention that no calendar changes. */
const anyScene = fc
  .record({
    // A key by the wall clock has another meaning in each zone.
    keyType: fc.constantFrom('timestamptz' as const, 'uuid' as const),
    interval: anyInterval,
    place: zonedPoint(anyZone, { min: 1990, max: 2060 }),
    other: anyZone,
    hours: fc.integer({ min: 1, max: 2000 }),
  })
  .map(({ keyType, interval, place, other, hours }) => {
    const of = (timeZone: string) => configOf({ interval, timeZone, retention: { hours }, premake: 2 });
    return { keyType, now: toInstant(place.at), one: of(place.zone), other: of(other), hours };
  });

type Scene = typeof anyScene extends fc.Arbitrary<infer Value> ? Value : never;

/** A table as a create has made it that was told to begin some intervals ago. */
function madeBy({ keyType, one, now }: Scene, intervals = 6): PartitionedTable {
  const from = toInstant(toPoint(now) - BigInt(intervals) * LENGTH[one.interval]);
  const plan = planCreate(tableOf({ keyType }), { ...one, retention: null }, { now, from, approve: true });
  expect(plan.problems).toEqual([]);
  return afterCreate(tableOf({ keyType }), plan);
}

const covered = (table: PartitionedTable) => union(table.partitions.map(({ range }) => range));

describe('two different zones never disagree about an instant', () => {
  test('where it lies on the axis, and which instants lie before a bound', () => {
    fc.assert(
      fc.property(anyScene, (scene) => {
        const { keyType, now } = scene;
        const [one, other] = [scene.one, scene.other].map((config) => scheduleOf(config, keyType, now));
        expect(one?.nowPoint).toBe(other?.nowPoint);
        expect(one?.cutoff?.epochNanoseconds).toBe(other?.cutoff?.epochNanoseconds);
        for (const { range } of madeBy(scene).partitions)
          expect(one?.latest(range.to).epochNanoseconds).toBe(other?.latest(range.to).epochNanoseconds);
      }),
    );
  });

  test('what a retention in hours lets go of', () => {
    fc.assert(
      fc.property(anyScene, fc.bigInt({ min: -2n, max: 2n }), (scene, beside) => {
        const { keyType, now, hours } = scene;
        const table = madeBy(scene);
        const clocks = { now, serverClock: now, localClock: now, approve: true };
        const [one, other] = [scene.one, scene.other].map((config) =>
          planCleanup(table, config, clocks).steps.map(({ partition }) => partition.name),
        );
        expect(one).toEqual(other);
        // Right at the end of retention, too: only what ends there or before is past it.
        const end = toPoint(now) - BigInt(hours) * HOUR;
        const to = end + beside * (keyType === 'uuid' ? 1000n : 1n);
        const range = { from: to - HOUR, to };
        for (const config of [scene.one, scene.other])
          expect(scheduleOf(config, keyType, now).expired(range)).toBe(to <= end);
      }),
    );
  });

  test('which instants have a partition: those of the one zone are planned around in the other', () => {
    fc.assert(
      fc.property(anyScene, (scene) => {
        const { keyType, now, other } = scene;
        const table = madeBy(scene);
        const before = covered(table);
        expect(before).toHaveLength(1);
        // Carrying the plan out throws where a new partition overlaps one that is there.
        const both = afterCreate(table, planCreate(table, { ...other, retention: null }, { now }));
        expect(covered(both)).toHaveLength(1);
        expect(before.flatMap((range) => uncovered(range, covered(both))).map(rangeText)).toEqual([]);
        const schedule = scheduleOf({ ...other, retention: null }, keyType, now);
        const wanted = requiredWindow(schedule, table.partitions, other.premake);
        expect(uncovered(wanted, covered(both)).map(rangeText)).toEqual([]);
      }),
    );
  });
});
