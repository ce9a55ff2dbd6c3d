import { boundsSql, parseBounds } from '../../../lib/partition/bounds.ts';
import { calendarOf } from '../../../lib/partition/calendar.ts';
import { gridZone, type KeyType } from '../../../lib/partition/key-type.ts';
import type { Marker } from '../../../lib/partition/marker.ts';
import type {
  DefaultPartition,
  DetachedTable,
  Partition,
  PartitionedTable,
} from '../../../lib/partition/model.ts';
import { partitionName } from '../../../lib/partition/names.ts';
import type { CleanupPlan } from '../../../lib/partition/plan-cleanup.ts';
import type { CreatePlan, CreateStep } from '../../../lib/partition/plan-create.ts';
import type { Point, Range } from '../../../lib/partition/range.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { point, rangeText } from './points.ts';

/** `logs.events` by month in UTC, kept for ever, unless told otherwise. */
export const configOf = (fields: Partial<TableConfig> = {}): TableConfig => ({
  schema: 'logs',
  table: 'events',
  partitionKey: 'created_at',
  interval: 'month',
  premake: 3,
  retention: null,
  expired: 'drop',
  grace: null,
  overdueAfter: { days: 100 },
  maxExpiredShare: 0.5,
  timeZone: 'UTC',
  ...fields,
});

const PARENT_OID = 1000;
let lastOid = PARENT_OID;

const pointOf = (end: string | Point): Point => (typeof end === 'string' ? point(end) : end);

/** A partition of `logs.events` from one moment, as `point` reads it, to another. */
export function partition(
  from: string | Point,
  to: string | Point,
  fields: Partial<Partition> = {},
): Partition {
  lastOid++;
  const range = { from: pointOf(from), to: pointOf(to) };
  return {
    oid: lastOid,
    schema: 'logs',
    name: `events_no_${lastOid}`,
    range,
    boundsText: `FOR VALUES FROM (${rangeText(range)})`,
    kind: 'table',
    detachPending: false,
    marker: null,
    comment: null,
    bytes: 8192,
    rows: null,
    referencedBy: [],
    strangeOwner: null,
    missingIndexes: [],
    invalidIndexes: [],
    ...fields,
  };
}

export const defaultPartition = (fields: Partial<DefaultPartition> = {}): DefaultPartition => ({
  oid: 999,
  schema: 'logs',
  name: 'events_default',
  kind: 'table',
  bytes: 0,
  rows: 0,
  keys: null,
  cascadesTo: [],
  mayCreateTemporary: true,
  missingIndexes: [],
  invalidIndexes: [],
  ...fields,
});

export const markerOf = (fields: Partial<Marker> = {}): Marker => ({
  parentOid: PARENT_OID,
  parent: 'logs.events',
  bounds: '',
  detachedAt: '2026-11-01T02:00:00Z',
  by: 'keeper',
  runId: 'a',
  comment: null,
  ...fields,
});

/** A table that was a partition and was detached by us. */
export function detachedTable(
  from: string,
  to: string,
  detachedAt: string,
  fields: Partial<DetachedTable> = {},
): DetachedTable {
  lastOid++;
  return {
    oid: lastOid,
    schema: 'logs',
    name: `events_no_${lastOid}`,
    kind: 'table',
    marker: markerOf({ detachedAt }),
    range: { from: point(from), to: point(to) },
    bytes: 8192,
    ...fields,
  };
}

export interface TableFields
  extends Partial<Omit<PartitionedTable, 'partitions' | 'takenNames' | 'template'>> {
  readonly partitions?: readonly Partition[];
  /** Names of relations that are nobody's partitions. */
  readonly otherNames?: readonly string[];
}

const ascending = (partitions: readonly Partition[]): Partition[] =>
  partitions.toSorted((a, b) => (a.range.from < b.range.from ? -1 : 1));

const takenNames = (
  partitions: readonly Partition[],
  detached: readonly DetachedTable[],
  others: readonly string[],
): PartitionedTable['takenNames'] =>
  new Map([
    ...others.map((name) => [name, 'other'] as const),
    ...partitions.map(({ name }) => [name, 'own partition'] as const),
    ...detached.map(({ name }) => [name, 'own detached table'] as const),
  ]);

export function tableOf({ otherNames = [], ...fields }: TableFields = {}): PartitionedTable {
  const partitions = ascending(fields.partitions ?? []);
  return {
    oid: PARENT_OID,
    schema: 'logs',
    name: 'events',
    keyColumn: 'created_at',
    keyType: 'timestamptz',
    owner: 'owner',
    mayManage: true,
    mayCreate: true,
    isOwner: true,
    unreadable: [],
    defaultPartition: null,
    detached: [],
    doubtful: [],
    mirrored: false,
    foreignKeys: [],
    ...fields,
    partitions,
    takenNames: takenNames(partitions, fields.detached ?? [], otherNames),
    template: {
      grants: [],
      comment: null,
      tablespace: null,
      storage: [],
      accessMethod: null,
      replicaIdentity: 'default',
      rowSecurity: false,
      forceRowSecurity: false,
      statistics: [],
      columns: ['id', 'created_at'],
    },
  };
}

/** The table with other partitions; what had a name before has it still, unless it was one of its partitions. */
function withPartitions(
  table: PartitionedTable,
  partitions: readonly Partition[],
  detached = table.detached,
): PartitionedTable {
  const others = [...table.takenNames].flatMap(([name, holder]) => (holder === 'other' ? [name] : []));
  return {
    ...table,
    partitions: ascending(partitions),
    detached,
    takenNames: takenNames(partitions, detached, others),
  };
}

/** All intervals of the grid that touch the stretch, with the names they would get. */
export function gridPartitions(
  config: TableConfig,
  from: string,
  to: string,
  keyType: KeyType = 'timestamptz',
): Partition[] {
  const calendar = calendarOf(config.interval, gridZone(keyType, config.timeZone));
  const partitions: Partition[] = [];
  let current = calendar.containing(point(from));
  while (current.from < point(to)) {
    const name = partitionName(config.table, config.interval, current.label);
    partitions.push(partition(current.from, current.to, { name }));
    current = calendar.after(current);
  }
  return partitions;
}

/** What the server would make of the step, its bounds read from the text it prints; throws where it would refuse. */
function created(table: PartitionedTable, { name, range }: CreateStep): Partition {
  if (table.takenNames.has(name)) throw new Error(`the name ${name} is taken`);
  const boundsText = boundsSql(table.keyType, range);
  const bounds = parseBounds(table.keyType, boundsText);
  if (bounds.kind !== 'range') throw new Error(`${boundsText} is ${bounds.kind}`);
  const made = partition(bounds.range.from, bounds.range.to, { name, boundsText });
  if (made.range.from >= made.range.to) throw new Error(`${boundsText} is empty`);
  const clash = table.partitions.find((other) => overlap(made.range, other.range));
  if (clash !== undefined) throw new Error(`${boundsText} overlaps ${clash.name} ${rangeText(clash.range)}`);
  return made;
}

const overlap = (a: Range, b: Range): boolean => a.from < b.to && b.from < a.to;

/** The table after every step of the plan, one after the other. */
export const afterCreate = (table: PartitionedTable, plan: CreatePlan): PartitionedTable =>
  plan.steps.reduce(
    (state, step) => withPartitions(state, [...state.partitions, created(state, step)]),
    table,
  );

/** The table after every step of the plan, detached tables and all. */
export function afterCleanup(table: PartitionedTable, plan: CleanupPlan, now: string): PartitionedTable {
  let state = table;
  for (const step of plan.steps) {
    const rest = state.partitions.filter(({ oid }) => oid !== step.partition.oid);
    const waiting = state.detached.filter(({ oid }) => oid !== step.partition.oid);
    const kept =
      step.kind === 'drop' || step.thenDrop
        ? []
        : [{ ...step.partition, marker: step.partition.marker ?? markerOf({ detachedAt: now }) }];
    state = withPartitions(state, rest, [...waiting, ...kept]);
  }
  return state;
}

/** `events_2026_11: 2026-11-01 .. 2026-12-01 (covers now)` for every step, in the order of the plan. */
export const createSteps = (plan: CreatePlan): string[] =>
  plan.steps.map(({ name, range, reason }) => `${name}: ${rangeText(range)} (${reason})`);
