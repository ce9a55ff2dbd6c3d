import { Logger } from '@aws-lambda-powertools/logger';
import type { Job, Report, ReportStep } from '../lib/contract.ts';
import type { StepEvent } from '../lib/jobs/options.ts';

/** Writes JSON lines with the request's id, straight to the standard output. */
export const logger = new Logger({ serviceName: 'partition-keeper' });

/** One record for each step that was done or failed, with its statements. */
export function logStep(job: Job, { schema, table, step }: StepEvent): void {
  const record = { job, schema, table, step };
  if (step.status === 'failed') logger.error('step', record);
  else logger.info('step', record);
}

/** A record beyond 256 KB would be cut, and be JSON no more. */
const LONGEST_RECORD = 200_000;

/** Without the statements: they are in the records of the steps. */
const withoutStatements = ({ statements: _, ...step }: ReportStep) => step;

/** The report as a record: of a run that did very much, only what needs attention. */
function recordOf(report: Report): object {
  const brief = (steps: (step: ReportStep) => boolean): object => ({
    ...report,
    tables: report.tables.map((table) => ({
      ...table,
      steps: table.steps.filter(steps).map(withoutStatements),
    })),
  });
  const whole = brief(() => true);
  const short = JSON.stringify(whole).length <= LONGEST_RECORD;
  return short ? whole : brief(({ status }) => status === 'failed');
}

/** One record for each finding and each table, which queries can pick, and one for the whole run. */
export function logReport(report: Report): void {
  const { job, runId } = report;
  for (const { schema, table, status, findings, gauges, error } of report.tables) {
    for (const { message: text, ...finding } of findings) {
      const record = { job, runId, schema, table, ...finding, text };
      if (finding.severity === 'info') logger.info('finding', record);
      else logger.warn('finding', record);
    }
    const failure = error === undefined ? {} : { failure: error };
    logger.info('table', { job, runId, schema, table, status, gauges, ...failure });
  }
  const record = { report: recordOf(report) };
  if (report.ok) logger.info('report', record);
  else logger.error('report', record);
}
