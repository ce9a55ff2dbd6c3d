import { Duration } from 'aws-cdk-lib';
import { Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import {
  DIMENSIONS,
  JOB_METRICS,
  type Job,
  METRIC_NAMESPACE,
  TABLE_METRICS,
  tableDimension,
} from '../contract.ts';

/** A table of the config, by name. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** One of the figures of a table, as its last job left it. */
export const tableMetric = (
  database: string,
  table: TableName,
  metric: keyof typeof TABLE_METRICS,
  options: MetricOptions = {},
): Metric =>
  new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: TABLE_METRICS[metric],
    dimensionsMap: { [DIMENSIONS.database]: database, [DIMENSIONS.table]: tableDimension(table) },
    statistic: Stats.MAXIMUM,
    period: Duration.minutes(1),
    ...options,
  });

/** One of the figures of a job's runs. */
export const jobMetric = (
  database: string,
  job: Job,
  metric: keyof typeof JOB_METRICS,
  options: MetricOptions = {},
): Metric =>
  new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: JOB_METRICS[metric],
    dimensionsMap: { [DIMENSIONS.database]: database, [DIMENSIONS.job]: job },
    statistic: Stats.SUM,
    period: Duration.minutes(1),
    ...options,
  });
