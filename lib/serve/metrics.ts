import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { JOB_METRICS, JOBS, type Job, type Report, TABLE_METRICS } from '../contract.ts';
import { figuresOfTable, figuresOfWork, type JobMetric, type TableMetric } from '../jobs/figures.ts';

/** `MissingPartitions` becomes `partition_keeper_missing_partitions`. */
const nameOf = (metric: string): string =>
  `partition_keeper${metric.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;

const TABLE_HELP: Readonly<Record<TableMetric, string>> = {
  [TABLE_METRICS.missing]: 'Grid intervals that should have a partition and have none.',
  [TABLE_METRICS.runway]: 'Days until the partitions that exist end.',
  [TABLE_METRICS.expired]: 'Partitions past retention by more than overdueAfter.',
  [TABLE_METRICS.defaultRows]: 'Rows in the default partition; absent when they could not be counted.',
};

const JOB_HELP: Readonly<Record<JobMetric, string>> = {
  [JOB_METRICS.succeeded]: 'Runs that succeeded.',
  [JOB_METRICS.failed]: 'Runs that failed, or were refused by a guard.',
  [JOB_METRICS.created]: 'Steps that created, attached or filled a partition.',
  [JOB_METRICS.dropped]: 'Partitions that were dropped.',
  [JOB_METRICS.lockWait]: 'Milliseconds spent waiting for locks.',
};

/** The metrics of a process that runs the jobs itself. */
export interface Metrics {
  /** A run has ended with a report. */
  readonly observe: (job: Job, report: Report) => void;
  /** A run could not begin. */
  readonly failed: (job: Job) => void;
  /** As Prometheus reads them. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
}

/**
 * @param database value of the label `database`
 * @param nextRunOf when the job is run next, in milliseconds of the epoch; null: never
 */
export function createMetrics(database: string, nextRunOf: (job: Job) => number | null): Metrics {
  const registers = [new Registry()];
  const [registry] = registers;
  if (registry === undefined) throw new Error('there is no registry');
  collectDefaultMetrics({ register: registry });

  const ofTables = Object.entries(TABLE_HELP).map(([metric, help]) => ({
    metric: metric as TableMetric,
    gauge: new Gauge({
      name: nameOf(metric),
      help,
      labelNames: ['database', 'schema', 'table'] as const,
      registers,
    }),
  }));
  const labelNames = ['database', 'job'] as const;
  const counters = Object.entries(JOB_HELP).map(
    ([metric, help]) =>
      [metric, new Counter({ name: `${nameOf(metric)}_total`, help, labelNames, registers })] as const,
  );
  const success = new Gauge({
    name: 'partition_keeper_last_success_timestamp_seconds',
    help: 'When a run succeeded last; 0: not since the process began.',
    labelNames,
    registers,
  });
  const failure = new Gauge({
    name: 'partition_keeper_last_failure_timestamp_seconds',
    help: 'When a run failed last; 0: not since the process began.',
    labelNames,
    registers,
  });
  new Gauge({
    name: 'partition_keeper_next_run_timestamp_seconds',
    help: 'When the job is run next, by its schedule or as a retry.',
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const job of JOBS) {
        const next = nextRunOf(job);
        if (next !== null) this.set({ database, job }, next / 1000);
      }
    },
  });
  // From zero on, so that the first run is an increase.
  for (const job of JOBS) {
    for (const [, counter] of counters) counter.inc({ database, job }, 0);
    success.set({ database, job }, 0);
    failure.set({ database, job }, 0);
  }

  const count = (job: Job, figures: Readonly<Record<string, number>>): void => {
    for (const [metric, counter] of counters) counter.inc({ database, job }, figures[metric] ?? 0);
  };
  const ended = (job: Job, ok: boolean): void => {
    count(job, ok ? { [JOB_METRICS.succeeded]: 1 } : { [JOB_METRICS.failed]: 1 });
    (ok ? success : failure).set({ database, job }, Date.now() / 1000);
  };
  return {
    observe: (job, report) => {
      for (const { schema, table, gauges } of report.tables) {
        if (gauges === undefined) continue;
        const figures = figuresOfTable(gauges);
        for (const { metric, gauge } of ofTables) {
          const value = figures[metric];
          if (value === undefined) gauge.remove({ database, schema, table });
          else gauge.set({ database, schema, table }, value);
        }
      }
      if (!report.dryRun) count(job, figuresOfWork(report));
      ended(job, report.ok);
    },
    failed: (job) => ended(job, false),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
