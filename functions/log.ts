import { Logger } from '@aws-lambda-powertools/logger';
import type { Job, Report, ReportStep, TableReport } from '../lib/contract.ts';
import type { StepEvent } from '../lib/jobs/options.ts';

/** Writes JSON lines with the request's id, straight to the standard output. */
export const logger = new Logger({ serviceName: 'partition-keeper' });

/** One record for each step that was done or failed, with its statements. */
export function logStep(job: Job, { schema, table, step }: StepEvent): void {
  const record = { job, schema, table, step };
  if (step.status === 'failed') logger.error('step', record);
  else logger.info('step', record);
}

/** Without the statements: they are in the records of the steps, and would make this one too long for a log. */
const brief = ({ statements: _, ...step }: ReportStep) => step;

const briefTable = (report: Report, table: TableReport) =>
  report.dryRun ? table : { ...table, steps: table.steps.map(brief) };

/** One record for each finding and each table, which queries can pick, and one with the whole report. */
export function logReport(report: Report): void {
  const { job, runId } = report;
  for (const { schema, table, status, findings, gauges, error } of report.tables) {
    for (const finding of findings) {
      const record = { job, runId, schema, table, ...finding, finding: finding.finding };
      const { message: text, ...rest } = record;
      if (finding.severity === 'info') logger.info('finding', { ...rest, text });
      else logger.warn('finding', { ...rest, text });
    }
    const failure = error === undefined ? {} : { failure: error };
    logger.info('table', { job, runId, schema, table, status, gauges, ...failure });
  }
  const record = { report: { ...report, tables: report.tables.map((table) => briefTable(report, table)) } };
  if (report.ok) logger.info('report', record);
  else logger.error('report', record);
}
