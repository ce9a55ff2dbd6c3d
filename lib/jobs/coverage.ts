import type { Temporal } from 'temporal-polyfill';
import type { Coverage, CoverageCell, PartitionSummary } from '../contract.ts';
import { displayName } from '../partition/identifiers.ts';
import { isoText } from '../partition/key-type.ts';
import type { Partition, PartitionedTable } from '../partition/model.ts';
import { contains, isBounded, type Range, uncovered, union } from '../partition/range.ts';
import { requiredWindow, type Schedule, scheduleOf } from '../partition/schedule.ts';
import { spanText } from '../partition/span.ts';
import type { TableConfig } from '../partition/table-config.ts';

/** Intervals shown before and after what must be covered, at most. */
const PAST_CELLS = 2000n;
const FUTURE_CELLS = 24n;

function stateOf(partition: Partition, schedule: Schedule): PartitionSummary['state'] {
  if (partition.detachPending) return 'detach-pending';
  if (schedule.expired(partition.range)) return 'expired';
  if (contains(partition.range, schedule.nowPoint)) return 'current';
  return partition.range.from > schedule.nowPoint ? 'future' : 'past';
}

function summaries(table: PartitionedTable, config: TableConfig, schedule: Schedule): PartitionSummary[] {
  const { defaultPartition } = table;
  const ranged = table.partitions.map(
    (partition): PartitionSummary => ({
      name: displayName(partition.schema, partition.name),
      from: isoText(table.keyType, config.timeZone, partition.range.from),
      to: isoText(table.keyType, config.timeZone, partition.range.to),
      isDefault: false,
      state: stateOf(partition, schedule),
      bytes: partition.bytes,
      rows: partition.rows,
    }),
  );
  if (defaultPartition === null) return ranged;
  return [
    ...ranged,
    {
      name: displayName(defaultPartition.schema, defaultPartition.name),
      from: null,
      to: null,
      isDefault: true,
      state: 'default',
      bytes: defaultPartition.bytes,
      rows: defaultPartition.rows,
    },
  ];
}

const overlaps = (a: Range, b: Range): boolean => a.from < b.to && b.from < a.to;

/**
 * The stretch the timeline shows: what exists and what should, but not the whole way to a partition that stands
 * far apart in the future, nor further back than anybody can see.
 */
function shownWindow(table: PartitionedTable, config: TableConfig, schedule: Schedule): Range {
  const required = requiredWindow(schedule, table.partitions, config.premake);
  const bounds = table.partitions.flatMap(({ range }) => [range.from, range.to]).filter(isBounded);
  const least = bounds.reduce((a, b) => (b < a ? b : a), required.from);
  const most = bounds.reduce((a, b) => (b > a ? b : a), required.to);
  const length = schedule.current.to - schedule.current.from;
  const latest = required.to + FUTURE_CELLS * length;
  const earliest = required.to - PAST_CELLS * length;
  return { from: least > earliest ? least : earliest, to: most < latest ? most : latest };
}

function cells(table: PartitionedTable, config: TableConfig, schedule: Schedule): CoverageCell[] {
  const window = shownWindow(table, config, schedule);
  // As health has it: the last one of the look-ahead is missed only from the next interval on.
  const required = requiredWindow(schedule, table.partitions, config.premake - 1);
  const covered = union(
    table.partitions.filter(({ detachPending }) => !detachPending).map(({ range }) => range),
  );
  const result: CoverageCell[] = [];
  let next = 0;
  let cell = schedule.calendar.containing(window.from);
  while (cell.from < window.to) {
    const range = cell;
    while ((table.partitions[next]?.range.to ?? range.from + 1n) <= range.from) next++;
    const within: Partition[] = [];
    for (let index = next; (table.partitions[index]?.range.from ?? range.to) < range.to; index++) {
      const partition = table.partitions[index];
      if (partition !== undefined && overlaps(partition.range, range)) within.push(partition);
    }
    const hole = uncovered(range, covered).length > 0;
    const pending = within.some(({ detachPending }) => detachPending);
    result.push({
      from: isoText(table.keyType, config.timeZone, range.from) ?? '',
      to: isoText(table.keyType, config.timeZone, range.to) ?? '',
      state: pending ? 'detach-pending' : cellState(range, hole, required, schedule),
      bytes: within.reduce((sum, partition) => sum + partition.bytes, 0),
    });
    cell = schedule.calendar.after(cell);
  }
  return result;
}

function cellState(range: Range, hole: boolean, required: Range, schedule: Schedule): CoverageCell['state'] {
  if (hole) return overlaps(range, required) ? 'missing' : 'beyond';
  if (schedule.expired(range)) return 'expired';
  if (contains(range, schedule.nowPoint)) return 'current';
  return range.from > schedule.nowPoint ? 'future' : 'past';
}

/** What `status` draws: the table's stretch of the calendar, interval by interval, and its partitions. */
export function coverageOf(table: PartitionedTable, config: TableConfig, now: Temporal.Instant): Coverage {
  const schedule = scheduleOf(config, table.keyType, now);
  return {
    interval: config.interval,
    timeZone: config.timeZone,
    keyType: table.keyType,
    premake: config.premake,
    retention: config.retention === null ? null : spanText(config.retention),
    cutoff: schedule.cutoff?.toString() ?? null,
    cells: cells(table, config, schedule),
    partitions: summaries(table, config, schedule),
  };
}
