import type { Job } from '../contract.ts';
import type { TableConfig } from './table-config.ts';

/** Before the shortest intervals are used up: those of an hour, a day or a week do not last for a month. */
function createPattern(tables: readonly Pick<TableConfig, 'interval'>[]): string {
  const intervals = new Set(tables.map(({ interval }) => interval));
  if (intervals.has('hour')) return '0 * * * *';
  return intervals.has('day') || intervals.has('week') ? '0 2 * * *' : '0 2 1 * *';
}

/**
 * When the jobs are run unless somebody has said when, whoever runs them: cron expressions of five fields. Create as
 * often as the tables need it, so that at most one interval begins between two runs; clean up each quarter; look every
 * day.
 */
export const defaultSchedules = (
  tables: readonly Pick<TableConfig, 'interval'>[],
): Readonly<Record<Job, string>> => ({
  create: createPattern(tables),
  cleanup: '0 3 1 1,4,7,10 *',
  health: '0 1 * * *',
});
