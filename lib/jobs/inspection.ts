import type { Report, TableReport } from '../contract.ts';
import { findingsOf, gaugesOf } from '../partition/health.ts';
import { inspect } from '../postgres/inspect/inspect.ts';
import type { Inspected } from '../postgres/inspect/inspected.ts';
import { type ServerFacts, untilDone } from '../postgres/session.ts';
import { coverageOf } from './coverage.ts';
import { type InspectJobOptions, selectTables } from './options.ts';
import { ownershipProblem } from './plan-table.ts';
import { base, healthInput, type Run, reportOf, start, unmanageable } from './run-context.ts';

/** Inspects and tells, changing nothing: the base of `health`, `status` and `validate`. */
export async function runInspection(
  kind: 'health' | 'status' | 'validate',
  options: InspectJobOptions,
): Promise<Report> {
  const tables = selectTables(options.config, options.tables);
  const run = await start(kind, options, 'read');
  return await untilDone(run.session.client, async () => {
    const inspected = await inspect(run.session.client, tables, { exactSizes: options.exactSizes });
    const reports = inspected.map((entry) => inspectionReport(run, entry, run.context.server));
    return reportOf(run, true, reports);
  });
}

function inspectionReport(run: Run, entry: Inspected, server: ServerFacts): TableReport {
  if ('error' in entry) return unmanageable(entry.config, entry.error);
  const problem = run.kind === 'validate' ? ownershipProblem(entry.table, server) : null;
  const input = healthInput(run, entry);
  return {
    ...base(entry.config),
    status: problem === null ? 'ok' : 'failed',
    steps: [],
    findings: run.kind === 'validate' ? [] : findingsOf(input),
    gauges: gaugesOf(input),
    ...(run.kind === 'status' ? { coverage: coverageOf(entry.table, entry.config, run.context.now) } : {}),
    ...(problem === null ? {} : { error: problem }),
  };
}
