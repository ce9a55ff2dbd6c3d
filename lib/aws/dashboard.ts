import { Duration } from 'aws-cdk-lib';
import {
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IMetric,
  type IWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  PeriodOverride,
  Stats,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { JOBS, type Job, tableDimension } from '../contract.ts';
import type { Alarms } from './alarms.ts';
import type { JobFunction } from './job-function.ts';
import { jobMetric, type TableName, tableMetric } from './metrics.ts';

export interface DashboardProps {
  readonly database: string;
  readonly tables: readonly TableName[];
  readonly jobs: Readonly<Record<Job, JobFunction>>;
  readonly alarms: Alarms;
}

const WIDTH = 24;
/** CloudWatch shows that many alarms in one widget, and fewer metrics than these limits in one graph. */
const MOST_ALARMS = 100;
const MOST_METRICS = 500;

const pieces = <Item>(items: readonly Item[], length: number): Item[][] =>
  Array.from({ length: Math.ceil(items.length / length) }, (_, index) =>
    items.slice(index * length, (index + 1) * length),
  );

const graphs = (title: string, metrics: readonly IMetric[], width: number): IWidget[] =>
  pieces(metrics, MOST_METRICS).map(
    (left) =>
      new GraphWidget({
        title,
        left,
        width,
        height: 6,
        leftYAxis: { min: 0, showUnits: false },
        statistic: Stats.MAXIMUM,
      }),
  );

/** A look at everything: alarms, each table's figures and size, the last runs, what was found. */
export function addDashboard(
  scope: Construct,
  { database, tables, jobs, alarms }: DashboardProps,
): Dashboard {
  const dashboard = new Dashboard(scope, 'Dashboard', {
    defaultInterval: Duration.days(90),
    // A daily figure is to be seen as one, whatever the stretch of time.
    periodOverride: PeriodOverride.INHERIT,
  });
  const daily = { period: Duration.days(1) };
  const perTable = (metric: Parameters<typeof tableMetric>[2]) =>
    tables.map((table) => tableMetric(database, table, metric, { ...daily, label: tableDimension(table) }));
  const perJob = (metric: Parameters<typeof jobMetric>[2]) =>
    JOBS.map((job) => jobMetric(database, job, metric, { ...daily, label: job }));
  const logGroupNames = JOBS.map((job) => jobs[job].logGroup.logGroupName);
  const table = (title: string, queryLines: string[], width: number) =>
    new LogQueryWidget({
      title,
      logGroupNames,
      queryLines,
      width,
      height: 8,
      view: LogQueryVisualizationType.TABLE,
    });

  dashboard.addWidgets(
    new TextWidget({
      markdown: `# Partition Keeper: ${database}\nRunway is the number of days until the partitions that exist end. Figures are those of the last job of the day.`,
      width: WIDTH,
      height: 2,
    }),
  );
  for (const some of pieces(alarms.all, MOST_ALARMS)) {
    dashboard.addWidgets(
      new AlarmStatusWidget({
        title: 'Alarms',
        alarms: some,
        width: WIDTH,
        height: Math.min(12, 2 + Math.ceil(some.length / 4)),
      }),
    );
  }
  dashboard.addWidgets(
    ...graphs(
      'Runway (days)',
      perTable('runway').map((metric) => metric.with({ statistic: Stats.MINIMUM })),
      12,
    ),
    ...graphs('Missing partitions', perTable('missing'), 12),
    ...graphs('Expired partitions, overdue', perTable('expired'), 12),
    ...graphs('Rows in the default partition', perTable('defaultRows'), 12),
  );
  dashboard.addWidgets(
    table(
      'Size by table',
      [
        'filter message = "table" and ispresent(gauges.totalBytes)',
        'stats latest(gauges.totalBytes) / 1073741824 as GiB, latest(gauges.partitions) as partitions, latest(gauges.largestPartition) as largest, latest(gauges.largestBytes) / 1073741824 as largestGiB by concat(schema, ".", table) as tableName',
        'sort GiB desc',
      ],
      WIDTH,
    ),
  );
  dashboard.addWidgets(
    table(
      'Last runs',
      [
        'filter message in ["report", "failed"]',
        'fields @timestamp, job, coalesce(report.ok, 0) as ok, report.dryRun as dryRun, report.durationMs as ms, error.message as failure',
        'sort @timestamp desc',
        'limit 20',
      ],
      12,
    ),
    table(
      'Findings',
      [
        'filter message = "finding" and severity != "info"',
        'fields @timestamp, severity, concat(schema, ".", table) as tableName, finding, text, remedy',
        'sort @timestamp desc',
        'limit 50',
      ],
      12,
    ),
  );
  dashboard.addWidgets(
    new GraphWidget({
      title: 'Runs',
      left: [...perJob('succeeded'), ...perJob('failed')].map((metric, index) =>
        metric.with({ label: `${metric.label} ${index < JOBS.length ? 'succeeded' : 'failed'}` }),
      ),
      width: 8,
    }),
    new GraphWidget({
      title: 'Partitions created and dropped',
      left: [
        jobMetric(database, 'create', 'created', { ...daily, label: 'created' }),
        jobMetric(database, 'cleanup', 'dropped', { ...daily, label: 'dropped' }),
      ],
      width: 8,
    }),
    new GraphWidget({ title: 'Waiting for locks (ms)', left: perJob('lockWait'), width: 8 }),
  );
  return dashboard;
}
