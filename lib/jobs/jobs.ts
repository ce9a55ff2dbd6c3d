import type { Report } from '../contract.ts';
import { usageError } from '../errors.ts';
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
 * @throws KeeperError when `now` is given for a real run: what is removed is judged by the server's clock alone
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
  return runPlanned('cleanup', options, dryRun, async (context, { table, config }) =>
    cleanupPlan(context, table, config, options),
  );
}

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
