import type { Job, Report, ReportStep } from '../contract.ts';
import type { StepEvent } from './options.ts';

/** A record for a log, whoever keeps it. */
export interface LogRecord {
  readonly level: 'info' | 'warn' | 'error';
  /** What it is about, in a word. */
  readonly event: 'step' | 'finding' | 'table' | 'report';
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A step that was done or failed, with its statements. */
export const stepRecord = (job: Job, { schema, table, step }: StepEvent): LogRecord => ({
  level: step.status === 'failed' ? 'error' : 'info',
  event: 'step',
  fields: { job, schema, table, step },
});

/** A record beyond 256 KB would be cut by CloudWatch, and be JSON no more. */
const LONGEST_RECORD = 200_000;

/** Without the statements: they are in the records of the steps. */
const withoutStatements = ({ statements: _, ...step }: ReportStep) => step;

/** The report as a record: of a run that did very much, only what needs attention. */
function shortened(report: Report): object {
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
export function reportRecords(report: Report): LogRecord[] {
  const { job, runId } = report;
  const ofTables = report.tables.flatMap(
    ({ schema, table, status, findings, gauges, error }): LogRecord[] => [
      ...findings.map(
        ({ message: text, ...finding }): LogRecord => ({
          level: finding.severity === 'info' ? 'info' : 'warn',
          event: 'finding',
          fields: { job, runId, schema, table, ...finding, text },
        }),
      ),
      {
        level: 'info',
        event: 'table',
        fields: {
          job,
          runId,
          schema,
          table,
          status,
          gauges,
          ...(error === undefined ? {} : { failure: error }),
        },
      },
    ],
  );
  return [
    ...ofTables,
    { level: report.ok ? 'info' : 'error', event: 'report', fields: { report: shortened(report) } },
  ];
}
