import { Temporal } from 'temporal-polyfill';
import type { Finding, ReportError } from '../contract.ts';
import { isNamed, notRemovable } from './asked-partitions.ts';
import { displayName } from './identifiers.ts';
import type { DetachedTable, Partition, PartitionedTable, Relation } from './model.ts';
import { contains, isBounded } from './range.ts';
import { keeperCommand } from './remedy.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { before, spanText } from './span.ts';
import type { TableConfig } from './table-config.ts';
import { whyKept } from './why-kept.ts';

export interface CleanupOptions {
  readonly now: Temporal.Instant;
  readonly approve?: boolean | undefined;
  /** `schema.name` of the only ones to remove; absent: all. */
  readonly partitions?: readonly string[] | undefined;
  /** The server's clock, when `now` is not its reading. */
  readonly serverClock: Temporal.Instant;
  readonly localClock: Temporal.Instant;
}

export type CleanupStep =
  | {
      /** Removed while attached, in one transaction. */
      readonly kind: 'drop';
      readonly from: 'attached';
      readonly partition: Partition;
      readonly reason: string;
    }
  | {
      readonly kind: 'drop';
      readonly from: 'detached';
      readonly partition: DetachedTable;
      readonly reason: string;
    }
  | {
      readonly kind: 'detach' | 'finalize-detach';
      readonly partition: Partition;
      /** Whether the detached table is dropped in the same run. */
      readonly thenDrop: boolean;
      readonly reason: string;
    };

export interface CleanupPlan {
  readonly steps: readonly CleanupStep[];
  /** What retention would remove but a rule keeps. */
  readonly findings: readonly Finding[];
  /** Set when the whole plan waits for approval; `steps` then says what would be done. */
  readonly refusal: ReportError | null;
}

const SKEW_LIMIT = Temporal.Duration.from({ hours: 1 });

/** Whether two clocks disagree so much that one must be wrong. */
export const apartByAnHour = (a: Temporal.Instant, b: Temporal.Instant): boolean =>
  Temporal.Duration.compare(a.since(b).abs(), SKEW_LIMIT) > 0;

function graceOver(
  marker: { readonly detachedAt: string },
  config: TableConfig,
  now: Temporal.Instant,
): boolean {
  if (config.grace === null) return true;
  const since = before(now, config.grace, config.timeZone);
  return Temporal.Instant.compare(Temporal.Instant.from(marker.detachedAt), since) <= 0;
}

const retentionText = (config: TableConfig): string =>
  config.retention === null ? 'no retention' : `retention of ${spanText(config.retention)}`;

/** Whole seconds: nobody needs the microseconds of a cutoff. */
const short = (instant: Temporal.Instant): string => instant.round('second').toString();

function pastRetention(schedule: Schedule, config: TableConfig): string {
  const cutoff = schedule.cutoff === null ? '' : `, that is than ${short(schedule.cutoff)}`;
  return `all older than the ${retentionText(config)}${cutoff}`;
}

/** Those detached tables whose time has come: past retention still, and past their grace. */
export function dueDetached(
  detached: readonly DetachedTable[],
  config: TableConfig,
  schedule: Schedule,
): DetachedTable[] {
  if (config.expired !== 'drop') return [];
  return detached.filter(
    ({ range, marker }) => schedule.expired(range) && graceOver(marker, config, schedule.now),
  );
}

/** Attached partitions that are wholly past retention and that no rule keeps, oldest first. */
function expiredPartitions(table: PartitionedTable, schedule: Schedule): Partition[] {
  const newest = table.partitions.at(-1);
  return table.partitions.filter(
    (partition) =>
      isBounded(partition.range.to) &&
      partition !== newest &&
      !contains(partition.range, schedule.nowPoint) &&
      partition.range.to <= schedule.nowPoint &&
      schedule.expired(partition.range),
  );
}

function referencedFinding(partition: Partition): Finding {
  const name = displayName(partition.schema, partition.name);
  return {
    finding: 'referenced',
    severity: 'warning',
    partition: name,
    message: `${name} is past retention, but foreign keys of ${partition.referencedBy.join(', ')} refer to it; it is kept.`,
    remedy: `Remove the referring rows and foreign keys first, or take the retention of the table out of the config.`,
    facts: { referencedBy: partition.referencedBy },
  };
}

function attachedStep(
  partition: Partition,
  table: PartitionedTable,
  config: TableConfig,
  schedule: Schedule,
): CleanupStep {
  const reason = pastRetention(schedule, config);
  const dropsAtOnce = config.expired === 'drop' && config.grace === null;
  if (partition.detachPending) {
    return {
      kind: 'finalize-detach',
      partition,
      thenDrop: dropsAtOnce,
      reason: `${reason}; a detach of ours was interrupted`,
    };
  }
  if (dropsAtOnce) return { kind: 'drop', from: 'attached', partition, reason };
  const blocking =
    table.defaultPartition === null ? '' : '; not concurrently, because there is a default partition';
  return { kind: 'detach', partition, thenDrop: false, reason: reason + blocking };
}

/** Whether an unfinished detach is ours to finish: it carries our marker, for this very parent. */
export const isOurs = (partition: Partition, table: PartitionedTable): boolean =>
  partition.marker !== null && partition.marker.parentOid === table.oid;

/** What retention lets go of. Judged by the catalog's bounds alone; names do not matter. */
export function planCleanup(
  table: PartitionedTable,
  config: TableConfig,
  options: CleanupOptions,
): CleanupPlan {
  const schedule = scheduleOf(config, table.keyType, options.now);
  const candidates = expiredPartitions(table, schedule).filter(
    (partition) => !partition.detachPending || isOurs(partition, table),
  );
  const kept = candidates.filter(({ referencedBy }) => referencedBy.length > 0);
  const names = options.partitions;
  const isAsked = (relation: Relation): boolean => names === undefined || isNamed(relation, names);
  const removable = candidates.filter(
    (partition) => partition.referencedBy.length === 0 && isAsked(partition),
  );
  const pendingFirst = removable.toSorted((a, b) => Number(b.detachPending) - Number(a.detachPending));
  const detached = dueDetached(table.detached, config, schedule).filter(isAsked);
  const waiting = detached.map(
    (partition): CleanupStep => ({
      kind: 'drop',
      from: 'detached',
      partition,
      reason: `detached ${partition.marker.detachedAt}; ${pastRetention(schedule, config)}`,
    }),
  );
  const mistaken =
    names === undefined
      ? null
      : notRemovable(table, names, [...removable, ...detached], (relation) =>
          whyKept(relation, table, config, schedule),
        );
  return {
    steps: [...pendingFirst.map((partition) => attachedStep(partition, table, config, schedule)), ...waiting],
    findings: kept.map(referencedFinding),
    refusal:
      mistaken ??
      (options.approve === true || removable.length + waiting.length === 0
        ? null
        : guard(table, config, options, removable)),
  };
}

/** The first reason not to trust the plan without a person's word. */
function guard(
  table: PartitionedTable,
  config: TableConfig,
  options: CleanupOptions,
  removable: readonly Partition[],
): ReportError | null {
  const name = displayName(table.schema, table.name);
  const fresh = removable.filter(({ detachPending }) => !detachPending).length;
  const approve = (what: string) =>
    `${what}, then approve it: ${keeperCommand('cleanup', table)} --approve ("approve": true in a payload).`;
  const { now, serverClock, localClock } = options;
  if (apartByAnHour(serverClock, localClock)) {
    return {
      code: 'clock-skew',
      message: `Nothing of ${name} is removed: the server's clock says ${serverClock.toString()}, this machine's ${localClock.toString()}. If the server's is ahead, data inside retention would go.`,
      hint: approve("Correct the wrong clock, or make sure the server's is right"),
    };
  }
  if (apartByAnHour(now, serverClock) && Temporal.Instant.compare(now, serverClock) > 0) {
    return {
      code: 'future-now',
      message: `Nothing of ${name} is removed: the run is asked to take ${now.toString()} for now, which is in the future.`,
      hint: 'To see what a cleanup at that time would do, add --approve to this very command: a dry run removes nothing.',
    };
  }
  const share = fresh / table.partitions.length;
  if (share > config.maxExpiredShare) {
    return {
      code: 'expired-share',
      message: `Nothing of ${name} is removed: ${fresh} of its ${table.partitions.length} partitions are past the ${retentionText(config)}, more than the share of ${config.maxExpiredShare} allowed by maxExpiredShare.`,
      hint: approve('If the retention in the config is right'),
    };
  }
  return null;
}
