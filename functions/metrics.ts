import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import {
  DIMENSIONS,
  JOB_METRICS,
  JOBS,
  type Job,
  METRIC_NAMESPACE,
  type Report,
  TABLE_METRICS,
  tableDimension,
} from '../lib/contract.ts';
import { figuresOfTable, figuresOfWork } from '../lib/jobs/figures.ts';

/** What one line of the embedded metric format says. */
export interface Measurement {
  readonly dimensions: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, number>>;
}

function ofTables(database: string, report: Report): Measurement[] {
  return report.tables.flatMap((table) => {
    const { gauges } = table;
    if (gauges === undefined) return [];
    return {
      dimensions: { [DIMENSIONS.database]: database, [DIMENSIONS.table]: tableDimension(table) },
      values: figuresOfTable(gauges),
    };
  });
}

const ofJob = (database: string, job: Job, values: Measurement['values']): Measurement => ({
  dimensions: { [DIMENSIONS.database]: database, [DIMENSIONS.job]: job },
  values,
});

/** The two that alarms read. A dry run, or one of some tables only, says nothing about the job. */
const outcome = (ok: boolean, complete: boolean): Measurement['values'] =>
  complete ? { [JOB_METRICS.succeeded]: ok ? 1 : 0, [JOB_METRICS.failed]: ok ? 0 : 1 } : {};

/** A daily zero for the jobs that run seldom: an alarm on their silence can tell it from a lack of data. */
const heartbeats = (database: string, job: Job): Measurement[] =>
  job === 'health'
    ? JOBS.filter((other) => other !== 'health').map((other) =>
        ofJob(database, other, { [JOB_METRICS.succeeded]: 0 }),
      )
    : [];

/**
 * @param complete whether the run was about all tables, and not a dry run
 */
export function measurementsOf(database: string, job: Job, report: Report, complete: boolean): Measurement[] {
  const done = report.dryRun ? {} : figuresOfWork(report);
  return [
    ...ofTables(database, report),
    ofJob(database, job, { ...outcome(report.ok, complete), ...done }),
    ...heartbeats(database, job),
  ];
}

/** A run that could not even begin. */
export const measurementsOfFailure = (database: string, job: Job, complete: boolean): Measurement[] => [
  ofJob(database, job, outcome(false, complete)),
  ...heartbeats(database, job),
];

const UNITS: Readonly<Record<string, (typeof MetricUnit)[keyof typeof MetricUnit]>> = {
  [JOB_METRICS.lockWait]: MetricUnit.Milliseconds,
  [TABLE_METRICS.runway]: MetricUnit.NoUnit,
};

const hasValues = ({ values }: Measurement): boolean => Object.keys(values).length > 0;

/** Writes them to the standard output, where CloudWatch finds them: no call, no endpoint. */
export function publish(measurements: readonly Measurement[]): void {
  const metrics = new Metrics({ namespace: METRIC_NAMESPACE });
  // Else every metric would have a dimension more than the alarms ask for.
  metrics.clearDefaultDimensions();
  for (const { dimensions, values } of measurements.filter(hasValues)) {
    metrics.addDimensions({ ...dimensions });
    for (const [name, value] of Object.entries(values)) {
      metrics.addMetric(name, UNITS[name] ?? MetricUnit.Count, value);
    }
    metrics.publishStoredMetrics();
  }
}
