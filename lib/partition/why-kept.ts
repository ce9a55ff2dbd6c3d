import type { Temporal } from 'temporal-polyfill';
import type { DetachedTable, Partition, PartitionedTable, Relation } from './model.ts';
import { isBounded, MAXVALUE } from './range.ts';
import type { Schedule } from './schedule.ts';
import { after, spanText } from './span.ts';
import type { TableConfig } from './table-config.ts';

/** Whole seconds: nobody needs the microseconds. */
const short = (instant: Temporal.Instant): string => instant.round('second').toString();

function whyKeptByRetention({ range }: Pick<Partition, 'range'>, config: TableConfig, schedule: Schedule) {
  if (config.retention === null) return 'is kept for ever, as the config has no retention for the table';
  if (range.to === MAXVALUE) return 'has no upper bound, so it is kept for ever';
  if (!isBounded(range.to)) return 'ends at infinity, so it is kept for ever';
  if (schedule.expired(range)) return null;
  const until = after(schedule.latest(range.to), config.retention, config.timeZone);
  return `is kept until ${short(until)} by the retention of ${spanText(config.retention)}`;
}

function whyDetachedKept(detached: DetachedTable, config: TableConfig, schedule: Schedule): string {
  const byRetention = whyKeptByRetention(detached, config, schedule);
  if (byRetention !== null) return byRetention;
  if (config.expired === 'detach') return "is detached, and kept by expired: 'detach'";
  return `is detached since ${detached.marker.detachedAt}, and kept until its grace is over`;
}

/** Why a cleanup does not remove it, as the rest of a sentence that begins with its name. */
export function whyKept(
  { oid }: Relation,
  table: PartitionedTable,
  config: TableConfig,
  schedule: Schedule,
): string {
  const detached = table.detached.find((candidate) => candidate.oid === oid);
  if (detached !== undefined) return whyDetachedKept(detached, config, schedule);
  const partition = table.partitions.find((candidate) => candidate.oid === oid);
  if (partition === undefined) {
    return table.defaultPartition?.oid === oid
      ? 'is the default partition, which is never removed'
      : 'has bounds that cannot be read, so it is left alone';
  }
  const byRetention = whyKeptByRetention(partition, config, schedule);
  if (byRetention !== null) return byRetention;
  if (partition.referencedBy.length > 0)
    return `is kept because foreign keys of ${partition.referencedBy.join(', ')} refer to it`;
  if (partition.detachPending) return 'is being detached by somebody else';
  return 'is the last partition of the table, which is never removed';
}
