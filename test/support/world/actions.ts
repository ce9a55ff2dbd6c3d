import fc from 'fast-check';

/** What a world is like; everything else happens in it. Intervals are counted from the present one, which is 0. */
export interface Setting {
  readonly keyType: 'timestamptz' | 'timestamp' | 'date' | 'uuid';
  readonly interval: 'day' | 'week' | 'month';
  readonly defaultPartition: boolean;
  readonly foreignKey: boolean;
  readonly expired: 'drop' | 'detach' | 'drop after grace';
  /** Whether Partition Keeper is a member of the owner, with no right on the referenced table, or superuser. */
  readonly leastPrivilege: boolean;
  /** Intervals that have no partition at the start. */
  readonly holes: readonly number[];
}

/** Statements of the application: through the parent, and with weak locks only. */
export type Write =
  | { readonly kind: 'insert'; readonly into: number; readonly tenth: number; readonly rows: number }
  | { readonly kind: 'update'; readonly row: number; readonly to: number | null; readonly byKey: boolean }
  | { readonly kind: 'delete'; readonly row: number };

export const LOCK_MODES = ['ROW EXCLUSIVE', 'SHARE', 'SHARE ROW EXCLUSIVE', 'ACCESS EXCLUSIVE'] as const;

/** What administrators and migrations do; one of them at a time. */
export const HANDIWORK = [
  'lock',
  'add column',
  'drop column',
  'create index',
  'drop index',
  'attach',
  'attach again',
  'detach',
  'detach concurrently',
  'drop',
  'rename partition',
  'rename parent',
  'trigger',
  'column default',
  'grant',
  'claim detached',
  'vacuum',
  'analyze',
  'index concurrently',
  'terminate',
] as const;

export interface Handiwork {
  readonly kind: 'by hand';
  readonly what: (typeof HANDIWORK)[number];
  /** Picks the partition, table, column or index it is about among those there are. */
  readonly pick: number;
  /** Picks a variant: lock modes, off the grid or on it, one transaction or two. */
  readonly variant: number;
  readonly hold: number;
}

export type Command =
  | Write
  | {
      readonly kind: 'transaction';
      readonly account: boolean;
      readonly writes: readonly Write[];
      readonly pause: number;
      readonly commits: boolean;
    }
  | { readonly kind: 'read'; readonly hold: number }
  | { readonly kind: 'dump'; readonly hold: number }
  | Handiwork;

/** A run of Partition Keeper. */
export interface KeeperRun {
  readonly job: 'create' | 'cleanup';
  /** Of an own process, or in this one. */
  readonly process: boolean;
  readonly premake: number;
  /** Retention in intervals. */
  readonly keep: number;
  readonly pause: number;
}

/** A script for everybody who does something; each has a connection of his own. */
export interface Script {
  readonly setting: Setting;
  readonly actors: readonly (readonly Command[])[];
  readonly keepers: readonly (readonly KeeperRun[])[];
}

/** The oldest partition there is at the start, and the newest. */
export const OLDEST = -9;
export const NEWEST = 1;
/** What the config says; single runs may keep more, or make more or fewer partitions. */
export const KEEP = 2;
export const PREMAKE = 2;

const milliseconds = (max: number) => fc.integer({ min: 0, max });

/** Where rows belong: mostly now, often the past inside retention and the near future, seldom elsewhere. */
const anyInterval = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.constantFrom(-2, -1) },
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 3) },
  { weight: 1, arbitrary: fc.constantFrom(7, 30) },
  { weight: 1, arbitrary: fc.constantFrom(-9, -6, -4, -3) },
);

const anyWrite: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      into: anyInterval,
      tenth: fc.integer({ min: 0, max: 9 }),
      rows: fc.constantFrom(1, 1, 1, 10),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      row: fc.nat(999),
      to: fc.option(anyInterval),
      byKey: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), row: fc.nat(999) }) },
);

const anyHandiwork: fc.Arbitrary<Handiwork> = fc.record({
  kind: fc.constant('by hand' as const),
  what: fc.constantFrom(...HANDIWORK),
  pick: fc.nat(999),
  variant: fc.nat(999),
  hold: milliseconds(200),
});

const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: anyWrite },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('transaction' as const),
      account: fc.boolean(),
      writes: fc.array(anyWrite, { minLength: 1, maxLength: 4 }),
      pause: milliseconds(60),
      commits: fc.constantFrom(true, true, true, false),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), hold: milliseconds(500) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('dump' as const), hold: milliseconds(300) }) },
  { weight: 5, arbitrary: anyHandiwork },
);

const anyKeeperRun: fc.Arbitrary<KeeperRun> = fc.record({
  job: fc.constantFrom('create' as const, 'cleanup' as const),
  process: fc.constantFrom(false, false, false, false, false, true),
  premake: fc.integer({ min: 1, max: PREMAKE + 2 }),
  keep: fc.integer({ min: KEEP, max: KEEP + 4 }),
  pause: milliseconds(100),
});

export const anyScript = (fixed: Pick<Setting, 'defaultPartition'>): fc.Arbitrary<Script> =>
  fc.record({
    setting: fc.record({
      keyType: fc.constantFrom(
        'timestamptz' as const,
        'timestamp' as const,
        'date' as const,
        'uuid' as const,
      ),
      interval: fc.constantFrom('day' as const, 'week' as const, 'month' as const),
      defaultPartition: fc.constant(fixed.defaultPartition),
      foreignKey: fc.boolean(),
      expired: fc.constantFrom(
        'drop' as const,
        'drop' as const,
        'detach' as const,
        'drop after grace' as const,
      ),
      leastPrivilege: fc.boolean(),
      holes: fc.uniqueArray(fc.constantFrom(-7, -1, 0, 0, 1), { maxLength: 3 }),
    }),
    actors: fc.array(fc.array(anyCommand, { minLength: 10, maxLength: 25 }), {
      minLength: 3,
      maxLength: 5,
      size: 'max',
    }),
    keepers: fc.array(fc.array(anyKeeperRun, { minLength: 3, maxLength: 6, size: 'max' }), {
      minLength: 1,
      maxLength: 2,
      size: 'max',
    }),
  });
