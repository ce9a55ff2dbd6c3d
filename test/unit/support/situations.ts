import fc from 'fast-check';
import type { Temporal } from 'temporal-polyfill';
import { calendarOf, type Interval, toInstant, toPoint } from '../../../lib/partition/calendar.ts';
import { gridZone, type KeyType, pointAt } from '../../../lib/partition/key-type.ts';
import type { Partition, PartitionedTable } from '../../../lib/partition/model.ts';
import { partitionName } from '../../../lib/partition/names.ts';
import {
  MAXVALUE,
  MINUS_INFINITY,
  MINVALUE,
  PLUS_INFINITY,
  type Point,
} from '../../../lib/partition/range.ts';
import type { Span } from '../../../lib/partition/span.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { anyInterval, anyZone, KEY_TYPES, LENGTH, pointBetween, zonedPoint } from './arbitraries.ts';
import { DAY, rangeText } from './points.ts';
import { configOf, defaultPartition, markerOf, partition, tableOf } from './tables.ts';

/** A table at a moment, and what its owner wants of it. */
export interface Situation {
  readonly config: TableConfig;
  readonly table: PartitionedTable;
  readonly now: Temporal.Instant;
}

export const RETENTIONS: Readonly<Record<Interval, readonly Span[]>> = {
  hour: [{ hours: 1 }, { hours: 5 }, { days: 1 }],
  day: [{ hours: 30 }, { days: 3 }, { weeks: 1, hours: 1 }],
  week: [{ days: 3 }, { weeks: 4 }, { months: 2 }],
  month: [{ days: 10 }, { months: 3 }, { days: 90 }, { years: 1 }],
  quarter: [{ months: 7 }, { years: 1, days: 5 }, { years: 2 }],
  year: [{ years: 1 }, { years: 7 }, { months: 30 }],
};

/** The smallest step between two keys that a bound can tell apart. */
const RESOLUTION: Readonly<Record<KeyType, Point>> = {
  timestamptz: 1n,
  timestamp: 1n,
  date: DAY,
  uuid: 1000n,
};

const floorTo = (unit: bigint, value: Point): Point => value - (((value % unit) + unit) % unit);

/** A place on the axis, reckoned from now: so many intervals away, on the grid or beside it. */
interface Cut {
  readonly intervals: number;
  /** Thousandths of an interval past the line of the grid. */
  readonly beside: number;
  /** What lies between this cut and the next one. */
  readonly followedBy: 'nothing' | 'partition' | 'pending detach' | 'our pending detach';
  /** Whether its name is of quite another interval. */
  readonly lies: boolean;
  readonly referenced: boolean;
}

const anyCut: fc.Arbitrary<Cut> = fc.record({
  intervals: fc.integer({ min: -25, max: 8 }),
  beside: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 999 })),
  followedBy: fc.oneof(
    { weight: 6, arbitrary: fc.constant('partition' as const) },
    { weight: 3, arbitrary: fc.constant('nothing' as const) },
    { weight: 1, arbitrary: fc.constantFrom('pending detach' as const, 'our pending detach' as const) },
  ),
  lies: fc.nat(5).map((value) => value === 0),
  referenced: fc.nat(9).map((value) => value === 0),
});

const anyEnd = fc.constantFrom('closed', 'closed', 'closed', 'open', 'infinite');

interface Shape {
  readonly config: TableConfig;
  readonly keyType: KeyType;
  readonly at: Point;
  readonly cuts: readonly Cut[];
  readonly first: string;
  readonly last: string;
  readonly hasDefault: boolean;
}

function partitionsOf({ config, keyType, at, cuts, first, last }: Shape): Partition[] {
  const { interval, timeZone, table } = config;
  const calendar = calendarOf(interval, gridZone(keyType, timeZone));
  const nowPoint = pointAt(keyType, timeZone, toInstant(at));
  const placed = new Map<Point, Cut>();
  for (const cut of cuts) {
    const line = calendar.containing(nowPoint + BigInt(cut.intervals) * LENGTH[interval]).from;
    const beside = (LENGTH[interval] * BigInt(cut.beside)) / 1000n;
    placed.set(floorTo(RESOLUTION[keyType], line + beside), cut);
  }
  const places = [...placed].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const names = new Set<string>();
  return places.flatMap(([place, cut], index) => {
    let from = place;
    let to = places[index + 1]?.[0];
    if (to === undefined && last === 'open') to = MAXVALUE;
    if (to === undefined && last === 'infinite') to = keyType === 'uuid' ? MAXVALUE : PLUS_INFINITY;
    if (index === 0 && first === 'open') from = MINVALUE;
    if (index === 0 && first === 'infinite') from = keyType === 'uuid' ? MINVALUE : MINUS_INFINITY;
    if (to === undefined || cut.followedBy === 'nothing') return [];
    const named = calendar.containing(cut.lies ? nowPoint + LENGTH[interval] : place);
    const wanted = partitionName(table, interval, named.label);
    const name = names.has(wanted) ? `${wanted}_x${index}` : wanted;
    names.add(name);
    return [
      partition(from, to, {
        name,
        detachPending: cut.followedBy !== 'partition',
        marker: cut.followedBy === 'our pending detach' ? markerOf() : null,
        referencedBy: cut.referenced ? ['logs.details'] : [],
      }),
    ];
  });
}

function situationOf(shape: Shape): Situation {
  const partitions = partitionsOf(shape);
  const table = tableOf({
    keyType: shape.keyType,
    partitions,
    defaultPartition: shape.hasDefault ? defaultPartition() : null,
  });
  const now = toInstant(shape.at);
  const { interval, timeZone, premake, retention } = shape.config;
  const text = () =>
    `${shape.keyType} by ${interval} in ${timeZone}, premake ${premake}, retention ${JSON.stringify(retention)}, now ${now}, ` +
    `partitions ${partitions.map(({ range, name, detachPending }) => `${name} ${rangeText(range)}${detachPending ? ' pending' : ''}`).join(', ')}`;
  return Object.assign(
    { config: shape.config, table, now },
    { [Symbol.for('fast-check/toStringMethod')]: text },
  );
}

const situationsAt = (
  moments: fc.Arbitrary<{ readonly zone: string; readonly at: Point }>,
  recentMoments: fc.Arbitrary<Point>,
  retainedSince: fc.Arbitrary<boolean>,
): fc.Arbitrary<Situation> =>
  fc
    .record({
      keyType: fc.constantFrom(...KEY_TYPES),
      interval: anyInterval,
      moment: moments,
      recent: recentMoments,
      /** Whether the moment lies a retention before now. */
      retainedSince,
      premake: fc.integer({ min: 1, max: 5 }),
      retention: fc.option(fc.nat(3)),
      cuts: fc.array(anyCut, { maxLength: 9 }),
      first: anyEnd,
      last: anyEnd,
      hasDefault: fc.boolean(),
    })
    .map(({ keyType, interval: drawn, moment, recent, retainedSince, premake, retention, ...rest }) => {
      // A date cannot tell hours apart; a UUIDv7 knows nothing before 1970.
      const interval = keyType === 'date' && drawn === 'hour' ? 'day' : drawn;
      const place = keyType === 'uuid' ? recent : moment.at;
      const spans = RETENTIONS[interval];
      const span = retention === null ? null : (spans[retention % spans.length] ?? null);
      const at =
        retainedSince && span !== null
          ? toPoint(toInstant(place).toZonedDateTimeISO(moment.zone).add(span).toInstant())
          : place;
      const config = configOf({ interval, premake, retention: span, timeZone: moment.zone });
      return situationOf({ config, keyType, at, ...rest });
    });

/** Tables of all kinds, with holes, partitions beside the grid, open ends, unfinished detaches and names that lie. */
export const anySituation: fc.Arbitrary<Situation> = situationsAt(
  zonedPoint(anyZone),
  pointBetween('2010-01-01', '2200-01-01'),
  fc.constant(false),
);

/**
 * The same in years and zones of which the server's data of time zones and that of Node say the same, with moments
 * that often lie on a line of the calendar, or a microsecond beside it.
 */
export const anySettledSituation = (
  zones: fc.Arbitrary<string>,
  years: { readonly min: number; readonly max: number },
): fc.Arbitrary<Situation> => {
  const moments = fc
    .record({
      place: zonedPoint(zones, years),
      line: fc.option(anyInterval),
      beside: fc.constantFrom(-1n, 0n, 0n, 1n),
    })
    .map(({ place: { zone, at }, line, beside }) => ({
      zone,
      at: line === null ? at : calendarOf(line, zone).containing(at).from + beside,
    }));
  return situationsAt(
    moments,
    moments.map(({ at }) => at),
    fc.boolean(),
  );
};
