import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calendarOf, type GridInterval, INTERVALS, type Interval } from '../../../lib/partition/calendar.ts';
import { findingsOf } from '../../../lib/partition/health.ts';
import { gridZone, pointAt } from '../../../lib/partition/key-type.ts';
import { byteLength, MAX_NAME_BYTES, nameExcess } from '../../../lib/partition/names.ts';
import { planCleanup } from '../../../lib/partition/plan-cleanup.ts';
import {
  type CreateOptions,
  type CreatePlan,
  MAX_CREATIONS,
  planCreate,
} from '../../../lib/partition/plan-create.ts';
import { contains, isBounded, type Point, uncovered, union } from '../../../lib/partition/range.ts';
import { before as spanBefore } from '../../../lib/partition/span.ts';
import { anyInterval, anyZone } from '../support/arbitraries.ts';
import { instant, point, rangeText } from '../support/points.ts';
import { anySituation, type Situation } from '../support/situations.ts';
import {
  afterCreate,
  configOf,
  createSteps,
  detachedTable,
  gridPartitions,
  partition,
  tableOf,
} from '../support/tables.ts';

const NOW = '2026-11-22T12:00Z';
const at = (now: string, options: Omit<CreateOptions, 'now'> = {}): CreateOptions => ({
  now: instant(now),
  ...options,
});
const months = (from: string, to: string) => gridPartitions(configOf(), from, to);
const names = (plan: CreatePlan): string[] => plan.steps.map(({ name }) => name);

const plan = ({ table, config, now }: Situation, options: Omit<CreateOptions, 'now'> = {}): CreatePlan =>
  planCreate(table, config, { now, approve: true, ...options });

const applied = (situation: Situation): Situation => ({
  ...situation,
  table: afterCreate(situation.table, plan(situation)),
});

/** The current interval and those the look-ahead asks for. */
function wanted({ config, table, now }: Situation): readonly GridInterval[] {
  const calendar = calendarOf(config.interval, gridZone(table.keyType, config.timeZone));
  let last = calendar.containing(pointAt(table.keyType, config.timeZone, now));
  const intervals = [last];
  while (intervals.length <= config.premake) {
    last = calendar.after(last);
    intervals.push(last);
  }
  return intervals;
}

const covered = ({ table }: Situation) => union(table.partitions.map(({ range }) => range));

describe('whatever there is', () => {
  test('a plan can be carried out: nothing overlaps, no name is taken twice; and then there is nothing left', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        expect(plan(situation).problems).toEqual([]);
        expect(plan(applied(situation))).toEqual({ steps: [], problems: [], refusal: null });
      }),
      { numRuns: 500 },
    );
  });

  test('now and the whole look-ahead are covered', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const intervals = wanted(situation);
        const [from = 0n, to = 0n] = [intervals[0]?.from, intervals.at(-1)?.to];
        const done = applied(situation);
        const nowPoint = pointAt(situation.table.keyType, situation.config.timeZone, situation.now);
        expect(uncovered({ from: nowPoint, to }, covered(done)).map(rangeText)).toEqual([]);
        // Without retention, or where it reaches so far, so is the beginning of the current interval.
        if (situation.config.retention === null) {
          expect(uncovered({ from, to }, covered(done)).map(rangeText)).toEqual([]);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('every moment inside retention since the oldest partition is covered', () => {
    fc.assert(
      fc.property(anySituation, fc.array(fc.nat(1_000_000), { minLength: 20 }), (situation, samples) => {
        const { config, table, now } = situation;
        const bounds = table.partitions.flatMap(({ range }) => [range.from, range.to]).filter(isBounded);
        const oldest = bounds.reduce((least, bound) => (bound < least ? bound : least), bounds[0] ?? 0n);
        const nowPoint = pointAt(table.keyType, config.timeZone, now);
        if (bounds.length === 0 || oldest >= nowPoint) return;
        const cutoff = config.retention === null ? null : spanBefore(now, config.retention, config.timeZone);
        const start = cutoff ?? now.subtract({ hours: 24 * 365 * 30 });
        const stretch = Number(now.epochMilliseconds - start.epochMilliseconds);
        const ranges = covered(applied(situation));
        for (const sample of samples) {
          const written = start.add({ milliseconds: Math.floor((stretch / 1_000_000) * sample) });
          const row = pointAt(table.keyType, config.timeZone, written);
          if (row >= oldest)
            expect(
              ranges.some((range) => contains(range, row)),
              `a row of ${written}`,
            ).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('nothing is made that retention would remove, and nothing wider than one interval', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const { config, table, now } = situation;
        const { steps } = plan(situation);
        const made = new Set(steps.map(({ name }) => name));
        const options = { now, serverClock: now, localClock: now, approve: true };
        const removed = planCleanup(applied(situation).table, config, options).steps;
        expect(removed.filter(({ partition: { name } }) => made.has(name))).toEqual([]);
        const calendar = calendarOf(config.interval, gridZone(table.keyType, config.timeZone));
        for (const { range } of steps) expect(calendar.containing(range.from).to >= range.to).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  test('a raised premake adds only what is missing, a lowered one removes and makes nothing', () => {
    fc.assert(
      fc.property(anySituation, fc.integer({ min: 1, max: 4 }), (situation, more) => {
        const done = applied(situation);
        const { config } = situation;
        const last = wanted(situation).at(-1)?.to ?? 0n;
        const raised = plan({ ...done, config: { ...config, premake: config.premake + more } });
        expect(raised.steps.every(({ range }) => range.from >= last)).toBe(true);
        expect(raised.problems).toEqual([]);
        if (table(done).every(({ range }) => range.to <= last)) expect(raised.steps).toHaveLength(more);
        expect(plan({ ...done, config: { ...config, premake: Math.max(1, config.premake - more) } })).toEqual(
          {
            steps: [],
            problems: [],
            refusal: null,
          },
        );
      }),
      { numRuns: 300 },
    );
  });

  test('another zone and interval later on neither overlap nor leave anything out', () => {
    fc.assert(
      fc.property(anySituation, anyZone, anyInterval, (situation, timeZone, drawn) => {
        const interval = situation.table.keyType === 'date' && drawn === 'hour' ? 'day' : drawn;
        const moved = applied({
          ...applied(situation),
          // Else an hourly plan for years of monthly holes would take its time.
          config: { ...situation.config, timeZone, interval, retention: { hours: 1 } },
        });
        const nowPoint = pointAt(moved.table.keyType, timeZone, moved.now);
        const to = wanted(moved).at(-1)?.to ?? 0n;
        expect(uncovered({ from: nowPoint, to }, covered(moved)).map(rangeText)).toEqual([]);
        expect(plan(moved).steps).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('health finds nothing missing afterwards, unless a detach is unfinished', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        fc.pre(situation.table.partitions.every(({ detachPending }) => !detachPending));
        const { config, table: done, now } = applied(situation);
        const found = findingsOf({ table: done, config, now, serverClock: now, localClock: now });
        expect(
          found.filter(({ finding }) => finding.startsWith('missing')).map(({ message }) => message),
        ).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});

const table = ({ table: { partitions } }: Situation) => partitions;

describe('a new table', () => {
  const expected: Readonly<Record<Interval, readonly string[]>> = {
    hour: ['events_2026_11_22_12', 'events_2026_11_22_13', 'events_2026_11_22_14'],
    day: ['events_2026_11_22', 'events_2026_11_23', 'events_2026_11_24'],
    week: ['events_2026_w47', 'events_2026_w48', 'events_2026_w49'],
    month: ['events_2026_11', 'events_2026_12', 'events_2027_01'],
    quarter: ['events_2026_q4', 'events_2027_q1', 'events_2027_q2'],
    year: ['events_2026', 'events_2027', 'events_2028'],
  };
  test.each(INTERVALS)('by %s gets the current partition and the look-ahead', (interval) => {
    expect(names(planCreate(tableOf(), configOf({ interval, premake: 2 }), at(NOW)))).toEqual(
      expected[interval],
    );
  });

  test('gets them with their reasons', () => {
    expect(createSteps(planCreate(tableOf(), configOf(), at(NOW)))).toEqual([
      'events_2026_11: 2026-11-01 .. 2026-12-01 (covers now)',
      'events_2026_12: 2026-12-01 .. 2027-01-01 (look-ahead)',
      'events_2027_01: 2027-01-01 .. 2027-02-01 (look-ahead)',
      'events_2027_02: 2027-02-01 .. 2027-03-01 (look-ahead)',
    ]);
  });

  test('by its zone: on New Year in Kiritimati it is the new year', () => {
    const config = configOf({ premake: 1, timeZone: 'Pacific/Kiritimati' });
    expect(createSteps(planCreate(tableOf(), config, at('2026-12-31T10:00Z')))).toEqual([
      'events_2027_01: 2026-12-31T10:00Z .. 2027-01-31T10:00Z (covers now)',
      'events_2027_02: 2027-01-31T10:00Z .. 2027-02-28T10:00Z (look-ahead)',
    ]);
  });

  test.each(['timestamp', 'date'] as const)('with a %s key gets wall-clock bounds', (keyType) => {
    const config = configOf({ premake: 1, timeZone: 'America/New_York' });
    expect(createSteps(planCreate(tableOf({ keyType }), config, at('2026-12-01T04:30Z')))).toEqual([
      'events_2026_11: 2026-11-01 .. 2026-12-01 (covers now)',
      'events_2026_12: 2026-12-01 .. 2027-01-01 (look-ahead)',
    ]);
  });

  test('is not extended into the past by retention', () => {
    expect(names(planCreate(tableOf(), configOf({ retention: { years: 7 } }), at(NOW)))[0]).toBe(
      'events_2026_11',
    );
  });
});

describe('a table that has partitions', () => {
  test('and lacks none gets none', () => {
    const complete = tableOf({ partitions: months('2019-11-22', '2027-03-01') });
    expect(planCreate(complete, configOf(), at(NOW))).toEqual({ steps: [], problems: [], refusal: null });
  });

  test('gets one a month', () => {
    const lastMonth = tableOf({ partitions: months('2026-01-01', '2027-02-01') });
    expect(createSteps(planCreate(lastMonth, configOf(), at(NOW)))).toEqual([
      'events_2027_02: 2027-02-01 .. 2027-03-01 (look-ahead)',
    ]);
  });

  test('has its holes filled, the most urgent first', () => {
    const holes = tableOf({
      partitions: [...months('2026-01-01', '2026-03-01'), ...months('2026-06-01', '2026-10-01')],
    });
    expect(createSteps(planCreate(holes, configOf({ premake: 1 }), at(NOW)))).toEqual([
      'events_2026_11: 2026-11-01 .. 2026-12-01 (covers now)',
      'events_2026_12: 2026-12-01 .. 2027-01-01 (look-ahead)',
      'events_2026_03: 2026-03-01 .. 2026-04-01 (fills a hole)',
      'events_2026_04: 2026-04-01 .. 2026-05-01 (fills a hole)',
      'events_2026_05: 2026-05-01 .. 2026-06-01 (fills a hole)',
      'events_2026_10: 2026-10-01 .. 2026-11-01 (fills a hole)',
    ]);
  });

  test('is made complete after the scheduler has stood still', () => {
    const old = tableOf({ partitions: months('2025-01-01', '2025-09-01') });
    const done = afterCreate(old, planCreate(old, configOf(), at(NOW)));
    expect(union(done.partitions.map(({ range }) => range)).map(rangeText)).toEqual([
      '2025-01-01 .. 2027-03-01',
    ]);
  });

  test('gets nothing that is expired already when the lapse is longer than retention', () => {
    const old = tableOf({ partitions: months('2023-01-01', '2023-09-01') });
    const config = configOf({ retention: { days: 90 }, premake: 1 });
    // 90 days before are 24 August: August is inside retention in part, July is not.
    expect(names(planCreate(old, config, at(NOW)))).toEqual([
      'events_2026_11',
      'events_2026_12',
      'events_2026_08',
      'events_2026_09',
      'events_2026_10',
    ]);
  });

  test('is not flooded because of one partition in the far future', () => {
    const future = tableOf({
      partitions: [...months('2026-10-01', '2026-12-01'), ...months('2097-01-01', '2097-02-01')],
    });
    expect(names(planCreate(future, configOf({ premake: 2 }), at(NOW)))).toEqual([
      'events_2026_12',
      'events_2027_01',
    ]);
    const only = tableOf({ partitions: months('2097-01-01', '2097-02-01') });
    expect(names(planCreate(only, configOf({ premake: 1 }), at(NOW)))).toEqual([
      'events_2026_11',
      'events_2026_12',
    ]);
  });

  test('an open end covers what it covers', () => {
    const open = tableOf({
      partitions: [partition('MINVALUE', '2026-11-01'), partition('2026-12-01', 'MAXVALUE')],
    });
    expect(createSteps(planCreate(open, configOf(), at(NOW)))).toEqual([
      'events_2026_11: 2026-11-01 .. 2026-12-01 (covers now)',
    ]);
    const everything = tableOf({ partitions: [partition('MINVALUE', 'MAXVALUE')] });
    expect(planCreate(everything, configOf(), at(NOW)).steps).toEqual([]);
  });

  test('a partition whose detach is unfinished still takes its place', () => {
    const [current, ...others] = months('2026-11-01', '2027-03-01');
    const pending = tableOf({ partitions: current ? [{ ...current, detachPending: true }, ...others] : [] });
    expect(planCreate(pending, configOf(), at(NOW)).steps).toEqual([]);
  });
});

describe('off the grid', () => {
  test('from months to weeks there is one stub and no overlap', () => {
    const monthly = tableOf({ partitions: months('2026-09-01', '2026-12-01') });
    const config = configOf({ interval: 'week', premake: 3 });
    expect(createSteps(planCreate(monthly, config, at(NOW)))).toEqual([
      'events_2026_w49: 2026-12-01 .. 2026-12-07 (look-ahead, as a stub up to the neighbouring partition)',
      'events_2026_w50: 2026-12-07 .. 2026-12-14 (look-ahead)',
    ]);
  });

  test('from weeks to months likewise', () => {
    const config = configOf({ interval: 'week' });
    const weekly = tableOf({ partitions: gridPartitions(config, '2026-11-02', '2026-11-24') });
    expect(createSteps(planCreate(weekly, configOf({ premake: 1 }), at(NOW)))).toEqual([
      'events_2026_11: 2026-11-30 .. 2026-12-01 (look-ahead, as a stub up to the neighbouring partition)',
      'events_2026_12: 2026-12-01 .. 2027-01-01 (look-ahead)',
      'events_2026_11_2: 2026-11-01 .. 2026-11-02 (fills a hole, as a stub up to the neighbouring partition)',
    ]);
  });

  test('from one zone to another a stub of the difference remains', () => {
    const utc = tableOf({ partitions: months('2026-11-01', '2026-12-01') });
    const config = configOf({ premake: 1, timeZone: 'America/New_York' });
    expect(createSteps(planCreate(utc, config, at(NOW)))).toEqual([
      'events_2026_11_2: 2026-12-01 .. 2026-12-01T05:00Z (look-ahead, as a stub up to the neighbouring partition)',
      'events_2026_12: 2026-12-01T05:00Z .. 2027-01-01T05:00Z (look-ahead)',
    ]);
  });

  test('two stubs in one interval get two names', () => {
    const middle = tableOf({
      partitions: [partition('2026-10-01', '2026-11-05'), partition('2026-11-10', '2026-11-20')],
    });
    expect(createSteps(planCreate(middle, configOf({ premake: 1 }), at(NOW)))).toEqual([
      'events_2026_11: 2026-11-20 .. 2026-12-01 (covers now, as a stub up to the neighbouring partition)',
      'events_2026_12: 2026-12-01 .. 2027-01-01 (look-ahead)',
      'events_2026_11_2: 2026-11-05 .. 2026-11-10 (fills a hole, as a stub up to the neighbouring partition)',
    ]);
  });

  test('a stub later in the current interval does not claim to cover now', () => {
    const early = tableOf({ partitions: [partition('2026-11-01', '2026-11-25')] });
    expect(createSteps(planCreate(early, configOf({ premake: 1 }), at(NOW)))[0]).toBe(
      'events_2026_11: 2026-11-25 .. 2026-12-01 (look-ahead, as a stub up to the neighbouring partition)',
    );
  });
});

describe('names', () => {
  test('that lie change nothing: bounds decide', () => {
    const liar = tableOf({
      partitions: [
        partition('2026-11-01', '2026-12-01', { name: 'events_2027_01' }),
        partition('2027-01-01', '2027-02-01', { name: 'events_2026_11' }),
      ],
    });
    expect(createSteps(planCreate(liar, configOf({ premake: 3 }), at(NOW)))).toEqual([
      'events_2026_12: 2026-12-01 .. 2027-01-01 (look-ahead)',
      'events_2027_02: 2027-02-01 .. 2027-03-01 (look-ahead)',
    ]);
  });

  test('of own partitions make way: the next free number', () => {
    const taken = tableOf({
      partitions: [
        partition('2026-11-01', '2026-12-01', { name: 'events_2026_12' }),
        partition('2026-10-01', '2026-11-01', { name: 'events_2026_12_2' }),
      ],
    });
    expect(names(planCreate(taken, configOf({ premake: 2 }), at(NOW)))).toEqual([
      'events_2026_12_3',
      'events_2027_01',
    ]);
  });

  test('of other relations are a problem of that partition alone', () => {
    const taken = tableOf({ otherNames: ['events_2026_12'] });
    const result = planCreate(taken, configOf({ premake: 2 }), at(NOW));
    expect(names(result)).toEqual(['events_2026_11', 'events_2027_01']);
    expect(result.refusal).toBeNull();
    expect(result.problems).toMatchObject([{ code: 'name-taken' }]);
    expect(result.problems[0]?.message).toContain('logs.events_2026_12 cannot be created');
    expect(result.problems[0]?.hint).toContain('ALTER TABLE logs.events_2026_12 RENAME TO');
  });

  test('of other relations behind those of own partitions are told by the name that is taken', () => {
    const taken = tableOf({
      partitions: [partition('2026-11-01', '2026-12-01', { name: 'events_2026_12' })],
      otherNames: ['events_2026_12_2'],
    });
    const { problems } = planCreate(taken, configOf({ premake: 1 }), at(NOW));
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain('logs.events_2026_12_2');
    expect(problems[0]?.hint).toContain('logs.events_2026_12_2');
  });

  test('of tables we detached from another stretch, by another calendar, are numbered too', () => {
    const waiting = detachedTable('2020-01-01', '2020-02-01', '2026-11-01T02:00:00Z', {
      name: 'events_2026_12',
    });
    const result = planCreate(tableOf({ detached: [waiting] }), configOf({ premake: 2 }), at(NOW));
    expect(result.problems).toEqual([]);
    expect(names(result)).toEqual(['events_2026_11', 'events_2026_12_2', 'events_2027_01']);
  });

  test.each([
    { expired: 'drop', out: 'cleanup --table logs.events' },
    { expired: 'detach', out: 'DROP TABLE logs.events_2026_12;' },
  ] as const)('of tables we detached from that very stretch are a problem: $expired', ({ expired, out }) => {
    const waiting = detachedTable('2026-12-01', '2027-01-01', '2026-11-01T02:00:00Z', {
      name: 'events_2026_12',
    });
    const result = planCreate(tableOf({ detached: [waiting] }), configOf({ premake: 2, expired }), at(NOW));
    expect(names(result)).toEqual(['events_2026_11', 'events_2027_01']);
    expect(result.problems[0]?.message).toContain('detached by Partition Keeper');
    expect(result.problems[0]?.hint).toContain('ATTACH PARTITION logs.events_2026_12');
    expect(result.problems[0]?.hint).toContain(out);
  });

  test('never exceed 63 bytes: what has no room for a number is a problem that says so', () => {
    const long = 'x'.repeat(55);
    expect(nameExcess(long, 'month')).toBe(0);
    const config = configOf({ table: long, premake: 1 });
    const full = tableOf({
      name: long,
      partitions: [partition('2026-11-01', '2026-12-01', { name: `${long}_2026_12` })],
    });
    const { steps, problems } = planCreate(full, config, at(NOW));
    expect(steps).toEqual([]);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).not.toContain('is no partition');
    fc.assert(
      fc.property(anySituation, fc.integer({ min: 1, max: 55 }), (situation, bytes) => {
        const name = 'x'.repeat(bytes);
        const renamed = { ...situation.table, name };
        const created = plan({ ...situation, table: renamed });
        for (const step of created.steps) {
          if (nameExcess(name, situation.config.interval) === 0)
            expect(byteLength(step.name)).toBeLessThanOrEqual(MAX_NAME_BYTES);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('too many', () => {
  const hourly = configOf({ interval: 'hour', premake: 2 });
  const from1970 = tableOf({ partitions: [partition('1970-01-01', '1970-01-01T01:00Z')] });

  test('are refused: a partition of 1970, by the hour, without retention', () => {
    const refused = planCreate(from1970, hourly, at(NOW));
    expect(refused.steps).toEqual([]);
    expect(refused.refusal).toMatchObject({ code: 'too-many-creations' });
    expect(refused.refusal?.message).toContain('1970-01-01');
    expect(refused.refusal?.hint).toContain('--approve');
  });

  test('are made once somebody approves', () => {
    const since = tableOf({ partitions: [partition('2026-10-01', '2026-10-01T01:00Z')] });
    const approved = planCreate(since, hourly, at(NOW, { approve: true }));
    expect(approved.refusal).toBeNull();
    expect(approved.steps).toHaveLength(52 * 24 + 12 - 1 + 3);
    expect(planCreate(since, hourly, at(NOW)).refusal).not.toBeNull();
  });

  test('begin at one more than a thousand', () => {
    const until = (count: number) =>
      planCreate(tableOf(), hourly, at(NOW, { premake: count - 1 })).steps.length;
    expect(until(MAX_CREATIONS)).toBe(MAX_CREATIONS);
    expect(until(MAX_CREATIONS + 1)).toBe(0);
  });

  test('are not those that retention would remove anyway', () => {
    const config = { ...hourly, retention: { days: 1 } };
    expect(planCreate(from1970, config, at(NOW)).steps).toHaveLength(24 + 1 + 2);
  });

  test('can be narrowed by --from', () => {
    const from = instant('2026-11-22T10:00Z');
    expect(names(planCreate(from1970, hourly, at(NOW, { from })))).toHaveLength(5);
  });
});

describe('options', () => {
  test('premake instead of the configured one', () => {
    expect(names(planCreate(tableOf(), configOf({ premake: 5 }), at(NOW, { premake: 1 })))).toHaveLength(2);
  });

  test('from and to name a stretch, widened to whole intervals', () => {
    const stretch = { from: instant('2025-03-15'), to: instant('2025-05-15') };
    expect(names(planCreate(tableOf(), configOf(), at(NOW, stretch)))).toEqual([
      'events_2025_03',
      'events_2025_04',
      'events_2025_05',
    ]);
  });

  test('to is exclusive: midnight of the 1st belongs to no further month', () => {
    const stretch = { from: instant('2025-03-01'), to: instant('2025-05-01') };
    expect(names(planCreate(tableOf(), configOf(), at(NOW, stretch)))).toEqual([
      'events_2025_03',
      'events_2025_04',
    ]);
  });

  test('from does not reach past retention', () => {
    const config = configOf({ retention: { months: 2 }, premake: 1 });
    expect(names(planCreate(tableOf(), config, at(NOW, { from: instant('2025-01-01') })))).toEqual([
      'events_2026_11',
      'events_2026_12',
      'events_2026_09',
      'events_2026_10',
    ]);
  });

  test('a stretch the wrong way round is empty', () => {
    const stretch = { from: instant('2025-05-01'), to: instant('2025-03-01') };
    expect(planCreate(tableOf(), configOf(), at(NOW, stretch)).steps).toEqual([]);
  });
});

test('the grid of a plan is the calendar of the configured zone, to the microsecond', () => {
  const config = configOf({ premake: 1, timeZone: 'Europe/Berlin' });
  const last: Point = point('2026-10-31T22:59:59.999999Z');
  const [first] = planCreate(tableOf(), config, at('2026-10-31T22:59:59.999999Z')).steps;
  const [second] = planCreate(tableOf(), config, at('2026-10-31T23:00Z')).steps;
  expect(first?.name).toBe('events_2026_10');
  expect(first?.range.to).toBe(last + 1n);
  expect(second?.name).toBe('events_2026_11');
  expect(second?.range.from).toBe(last + 1n);
});
