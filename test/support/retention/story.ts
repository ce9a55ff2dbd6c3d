import fc from 'fast-check';
import type { Interval } from '../../../lib/partition/calendar.ts';
import { toInstant } from '../../../lib/partition/calendar.ts';
import type { KeyType } from '../../../lib/partition/key-type.ts';
import type { Span } from '../../../lib/partition/span.ts';
import { anyInterval, KEY_TYPES, LENGTH, zonedPoint } from '../../unit/support/arbitraries.ts';
import { HOUR } from '../../unit/support/points.ts';
import { RETENTIONS } from '../../unit/support/situations.ts';

/** What surrounds a run and must not matter: settings of the database, and the time zone of the process. */
export interface Surroundings {
  readonly timeZone: string;
  readonly dateStyle: string;
  readonly processZone: string;
}

/** What happens next to the table. Time is in hundredths of an interval, and reckoned from now. */
export type Event =
  | { readonly kind: 'wait'; readonly hundredths: number }
  /** The clock of the server is set back. */
  | { readonly kind: 'set back'; readonly hundredths: number }
  /** The clock reaches the moment of the story, unless it has passed it. */
  | { readonly kind: 'arrive' }
  /** `back`: from so many intervals ago, instead of the oldest partition. */
  | { readonly kind: 'create'; readonly back: number }
  | { readonly kind: 'cleanup' }
  /** Create, cleanup, and nothing is left to do. */
  | { readonly kind: 'settle' }
  | { readonly kind: 'write'; readonly at: readonly number[] }
  /** A partition by hand; without an end it is unbounded there. */
  | { readonly kind: 'make'; readonly from: number | null; readonly to: number | null }
  | { readonly kind: 'make default' }
  | { readonly kind: 'detach'; readonly which: number }
  /** What was detached last comes back. */
  | { readonly kind: 'attach' }
  /** A concurrent detach that is interrupted. */
  | { readonly kind: 'interrupt'; readonly which: number; readonly ours: boolean }
  /** A foreign key refers to a partition. */
  | { readonly kind: 'refer'; readonly which: number }
  | { readonly kind: 'interval' }
  | { readonly kind: 'premake'; readonly premake: number }
  | { readonly kind: 'retention'; readonly which: number | null }
  | { readonly kind: 'zone'; readonly zone: string };

export interface Story {
  readonly keyType: KeyType;
  readonly interval: Interval;
  readonly zone: string;
  readonly retention: Span;
  readonly premake: number;
  readonly expired: 'drop' | 'detach';
  readonly surroundings: readonly Surroundings[];
  /** ISO 8601: where the clock begins, and where it arrives in the end. */
  readonly begins: string;
  readonly moment: string;
  readonly events: readonly Event[];
}

export const STORY_ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'America/Sao_Paulo',
  'Africa/Casablanca',
] as const;

export const anyStoryZone = fc.constantFrom(...STORY_ZONES);

/**
 * The server and the process have time zone data of their own. Those of the past are agreed upon: stories are of
 * these years, and no clock and no look-ahead goes beyond 2025.
 */
export const YEARS = { min: 2005, max: 2012 };
export const LAST_MOMENT = '2020-01-01T00:00:00Z';

const anySurroundings: fc.Arbitrary<Surroundings> = fc.record({
  timeZone: anyStoryZone,
  dateStyle: fc.constantFrom('ISO, YMD', 'SQL, DMY', 'German, DMY', 'Postgres, MDY'),
  processZone: anyStoryZone,
});

const of = <Kind extends Event['kind']>(kind: Kind) => fc.constant(kind);
const hundredths = fc.integer({ min: -600, max: 400 });
const anyEnd = fc.option(hundredths, { freq: 12 });
const which = fc.nat(20);

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: of('create'), back: fc.nat(6) }) },
  { weight: 3, arbitrary: fc.record({ kind: of('cleanup') }) },
  { weight: 2, arbitrary: fc.record({ kind: of('write'), at: fc.array(hundredths, { maxLength: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: of('wait'), hundredths: fc.integer({ min: 1, max: 250 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: of('set back'), hundredths: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: of('make'), from: anyEnd, to: anyEnd }) },
  { weight: 1, arbitrary: fc.record({ kind: of('make default') }) },
  { weight: 1, arbitrary: fc.record({ kind: of('detach'), which }) },
  { weight: 1, arbitrary: fc.record({ kind: of('attach') }) },
  { weight: 1, arbitrary: fc.record({ kind: of('interrupt'), which, ours: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: of('refer'), which }) },
  { weight: 1, arbitrary: fc.record({ kind: of('interval') }) },
  { weight: 1, arbitrary: fc.record({ kind: of('premake'), premake: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: of('retention'), which: fc.option(fc.nat(3)) }) },
  { weight: 1, arbitrary: fc.record({ kind: of('zone'), zone: anyStoryZone }) },
);

/**
 * The story of a table up to a moment that is difficult on the calendar, or lies a retention after one that is. It
 * begins so early that some partitions of its beginning are past retention in the end and some are not.
 */
export const anyStory: fc.Arbitrary<Story> = fc
  .record({
    keyType: fc.constantFrom(...KEY_TYPES),
    interval: anyInterval,
    place: zonedPoint(anyStoryZone, YEARS),
    /** Whether the place is moved to the half hour before it, where bounds are, or a microsecond beside that. */
    sharp: fc.option(fc.constantFrom(-1n, 0n, 1n)),
    retainedSince: fc.boolean(),
    retention: fc.nat(3),
    premake: fc.integer({ min: 1, max: 4 }),
    expired: fc.constantFrom('drop' as const, 'drop' as const, 'detach' as const),
    surroundings: fc.array(anySurroundings, { minLength: 2, maxLength: 2 }),
    head: fc.integer({ min: -50, max: 500 }),
    early: fc.array(anyEvent, { maxLength: 5 }),
    late: fc.array(anyEvent, { maxLength: 5 }),
  })
  .map(
    ({
      keyType,
      interval: drawn,
      place,
      sharp,
      retainedSince,
      retention: nth,
      head,
      early,
      late,
      ...rest
    }) => {
      // A date cannot tell hours apart.
      const interval = keyType === 'date' && drawn === 'hour' ? 'day' : drawn;
      const retention = retentionOf(interval, nth);
      const at = sharp === null ? place.at : place.at - (place.at % (HOUR / 2n)) + sharp;
      const there = toInstant(at).toZonedDateTimeISO(place.zone);
      const moment = (retainedSince ? there.add(retention) : there).toInstant();
      const cutoff = retainedSince ? there : there.subtract(retention);
      const ago = (LENGTH[interval] * BigInt(head)) / 100_000n;
      return {
        ...rest,
        keyType,
        interval,
        zone: place.zone,
        retention,
        begins: cutoff
          .toInstant()
          .subtract({ milliseconds: Number(ago) })
          .toString(),
        moment: moment.toString(),
        events: [
          { kind: 'create', back: 0 },
          ...early,
          { kind: 'arrive' },
          ...late,
          { kind: 'write', at: [] },
          { kind: 'settle' },
        ],
      };
    },
  );

export function retentionOf(interval: Interval, which: number): Span {
  const spans = RETENTIONS[interval];
  return spans[which % spans.length] ?? { days: 1 };
}

const plain = {
  premake: 2,
  expired: 'drop',
  surroundings: [
    { timeZone: 'Asia/Kathmandu', dateStyle: 'SQL, DMY', processZone: 'America/New_York' },
    { timeZone: 'America/New_York', dateStyle: 'German, DMY', processZone: 'Pacific/Apia' },
  ],
} as const;

/** In Berlin, the hour from two to three comes twice: from 0:00 UTC, and from 1:00 UTC. */
const REPEATED_HOUR = {
  ...plain,
  interval: 'hour',
  zone: 'Europe/Berlin',
  retention: { days: 1 },
  begins: '2010-10-31T00:00:00Z',
  moment: '2010-11-01T01:30:00Z',
} as const;

/** Stories that chance would seldom tell. */
export const DIFFICULT_STORIES: readonly Story[] = [
  // The very moment at which December is past retention, and a microsecond before it.
  ...['2010-04-01T00:00:00Z', '2010-03-31T23:59:59.999999Z'].map(
    (moment): Story => ({
      ...plain,
      keyType: 'timestamptz',
      interval: 'month',
      zone: 'UTC',
      retention: { months: 3 },
      begins: '2009-11-15T12:00:00Z',
      moment,
      events: [
        { kind: 'create', back: 0 },
        { kind: 'arrive' },
        { kind: 'create', back: 0 },
        { kind: 'write', at: [] },
        { kind: 'settle' },
      ],
    }),
  ),
  // A partition by hand ends between the two readings of the end of retention.
  ...(['timestamptz', 'timestamp'] as const).map(
    (keyType): Story => ({
      ...REPEATED_HOUR,
      keyType,
      events: [
        { kind: 'make', from: 0, to: keyType === 'timestamp' ? 50 : 100 },
        { kind: 'arrive' },
        { kind: 'create', back: 0 },
        { kind: 'write', at: [] },
        { kind: 'settle' },
      ],
    }),
  ),
  // The clock runs ahead for a while and is set right: what is past retention by then is within it again.
  {
    ...plain,
    keyType: 'timestamptz',
    interval: 'month',
    zone: 'Europe/Berlin',
    retention: { months: 3 },
    begins: '2009-11-15T12:00:00Z',
    moment: '2010-05-10T12:00:00Z',
    events: [
      { kind: 'create', back: 0 },
      { kind: 'arrive' },
      { kind: 'create', back: 0 },
      { kind: 'set back', hundredths: 250 },
      { kind: 'write', at: [] },
      { kind: 'cleanup' },
      { kind: 'create', back: 0 },
      { kind: 'wait', hundredths: 250 },
      { kind: 'write', at: [] },
      { kind: 'settle' },
    ],
  },
  // The look-ahead ends at two o'clock, which clocks in Berlin skip.
  ...(['timestamptz', 'timestamp'] as const).map(
    (keyType): Story => ({
      ...plain,
      keyType,
      interval: 'hour',
      zone: 'Europe/Berlin',
      retention: { hours: 1 },
      begins: '2010-03-27T22:30:00Z',
      moment: '2010-03-28T01:30:00Z',
      events: [
        { kind: 'create', back: 0 },
        { kind: 'arrive' },
        { kind: 'write', at: [] },
        { kind: 'settle' },
      ],
    }),
  ),
];
