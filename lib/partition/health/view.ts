import type { Temporal } from 'temporal-polyfill';
import type { Finding, FindingName, Severity } from '../../contract.ts';
import { displayName } from '../identifiers.ts';
import type { PartitionedTable } from '../model.ts';
import { MAX_CREATIONS } from '../plan-create.ts';
import type { Point, Range } from '../range.ts';
import { keeperCommand } from '../remedy.ts';
import { type Gap, gapsIn, requiredWindow, type Schedule, scheduleOf } from '../schedule.ts';
import type { TableConfig } from '../table-config.ts';

export interface HealthInput {
  readonly table: PartitionedTable;
  readonly config: TableConfig;
  readonly now: Temporal.Instant;
  readonly serverClock: Temporal.Instant;
  readonly localClock: Temporal.Instant;
}

/** Everything the single checks look at, computed once. */
export interface View extends HealthInput {
  readonly schedule: Schedule;
  readonly name: string;
  /** Ranges whose rows can be read and written: a partition pending detach serves nobody. */
  readonly usable: readonly Range[];
  readonly gaps: readonly Gap[];
}

export const command = (view: View, job: string): string => keeperCommand(job, view.table);

export function finding(
  name: FindingName,
  severity: Severity,
  message: string,
  remedy: string,
  facts: Finding['facts'] = {},
  partition?: { readonly schema: string; readonly name: string },
): Finding {
  return {
    finding: name,
    severity,
    message,
    remedy,
    facts,
    ...(partition === undefined ? {} : { partition: displayName(partition.schema, partition.name) }),
  };
}

export function viewOf(input: HealthInput): View {
  const { table, config, now } = input;
  const schedule = scheduleOf(config, table.keyType, now);
  const usable = table.partitions.filter(({ detachPending }) => !detachPending).map(({ range }) => range);
  // One interval less than create keeps ready: on the first of the month, an hour before it runs, all is well.
  const window = requiredWindow(schedule, table.partitions, config.premake - 1);
  const gaps: Gap[] = [];
  for (const gap of gapsIn(schedule.calendar, window, usable)) {
    if (schedule.expired(gap.range)) continue;
    gaps.push(gap);
    if (gaps.length > MAX_CREATIONS) break;
  }
  return { ...input, schedule, usable, gaps, name: displayName(table.schema, table.name) };
}

export const iso = (view: View, point: Point): string => view.schedule.latest(point).toString();
