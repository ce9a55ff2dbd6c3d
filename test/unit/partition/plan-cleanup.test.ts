import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { toInstant, toPoint } from '../../../lib/partition/calendar.ts';
import { findingsOf } from '../../../lib/partition/health.ts';
import { instantAt, pointAt } from '../../../lib/partition/key-type.ts';
import { type CleanupOptions, type CleanupPlan, planCleanup } from '../../../lib/partition/plan-cleanup.ts';
import { planCreate } from '../../../lib/partition/plan-create.ts';
import { contains, isBounded } from '../../../lib/partition/range.ts';
import { before as spanBefore } from '../../../lib/partition/span.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { HOUR, instant, point, rangeText } from '../support/points.ts';
import { anySituation, type Situation } from '../support/situations.ts';
import {
  afterCleanup,
  afterCreate,
  configOf,
  defaultPartition,
  detachedTable,
  gridPartitions,
  markerOf,
  partition,
  tableOf,
} from '../support/tables.ts';

const NOW = '2026-11-22T12:00Z';

const at = (now: string, fields: Partial<CleanupOptions> = {}): CleanupOptions => ({
  now: instant(now),
  serverClock: instant(now),
  localClock: instant(now),
  ...fields,
});
const months = (from: string, to: string) => gridPartitions(configOf(), from, to);

/** `drop events_2026_01`, or `detach ... then drop`, in the order of the plan. */
const written = (plan: CleanupPlan): string[] =>
  plan.steps.map(
    (step) =>
      `${step.kind} ${step.partition.name}${step.kind !== 'drop' && step.thenDrop ? ' then drop' : ''}`,
  );

const plan = ({ table, config, now }: Situation): CleanupPlan =>
  planCleanup(table, config, { now, serverClock: now, localClock: now, approve: true });

const cutoffOf = ({ config: { retention, timeZone }, now }: Situation): Temporal.Instant | null =>
  retention === null ? null : spanBefore(now, retention, timeZone);

describe('whatever there is', () => {
  test('no removed partition can hold a row younger than retention', () => {
    fc.assert(
      fc.property(anySituation, fc.array(fc.nat(1000), { minLength: 10 }), (situation, samples) => {
        const { config, table, now } = situation;
        const cutoff = cutoffOf(situation);
        if (cutoff === null) {
          expect(plan(situation).steps).toEqual([]);
          return;
        }
        // The moments in which rows inside retention were written: mostly just after the cutoff, where clocks change.
        const start = toPoint(cutoff);
        const span = toPoint(now) - start;
        const moments = [
          ...Array.from({ length: 30 }, (_, index) => start + (BigInt(index) * HOUR) / 4n),
          ...samples.map((sample) => start + (span * BigInt(sample)) / 1000n),
          toPoint(now),
        ];
        const rows = moments.map((moment) => pointAt(table.keyType, config.timeZone, toInstant(moment)));
        for (const { partition: removed } of plan(situation).steps) {
          const hit = rows.findIndex((row) => contains(removed.range, row));
          expect(hit === -1 ? '' : `${rangeText(removed.range)} ${toInstant(moments[hit] ?? 0n)}`).toBe('');
        }
      }),
      { numRuns: 600 },
    );
  });

  test('every partition that is wholly older is removed, unless a rule keeps it, and no other', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const { config, table } = situation;
        const cutoff = cutoffOf(situation);
        const last = table.partitions.at(-1);
        const expected = table.partitions.filter(
          (candidate) =>
            cutoff !== null &&
            isBounded(candidate.range.to) &&
            Temporal.Instant.compare(instantAt(table.keyType, config.timeZone, candidate.range.to), cutoff) <=
              0 &&
            candidate !== last &&
            candidate.referencedBy.length === 0 &&
            (!candidate.detachPending || candidate.marker !== null),
        );
        const names = plan(situation).steps.map(({ partition: { name } }) => name);
        expect(names.toSorted()).toEqual(expected.map(({ name }) => name).toSorted());
      }),
      { numRuns: 600 },
    );
  });

  test('a second cleanup has nothing to do, also after a create', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const { config, table, now } = situation;
        const clean = { ...situation, table: afterCleanup(table, plan(situation), NOW) };
        expect(plan(clean).steps).toEqual([]);
        const full = afterCreate(clean.table, planCreate(clean.table, config, { now, approve: true }));
        // What was the last one, and was kept as such, may go now that there are others.
        const next = plan({ ...clean, table: full }).steps.map(({ partition: { oid } }) => oid);
        expect(next.filter((oid) => oid !== table.partitions.at(-1)?.oid)).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  test('health finds nothing expired afterwards that cleanup could have removed', () => {
    fc.assert(
      fc.property(anySituation, (situation) => {
        const { config, table, now } = situation;
        const clean = afterCleanup(table, plan(situation), NOW);
        const found = findingsOf({
          table: {
            ...clean,
            // Of an unfinished detach there is a finding of its own.
            partitions: clean.partitions.filter(
              ({ detachPending }, index) => index === clean.partitions.length - 1 || !detachPending,
            ),
          },
          config: { ...config, overdueAfter: { hours: 1 } },
          now,
          serverClock: now,
          localClock: now,
        });
        expect(found.filter(({ finding }) => finding === 'expired' || finding === 'stranded')).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });
});

describe('expired is what ends at or before now less retention', () => {
  const config = configOf({ retention: { days: 90 } });
  const year = tableOf({ partitions: months('2026-01-01', '2027-01-01') });

  test('a partition that the cutoff lies in is kept', () => {
    // 90 days before are 24 August.
    expect(written(planCleanup(year, { ...config, maxExpiredShare: 1 }, at(NOW)))).toEqual([
      'drop events_2026_01',
      'drop events_2026_02',
      'drop events_2026_03',
      'drop events_2026_04',
      'drop events_2026_05',
      'drop events_2026_06',
      'drop events_2026_07',
    ]);
  });

  test.each([
    ['2026-05-02T00:00Z', ['drop events_2026_01']],
    ['2026-05-01T23:59:59.999999Z', []],
  ])('to the microsecond: at %s', (now, expected) => {
    // 90 days after 1 February.
    const two = tableOf({ partitions: months('2026-01-01', '2026-04-01') });
    expect(written(planCleanup(two, config, at(now)))).toEqual(expected);
  });

  test('by the clock of the zone', () => {
    const berlin = configOf({ retention: { months: 1 }, timeZone: 'Europe/Berlin', maxExpiredShare: 1 });
    const table = tableOf({ partitions: gridPartitions(berlin, '2026-02-10', '2026-06-01') });
    // February ends on 28 February, 23:00 of UTC; a month after that by the clock is 31 March, 22:00.
    expect(written(planCleanup(table, berlin, at('2026-03-31T21:59Z')))).toEqual([]);
    expect(written(planCleanup(table, berlin, at('2026-03-31T22:00Z')))).toEqual(['drop events_2026_02']);
  });

  test('with a wall-clock key not before the later of two readings of its bound', () => {
    const hourly = configOf({ interval: 'hour', retention: { hours: 1 }, timeZone: 'Europe/Berlin' });
    const table = tableOf({
      keyType: 'timestamp',
      // Until 02:00 by the clock on the wall, which Berlin saw twice on 25 October: at 00:00 and at 01:00 of UTC.
      partitions: [
        partition('2026-10-25T01:00Z', '2026-10-25T02:00Z', { name: 'first' }),
        partition('2026-10-25T02:00Z', '2026-10-25T03:00Z', { name: 'second' }),
        partition('2026-10-25T03:00Z', '2026-10-25T05:00Z', { name: 'third' }),
      ],
    });
    expect(written(planCleanup(table, hourly, at('2026-10-25T01:30Z')))).toEqual([]);
    expect(written(planCleanup(table, hourly, at('2026-10-25T02:00Z')))).toEqual(['drop first']);
  });

  test('without retention nothing ever is', () => {
    const ancient = tableOf({ partitions: months('1990-01-01', '1995-01-01') });
    expect(planCleanup(ancient, configOf(), at(NOW))).toEqual({ steps: [], findings: [], refusal: null });
  });

  test('and says why', () => {
    const [step] = planCleanup(year, { ...config, maxExpiredShare: 1 }, at(NOW)).steps;
    expect(step?.reason).toBe('all older than the retention of 90 days, that is than 2026-08-24T12:00:00Z');
  });
});

describe('a quarterly run', () => {
  test('on 31 March removes what three months of retention let go', () => {
    const config = configOf({ retention: { months: 3 }, maxExpiredShare: 1 });
    const table = tableOf({ partitions: months('2025-10-01', '2026-07-01') });
    expect(written(planCleanup(table, config, at('2026-03-31T02:00Z')))).toEqual([
      'drop events_2025_10',
      'drop events_2025_11',
    ]);
    expect(written(planCleanup(table, config, at('2026-04-01T02:00Z')))).toEqual([
      'drop events_2025_10',
      'drop events_2025_11',
      'drop events_2025_12',
    ]);
  });

  test('on 31 March with one month: February has no 31st, and all of it is kept', () => {
    const config = configOf({ retention: { months: 1 }, maxExpiredShare: 1 });
    const table = tableOf({ partitions: months('2026-01-01', '2026-07-01') });
    expect(written(planCleanup(table, config, at('2026-03-31T02:00Z')))).toEqual(['drop events_2026_01']);
  });

  test('of a table of seven years removes three of its months', () => {
    const config = configOf({ retention: { years: 7 } });
    const table = tableOf({ partitions: months('2019-07-01', '2027-02-01') });
    expect(written(planCleanup(table, config, at('2026-10-01T02:00Z')))).toEqual([
      'drop events_2019_07',
      'drop events_2019_08',
      'drop events_2019_09',
    ]);
  });
});

test('a weekly run on a Sunday keeps the week it is in and the one the cutoff lies in', () => {
  const config = configOf({ interval: 'week', retention: { weeks: 4 } });
  const table = tableOf({ partitions: gridPartitions(config, '2026-10-05', '2026-12-20') });
  // Four weeks before Sunday 22 November is Sunday 25 October, of week 43.
  expect(written(planCleanup(table, config, at('2026-11-22T02:00Z')))).toEqual([
    'drop events_2026_w41',
    'drop events_2026_w42',
  ]);
  expect(written(planCleanup(table, config, at('2026-11-23T00:00Z')))).toEqual([
    'drop events_2026_w41',
    'drop events_2026_w42',
    'drop events_2026_w43',
  ]);
});

describe('never removed', () => {
  const config = configOf({ retention: { days: 1 }, maxExpiredShare: 1 });

  test('the current partition and those to come', () => {
    const table = tableOf({ partitions: months('2026-10-01', '2027-03-01') });
    expect(written(planCleanup(table, config, at(NOW)))).toEqual(['drop events_2026_10']);
  });

  test('the last one, however old', () => {
    const table = tableOf({ partitions: months('2020-01-01', '2020-03-01') });
    expect(written(planCleanup(table, config, at(NOW)))).toEqual(['drop events_2020_01']);
    expect(
      written(planCleanup(tableOf({ partitions: months('2020-01-01', '2020-01-02') }), config, at(NOW))),
    ).toEqual([]);
  });

  test('one that is open at its upper end', () => {
    const table = tableOf({
      partitions: [
        partition('2020-01-01', '2021-01-01', { name: 'old' }),
        partition('2021-01-01', 'infinity', { name: 'to infinity' }),
        partition('infinity', 'MAXVALUE', { name: 'to the end' }),
      ],
    });
    expect(written(planCleanup(table, config, at(NOW)))).toEqual(['drop old']);
  });

  test('the default partition', () => {
    const table = tableOf({
      partitions: months('2026-09-01', '2027-03-01'),
      defaultPartition: defaultPartition({ rows: 100 }),
    });
    expect(written(planCleanup(table, config, at(NOW)))).toEqual([
      'drop events_2026_09',
      'drop events_2026_10',
    ]);
  });

  test('one that foreign keys refer to; a finding says so', () => {
    const table = tableOf({
      partitions: [
        partition('2026-09-01', '2026-10-01', { name: 'sep', referencedBy: ['logs.details', 'logs.notes'] }),
        partition('2026-10-01', '2026-11-01', { name: 'oct' }),
        partition('2026-11-01', '2026-12-01', { name: 'nov', referencedBy: ['logs.details'] }),
        partition('2026-12-01', '2027-01-01', { name: 'dec' }),
      ],
    });
    const result = planCleanup(table, config, at(NOW));
    expect(written(result)).toEqual(['drop oct']);
    expect(result.findings).toMatchObject([
      {
        finding: 'referenced',
        severity: 'warning',
        partition: 'logs.sep',
        facts: { referencedBy: ['logs.details', 'logs.notes'] },
      },
    ]);
  });

  test('one that somebody else is detaching, nor one being detached from another parent', () => {
    const table = tableOf({
      partitions: [
        partition('2026-08-01', '2026-09-01', { name: 'theirs', detachPending: true }),
        partition('2026-09-01', '2026-10-01', {
          name: 'of another parent',
          detachPending: true,
          marker: markerOf({ parentOid: 4711 }),
        }),
        partition('2026-10-01', '2026-11-01', { name: 'oct' }),
        partition('2026-11-01', '2026-12-01', { name: 'nov' }),
      ],
    });
    expect(written(planCleanup(table, config, at(NOW)))).toEqual(['drop oct']);
  });

  test('a partition whose bounds cannot be read', () => {
    const table = tableOf({
      partitions: months('2026-11-01', '2027-03-01'),
      unreadable: [{ oid: 5, schema: 'logs', name: 'events_2020_01', boundsText: 'FOR VALUES IN (1)' }],
    });
    expect(planCleanup(table, config, at(NOW)).steps).toEqual([]);
  });

  test('a hole does not stop retention', () => {
    const table = tableOf({
      partitions: [...months('2026-01-01', '2026-03-01'), ...months('2026-06-01', '2027-01-01')],
    });
    expect(written(planCleanup(table, { ...config, retention: { months: 4 } }, at(NOW)))).toEqual([
      'drop events_2026_01',
      'drop events_2026_02',
      'drop events_2026_06',
    ]);
  });

  test('names that lie change nothing: bounds decide', () => {
    const table = tableOf({
      partitions: [
        partition('2026-09-01', '2026-10-01', { name: 'events_2027_01' }),
        partition('2026-11-01', '2026-12-01', { name: 'events_2019_01' }),
        partition('2026-12-01', '2027-01-01', { name: 'events_2019_02' }),
      ],
    });
    expect(written(planCleanup(table, config, at(NOW)))).toEqual(['drop events_2027_01']);
  });
});

describe('guards', () => {
  const config = configOf({ retention: { days: 90 } });
  const table = tableOf({ partitions: months('2026-06-01', '2027-03-01') });
  const approved = { approve: true };

  test('nothing is guarded when nothing is removed', () => {
    const young = tableOf({ partitions: months('2026-11-01', '2027-03-01') });
    const wild = at(NOW, { localClock: instant('2020-01-01'), serverClock: instant('2021-01-01') });
    expect(planCleanup(young, config, wild)).toEqual({ steps: [], findings: [], refusal: null });
  });

  test('a share above maxExpiredShare is refused, one at it is not', () => {
    // Two of nine partitions are expired.
    const share = (maxExpiredShare: number, fields = {}) =>
      planCleanup(table, { ...config, maxExpiredShare }, at(NOW, fields));
    expect(share(2 / 9).refusal).toBeNull();
    expect(share(0.5).refusal).toBeNull();
    expect(share(0.2).refusal).toMatchObject({ code: 'expired-share' });
    expect(share(0.2).refusal?.message).toContain('2 of its 9 partitions');
    expect(share(0.2).refusal?.hint).toContain('cleanup --table logs.events --approve');
    expect(share(0.2).refusal?.hint).toContain('"approve": true');
    expect(written(share(0.2))).toHaveLength(2);
    expect(share(0.2, approved).refusal).toBeNull();
    expect(written(share(0.2, approved))).toHaveLength(2);
  });

  test('a retention of days where years were meant is refused', () => {
    const years = tableOf({ partitions: months('2020-01-01', '2027-03-01') });
    const slip = planCleanup(years, configOf({ retention: { days: 7 } }), at(NOW));
    expect(slip.refusal).toMatchObject({ code: 'expired-share' });
  });

  test.each([
    ['the server ahead', '2026-11-22T13:00:01Z', 'clock-skew'],
    ['the server behind', '2026-11-22T10:59:59Z', 'clock-skew'],
    ['an hour apart at most', '2026-11-22T13:00:00Z', undefined],
    ['an hour behind at most', '2026-11-22T11:00:00Z', undefined],
  ])('clocks: %s', (_name, clock, code) => {
    const clocks = { now: instant(clock), serverClock: instant(clock), localClock: instant(NOW) };
    const result = planCleanup(table, config, at(NOW, clocks));
    expect(result.refusal?.code).toBe(code);
    expect(planCleanup(table, config, at(NOW, { ...clocks, ...approved })).refusal).toBeNull();
    expect(written(result)).toEqual(['drop events_2026_06', 'drop events_2026_07']);
  });

  test.each([
    ['tomorrow', '2026-11-23T12:00Z', 'future-now'],
    ['just more than an hour ahead', '2026-11-22T13:00:00.000001Z', 'future-now'],
    ['an hour ahead', '2026-11-22T13:00Z', undefined],
    ['yesterday', '2026-11-21T12:00Z', undefined],
  ])('a now of its own: %s', (_name, now, code) => {
    const result = planCleanup(table, config, at(NOW, { now: instant(now) }));
    expect(result.refusal?.code).toBe(code);
    const again = planCleanup(table, config, at(NOW, { now: instant(now), ...approved }));
    expect(again.refusal).toBeNull();
    expect(written(again)).toEqual(['drop events_2026_06', 'drop events_2026_07']);
  });

  test('an unfinished detach does not count: it was let through already', () => {
    const pending = tableOf({
      partitions: [
        partition('2026-06-01', '2026-07-01', { name: 'jun', detachPending: true, marker: markerOf() }),
        partition('2026-11-01', '2026-12-01', { name: 'nov' }),
      ],
    });
    const result = planCleanup(pending, { ...config, maxExpiredShare: 0.1 }, at(NOW));
    expect(result.refusal).toBeNull();
    expect(written(result)).toEqual(['finalize-detach jun then drop']);
  });
});

describe('ways to remove', () => {
  const config = (fields: Partial<TableConfig>) => configOf({ retention: { days: 30 }, ...fields });
  const attached = tableOf({ partitions: months('2026-09-01', '2027-02-01') });
  const pending = tableOf({
    partitions: [
      partition('2026-08-01', '2026-09-01', { name: 'aug' }),
      partition('2026-09-01', '2026-10-01', { name: 'sep', detachPending: true, marker: markerOf() }),
      ...months('2026-11-01', '2027-02-01'),
    ],
  });

  test('drop: at once', () => {
    expect(written(planCleanup(attached, config({}), at(NOW)))).toEqual(['drop events_2026_09']);
    expect(planCleanup(attached, config({}), at(NOW)).steps).toMatchObject([{ from: 'attached' }]);
  });

  test('drop with grace: detached, and not dropped before the grace is over', () => {
    const graceful = config({ grace: { days: 7 } });
    const first = planCleanup(attached, graceful, at(NOW));
    expect(written(first)).toEqual(['detach events_2026_09']);

    const waiting = afterCleanup(attached, first, '2026-11-22T12:00:00Z');
    expect(waiting.partitions.map(({ name }) => name)).not.toContain('events_2026_09');
    const later = (now: string) => written(planCleanup(waiting, graceful, at(now)));
    expect(later('2026-11-22T12:00:01Z')).toEqual([]);
    expect(later('2026-11-29T11:59:59Z')).toEqual([]);
    expect(later('2026-11-29T12:00:00Z')).toEqual(['drop events_2026_09']);
    const dropped = planCleanup(waiting, graceful, at('2026-11-29T12:00:00Z'));
    expect(dropped.steps).toMatchObject([{ kind: 'drop', from: 'detached' }]);
    expect(afterCleanup(waiting, dropped, NOW).detached).toEqual([]);
  });

  test('detach: kept for ever', () => {
    const keeping = config({ expired: 'detach' });
    const first = planCleanup(attached, keeping, at(NOW));
    expect(written(first)).toEqual(['detach events_2026_09']);
    const kept = afterCleanup(attached, first, '2026-11-22T12:00:00Z');
    expect(kept.detached.map(({ name }) => name)).toEqual(['events_2026_09']);
    expect(
      planCleanup(kept, keeping, at('2036-11-22T12:00Z', { approve: true })).steps.map(({ kind }) => kind),
    ).not.toContain('drop');
  });

  test('an unfinished detach of ours is finished first', () => {
    expect(written(planCleanup(pending, config({}), at(NOW)))).toEqual([
      'finalize-detach sep then drop',
      'drop aug',
    ]);
    expect(written(planCleanup(pending, config({ grace: { days: 7 } }), at(NOW)))).toEqual([
      'finalize-detach sep',
      'detach aug',
    ]);
    expect(written(planCleanup(pending, config({ expired: 'detach' }), at(NOW)))).toEqual([
      'finalize-detach sep',
      'detach aug',
    ]);
  });

  test('a detached table that was left over is dropped, after what is attached', () => {
    const stranded = tableOf({
      partitions: months('2026-09-01', '2027-02-01'),
      detached: [detachedTable('2026-07-01', '2026-08-01', '2026-10-01T02:00:00Z', { name: 'jul' })],
    });
    const result = planCleanup(stranded, config({}), at(NOW));
    expect(written(result)).toEqual(['drop events_2026_09', 'drop jul']);
    expect(result.steps[1]?.reason).toContain('detached 2026-10-01T02:00:00Z');
  });

  test('a detached table is kept once a longer retention protects it again', () => {
    const stranded = tableOf({
      partitions: months('2026-09-01', '2027-02-01'),
      detached: [detachedTable('2026-07-01', '2026-08-01', '2026-10-01T02:00:00Z')],
    });
    expect(planCleanup(stranded, config({ retention: { years: 1 } }), at(NOW)).steps).toEqual([]);
    expect(planCleanup(stranded, config({ retention: null }), at(NOW)).steps).toEqual([]);
  });

  test('with a default partition the plan says that detaching blocks', () => {
    const table = tableOf({
      partitions: months('2026-09-01', '2027-02-01'),
      defaultPartition: defaultPartition(),
    });
    const [step] = planCleanup(table, config({ grace: { days: 7 } }), at(NOW)).steps;
    expect(step?.reason).toContain('not concurrently');
    const [without] = planCleanup(attached, config({ grace: { days: 7 } }), at(NOW)).steps;
    expect(without?.reason).not.toContain('not concurrently');
  });
});

describe('what is asked for by name and kept says why', () => {
  const config = configOf({ retention: { months: 1 }, maxExpiredShare: 1 });
  const table = tableOf({
    partitions: [
      ...months('2026-08-01', '2026-12-01'),
      partition('2026-07-01', '2026-08-01', { name: 'referred', referencedBy: ['app.orders'] }),
    ].toSorted((a, b) => (a.range.from < b.range.from ? -1 : 1)),
    defaultPartition: defaultPartition(),
    detached: [detachedTable('2026-05-01', '2026-06-01', '2026-11-20T02:00:00Z', { name: 'may' })],
  });
  const ask = (name: string, fields: Partial<TableConfig> = {}) =>
    planCleanup(table, { ...config, ...fields }, at(NOW, { partitions: [`logs.${name}`], approve: true }));

  test.each<readonly [string, Partial<TableConfig>, string]>([
    ['events_2026_10', {}, 'is kept until 2026-12-01T00:00:00Z by the retention of 1 month'],
    [
      'events_2026_08',
      { retention: { years: 1 } },
      'is kept until 2027-09-01T00:00:00Z by the retention of 1 year',
    ],
    ['events_2026_08', { retention: null }, 'no retention'],
    ['referred', {}, 'foreign keys of app.orders'],
    ['events_default', {}, 'the default partition'],
    ['may', { grace: { days: 7 } }, 'until its grace is over'],
    ['may', { expired: 'detach' }, "by expired: 'detach'"],
  ])('%s with %j', (name, fields, reason) => {
    const { refusal, steps } = ask(name, fields);
    expect(refusal).toMatchObject({ code: 'not-expired', message: expect.stringContaining(reason) });
    expect(refusal?.message).toContain(`logs.${name} `);
    expect(steps).toEqual([]);
  });

  test('what is not kept goes, alone', () => {
    expect(ask('events_2026_08')).toMatchObject({ refusal: null, steps: [{ kind: 'drop' }] });
    expect(written(ask('events_2026_08'))).toEqual(['drop events_2026_08']);
  });
});

test('the cutoff is the instant itself, so the first to go is the one that ends exactly there', () => {
  const config = configOf({ interval: 'hour', retention: { hours: 24 } });
  const table = tableOf({ partitions: gridPartitions(config, '2026-11-21T10:00Z', '2026-11-22T14:00Z') });
  const result = planCleanup(table, config, at(NOW));
  expect(written(result)).toEqual(['drop events_2026_11_21_10', 'drop events_2026_11_21_11']);
  expect(result.steps.at(-1)?.partition.range.to).toBe(point('2026-11-21T12:00Z'));
});
