import type { Report, ReportKind, TableReport } from '../contract.ts';
import { gaugesOf } from '../partition/health.ts';
import { takeTableLocks } from '../postgres/advisory-lock.ts';
import { explain } from '../postgres/apply/explain.ts';
import { CONNECTION_LOST, isConnectionLoss } from '../postgres/connect.ts';
import { inspect } from '../postgres/inspect/inspect.ts';
import type { Found, Inspected } from '../postgres/inspect/inspected.ts';
import { untilDone } from '../postgres/session.ts';
import { execute, type Planned, unexecuted } from './execute.ts';
import { type JobOptions, selectTables } from './options.ts';
import { ownershipProblem, type PlanContext, type TablePlan } from './plan-table.ts';
import { base, healthInput, type Run, reportOf, SKIPPED, start, unmanageable } from './run-context.ts';

/** How to plan one table; the rest of a run is the same for every job. */
export type Planner = (context: PlanContext, entry: Found) => Promise<TablePlan>;

async function planTable(
  run: Run,
  entry: Planned['entry'],
  planner: Planner,
): Promise<Planned | TableReport> {
  const problem = ownershipProblem(entry.table, run.context.server);
  if (problem !== null)
    return { ...base(entry.config), status: 'failed', steps: [], findings: [], error: problem };
  try {
    return { entry, plan: await planner(run.context, entry) };
  } catch (error) {
    const told = isConnectionLoss(run.session.client, error) ? CONNECTION_LOST : explain(error);
    return { ...base(entry.config), status: 'failed', steps: [], findings: [], error: told };
  }
}

const isReport = (value: Planned | TableReport): value is TableReport => 'status' in value;

/** What was done, beside the figures of an inspection. */
function withGauges(run: Run, reports: readonly TableReport[], after: readonly Inspected[]): TableReport[] {
  return reports.map((report, index) => {
    const entry = after[index];
    return entry === undefined || !('table' in entry)
      ? report
      : { ...report, gauges: gaugesOf(healthInput(run, entry)) };
  });
}

/**
 * Inspects, plans and, unless it is a dry run, applies, table by table: a failure in one never stops the others.
 * @param admit called when all is planned and nothing done; what it throws ends the run
 * @throws KeeperError when nothing could be begun: no connection, a server of the wrong kind, an unknown table
 */
export async function runPlanned(
  kind: ReportKind,
  options: JobOptions,
  dryRun: boolean,
  planner: Planner,
  admit: () => void = () => undefined,
): Promise<Report> {
  const tables = selectTables(options.config, options.tables);
  const run = await start(kind, options, dryRun ? 'read' : 'write');
  return await untilDone(run.session.client, async () => {
    const ours = dryRun ? tables.map(() => true) : await takeTableLocks(run.session.client, tables);
    // Inspected only now: what another run did until it let go of its locks is seen.
    const inspected = await inspect(run.session.client, tables);
    const planned: (Planned | TableReport)[] = [];
    for (const [index, entry] of inspected.entries()) {
      if (ours[index] !== true)
        planned.push({ ...base(entry.config), status: 'skipped', steps: [], findings: [], error: SKIPPED });
      else if ('error' in entry) planned.push(unmanageable(entry.config, entry.error));
      else planned.push(await planTable(run, entry, planner));
    }
    admit();
    const total = planned.reduce(
      (sum, item) => sum + (isReport(item) ? 0 : item.plan.units.flat().length),
      0,
    );
    let finished = 0;
    const reports: TableReport[] = [];
    for (const item of planned) {
      if (isReport(item)) reports.push(item);
      else if (dryRun || item.plan.refusal !== null) reports.push(unexecuted(item, dryRun));
      else {
        const { schema, table } = item.entry.config;
        reports.push(
          await execute(run, item, {
            onBegin: (step) => options.onBegin?.({ schema, table, ...step }),
            onStep: (step) => {
              finished++;
              options.onStep?.({ schema, table, step, finished, total: Math.max(total, finished) });
            },
            onWait: (wait) => options.onWait?.({ schema, table, ...wait, finished, total }),
          }),
        );
      }
    }
    // Where nothing was changed, nothing has changed; where the connection is gone, there are no figures.
    const unchanged = dryRun || reports.every(({ steps }) => steps.length === 0);
    const after = unchanged ? inspected : await inspect(run.session.client, tables).catch(() => []);
    return reportOf(run, dryRun, withGauges(run, reports, after));
  });
}
