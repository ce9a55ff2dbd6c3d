import type { Gauges } from '../../contract.ts';
import { displayName } from '../identifiers.ts';
import { MAX_CREATIONS } from '../plan-create.ts';
import { contains, isBounded, union } from '../range.ts';
import { ahead } from '../schedule.ts';
import { missingIntervals } from './missing.ts';
import { overdue } from './retention.ts';
import { largestPartition } from './structure.ts';
import { type HealthInput, type View, viewOf } from './view.ts';

function runwayDays(view: View): number {
  const { schedule, usable } = view;
  const stretch = union(usable).find((range) => contains(range, schedule.nowPoint));
  if (stretch === undefined) return 0;
  // An open end counts as far as anybody plans.
  const end = isBounded(stretch.to)
    ? stretch.to
    : ahead(schedule.calendar, schedule.current, MAX_CREATIONS).to;
  const milliseconds = schedule.latest(end).epochMilliseconds - view.now.epochMilliseconds;
  return Math.round((milliseconds / 86_400_000) * 100) / 100;
}

/** The figures published as metrics. */
export function gaugesOf(input: HealthInput): Gauges {
  const view = viewOf(input);
  const { table } = view;
  const largest = largestPartition(table);
  return {
    partitions: table.partitions.length,
    runwayDays: runwayDays(view),
    missing: missingIntervals(view),
    expired: overdue(view).length,
    defaultRows: table.defaultPartition === null ? 0 : table.defaultPartition.rows,
    detachPending: table.partitions.filter(({ detachPending }) => detachPending).length,
    totalBytes:
      table.partitions.reduce((sum, { bytes }) => sum + bytes, 0) + (table.defaultPartition?.bytes ?? 0),
    largestPartition: largest === null ? null : displayName(largest.schema, largest.name),
    largestBytes: largest?.bytes ?? 0,
  };
}
