import { type Gauges, JOB_METRICS, type Report, type ReportStep, TABLE_METRICS } from '../contract.ts';

/** What a metric says, by the names of the contract. */
export type Figures<Name extends string> = Readonly<Partial<Record<Name, number>>>;

export type TableMetric = (typeof TABLE_METRICS)[keyof typeof TABLE_METRICS];
export type JobMetric = (typeof JOB_METRICS)[keyof typeof JOB_METRICS];

const CREATING: ReadonlySet<ReportStep['kind']> = new Set(['create', 'attach', 'move-rows']);

const count = (steps: readonly ReportStep[], wanted: (step: ReportStep) => boolean): number =>
  steps.filter((step) => step.status === 'done' && wanted(step)).length;

/** The metrics of a table, from its last inspection. */
export const figuresOfTable = (gauges: Gauges): Figures<TableMetric> => ({
  [TABLE_METRICS.missing]: gauges.missing,
  [TABLE_METRICS.runway]: gauges.runwayDays,
  [TABLE_METRICS.expired]: gauges.expired,
  // Unknown is not none.
  ...(gauges.defaultRows === null ? {} : { [TABLE_METRICS.defaultRows]: gauges.defaultRows }),
});

/** The metrics of what a run did. */
export function figuresOfWork(report: Report): Figures<JobMetric> {
  const steps = report.tables.flatMap((table) => table.steps);
  return {
    [JOB_METRICS.created]: count(steps, ({ kind }) => CREATING.has(kind)),
    [JOB_METRICS.dropped]: count(steps, ({ kind }) => kind === 'drop'),
    [JOB_METRICS.lockWait]: steps.reduce((sum, { waitedMs }) => sum + waitedMs, 0),
  };
}
