import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { calendarOf, toInstant, toPoint } from '../../../lib/partition/calendar.ts';
import { findingsOf } from '../../../lib/partition/health.ts';
import { gridZone, instantAt, pointAt } from '../../../lib/partition/key-type.ts';
import type { PartitionedTable } from '../../../lib/partition/model.ts';
import { planCleanup } from '../../../lib/partition/plan-cleanup.ts';
import { planCreate } from '../../../lib/partition/plan-create.ts';
import { contains, uncovered, union } from '../../../lib/partition/range.ts';
import { before as spanBefore } from '../../../lib/partition/span.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { anyInterval, anyZone, KEY_TYPES, LENGTH, pointBetween } from '../support/arbitraries.ts';
import { rangeText } from '../support/points.ts';
import { RETENTIONS } from '../support/situations.ts';
import { afterCleanup, afterCreate, configOf, tableOf } from '../support/tables.ts';

/** What happens next to a table in production. */
type Event =
  | { readonly kind: 'create' }
  | { readonly kind: 'cleanup' }
  /** Time passes, in hundredths of an interval. */
  | { readonly kind: 'wait'; readonly hundredths: number }
  | { readonly kind: 'premake'; readonly premake: number }
  | { readonly kind: 'zone'; readonly timeZone: string }
  | { readonly kind: 'retention'; readonly index: number };

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'create' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'cleanup' as const }) },
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 250 }).map((hundredths) => ({ kind: 'wait' as const, hundredths })),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 300, max: 2000 })
      .map((hundredths) => ({ kind: 'wait' as const, hundredths })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 5 }).map((premake) => ({ kind: 'premake' as const, premake })),
  },
  { weight: 1, arbitrary: anyZone.map((timeZone) => ({ kind: 'zone' as const, timeZone })) },
  { weight: 1, arbitrary: fc.nat(2).map((index) => ({ kind: 'retention' as const, index })) },
);

interface State {
  readonly table: PartitionedTable;
  readonly config: TableConfig;
  readonly now: Temporal.Instant;
}

const clocks = (now: Temporal.Instant) => ({ now, serverClock: now, localClock: now });

function create({ table, config, now }: State): PartitionedTable {
  const plan = planCreate(table, config, { now, approve: true });
  expect(plan.problems).toEqual([]);
  // Carrying it out throws where anything overlaps or a name is taken.
  const done = afterCreate(table, plan);

  const calendar = calendarOf(config.interval, gridZone(table.keyType, config.timeZone));
  const nowPoint = pointAt(table.keyType, config.timeZone, now);
  let last = calendar.containing(nowPoint);
  for (let step = 0; step < config.premake; step++) last = calendar.after(last);
  const free = uncovered({ from: nowPoint, to: last.to }, union(done.partitions.map(({ range }) => range)));
  expect(free.map(rangeText)).toEqual([]);
  expect(planCreate(done, config, { now }).steps).toEqual([]);
  expect(
    findingsOf({ table: done, config, ...clocks(now) }).filter(({ finding }) =>
      finding.startsWith('missing'),
    ),
  ).toEqual([]);
  return done;
}

function cleanup({ table, config, now }: State): PartitionedTable {
  const plan = planCleanup(table, config, { ...clocks(now), approve: true });
  const cutoff = config.retention === null ? null : spanBefore(now, config.retention, config.timeZone);
  const nowPoint = pointAt(table.keyType, config.timeZone, now);
  for (const { partition } of plan.steps) {
    expect(contains(partition.range, nowPoint)).toBe(false);
    const youngest = instantAt(table.keyType, config.timeZone, partition.range.to);
    expect(cutoff !== null && Temporal.Instant.compare(youngest, cutoff) <= 0).toBe(true);
  }
  const done = afterCleanup(table, plan, now.toString());
  expect(planCleanup(done, config, { ...clocks(now), approve: true }).steps).toEqual([]);
  expect(
    findingsOf({ table: done, config: { ...config, overdueAfter: { hours: 1 } }, ...clocks(now) }).filter(
      ({ finding }) => finding === 'expired' || finding === 'stranded',
    ),
  ).toEqual([]);
  return done;
}

function next(state: State, event: Event): State {
  const { config, now } = state;
  switch (event.kind) {
    case 'create':
      return { ...state, table: create(state) };
    case 'cleanup':
      return { ...state, table: cleanup(state) };
    case 'wait':
      return {
        ...state,
        now: toInstant(toPoint(now) + (LENGTH[config.interval] * BigInt(event.hundredths)) / 100n),
      };
    case 'premake':
      return { ...state, config: { ...config, premake: event.premake } };
    case 'zone':
      return { ...state, config: { ...config, timeZone: event.timeZone } };
    case 'retention':
      return { ...state, config: { ...config, retention: RETENTIONS[config.interval][event.index] ?? null } };
  }
}

describe('in the life of a table', () => {
  test('whatever happens in whatever order, create covers what it must and cleanup takes nothing too young', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...KEY_TYPES),
        anyInterval,
        anyZone,
        pointBetween('2010-01-01', '2040-01-01'),
        fc.array(anyEvent, { minLength: 5, maxLength: 25 }),
        (keyType, drawn, timeZone, at, events) => {
          const interval = keyType === 'date' && drawn === 'hour' ? 'day' : drawn;
          let state: State = {
            table: tableOf({ keyType }),
            config: configOf({ interval, timeZone, premake: 2 }),
            now: toInstant(at),
          };
          for (const event of events) state = next(state, event);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('monthly creates and quarterly cleanups keep it as large as retention and premake want it', () => {
    const config = configOf({ retention: { months: 6 }, premake: 3, maxExpiredShare: 0.5 });
    let table = tableOf();
    let run = Temporal.ZonedDateTime.from('2026-01-01T02:00[UTC]');
    const sizes: number[] = [];
    for (let month = 0; month < 48; month++) {
      const now = run.toInstant();
      table = afterCreate(table, planCreate(table, config, { now }));
      if (run.month % 3 === 1) {
        const plan = planCleanup(table, config, clocks(now));
        expect(plan.refusal).toBeNull();
        table = afterCleanup(table, plan, now.toString());
      }
      sizes.push(table.partitions.length);
      run = run.add({ months: 1 });
    }
    // Six months back, this one, three ahead; two more until the next cleanup.
    expect(sizes.slice(-6)).toEqual([10, 11, 12, 10, 11, 12]);
    expect(union(table.partitions.map(({ range }) => range)).map(rangeText)).toEqual([
      '2029-04-01 .. 2030-04-01',
    ]);
  });
});
