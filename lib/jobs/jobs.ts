import type { Report } from '../contract.ts';
import { type KeeperError, usageError } from '../errors.ts';
import { namesOf } from '../partition/asked-partitions.ts';
import { runInspection } from './inspection.ts';
import type { CleanupJobOptions, CreateJobOptions, InspectJobOptions } from './options.ts';
import { cleanupPlan, createPlan } from './plan-table.ts';
import { runPlanned } from './run.ts';

/** Creates the partitions that are missing: the look-ahead, and holes. */
export const runCreate = (options: CreateJobOptions): Promise<Report> =>
  runPlanned('create', options, options.dryRun === true, (context, { table, config }) =>
    createPlan(context, table, config, options),
  );

/**
 * Removes partitions that are wholly past retention.
 * @throws KeeperError when `now` is given for a real run, since what is removed is judged by the server's clock
 *   alone; and when a partition is named that no table has
 */
export async function runCleanup(options: CleanupJobOptions): Promise<Report> {
  const dryRun = options.dryRun === true;
  if (!dryRun && options.now !== undefined) {
    throw usageError(
      'now-in-cleanup',
      'A cleanup that removes data does not take a time from outside.',
      'Leave --now out, or add --dry-run to see what a cleanup at that time would do.',
    );
  }
  const names = options.partitions ?? [];
  const unknown = new Set(names);
  return runPlanned(
    'cleanup',
    options,
    dryRun,
    async (context, { table, config }) => {
      for (const name of namesOf(table, names)) unknown.delete(name);
      return cleanupPlan(context, table, config, options);
    },
    () => {
      if (unknown.size > 0) throw partitionsUnknown([...unknown]);
    },
  );
}

const partitionsUnknown = (names: readonly string[]): KeeperError =>
  usageError(
    'partition-unknown',
    `No configured table that could be inspected has a partition, or a table detached from it, of the name ${names.join(', ')}.`,
    'Nothing has been done. Write schema.name, as partition-keeper status shows it.',
  );

/** What create and cleanup would do, and nothing done. */
export const runPlan = (options: CreateJobOptions & CleanupJobOptions): Promise<Report> =>
  runPlanned('plan', options, true, async (context, { table, config }) => {
    const create = await createPlan(context, table, config, options);
    const cleanup = cleanupPlan(context, table, config, options);
    return {
      units: [...create.units, ...cleanup.units],
      findings: [...create.findings, ...cleanup.findings],
      problems: create.problems,
      refusal: create.refusal ?? cleanup.refusal,
    };
  });

/** Everything worth knowing about the tables, judged by the planners of create and cleanup. Read-only. */
export const runHealth = (options: InspectJobOptions): Promise<Report> => runInspection('health', options);

/** Each table's partitions and timeline, with the findings. Read-only. */
export const runStatus = (options: InspectJobOptions): Promise<Report> => runInspection('status', options);

/** Whether the configured tables exist, are partitioned as configured, and may be managed. Read-only. */
export const runValidate = (options: InspectJobOptions): Promise<Report> =>
  runInspection('validate', options);
