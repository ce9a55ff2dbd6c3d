import { describe, expect, test } from 'vitest';
import { measurementsOf, measurementsOfFailure } from '../../../functions/metrics.ts';
import type { Gauges, Report, ReportStep, TableReport } from '../../../lib/contract.ts';

const gauges: Gauges = {
  partitions: 5,
  runwayDays: 42.5,
  missing: 1,
  expired: 2,
  defaultRows: 3,
  detachPending: 0,
  totalBytes: 10,
  largestPartition: null,
  largestBytes: 0,
};

const step = (kind: ReportStep['kind'], status: ReportStep['status'] = 'done', waitedMs = 0): ReportStep => ({
  kind,
  status,
  waitedMs,
  partition: 'logs.events_2026',
  from: null,
  to: null,
  reason: '',
  hazards: [],
  attempts: 1,
  durationMs: 1,
  statements: [],
});

const table = (changes: Partial<TableReport> = {}): TableReport => ({
  schema: 'logs',
  table: 'events',
  status: 'ok',
  steps: [],
  findings: [],
  gauges,
  ...changes,
});

const report = (changes: Partial<Report> = {}): Report => ({
  version: 1,
  job: 'create',
  runId: '',
  database: 'app',
  serverVersion: '17',
  startedAt: '',
  now: '',
  durationMs: 1,
  dryRun: false,
  ok: true,
  tables: [table()],
  ...changes,
});

const ofJob = (job: string, values: object) => ({ dimensions: { Database: 'app', Job: job }, values });

describe('each table', () => {
  test('has four figures', () => {
    expect(measurementsOf('app', 'create', report(), true)[0]).toEqual({
      dimensions: { Database: 'app', Table: 'logs.events' },
      values: { MissingPartitions: 1, RunwayDays: 42.5, ExpiredPartitions: 2, DefaultPartitionRows: 3 },
    });
  });

  test('has none for what could not be seen', () => {
    const hidden = table({ gauges: { ...gauges, defaultRows: null } });
    const { gauges: _, ...unseen } = table();
    const [first, ...others] = measurementsOf('app', 'create', report({ tables: [hidden, unseen] }), true);
    expect(first?.values).not.toHaveProperty('DefaultPartitionRows');
    expect(others.filter(({ dimensions }) => 'Table' in dimensions)).toEqual([]);
  });
});

describe('each job', () => {
  test('counts what was done, and only that', () => {
    const steps = [
      step('create', 'done', 5),
      step('move-rows', 'done', 7),
      step('create', 'failed', 8),
      step('detach'),
      step('finalize-detach'),
      step('drop'),
      step('drop', 'not-run'),
    ];
    expect(measurementsOf('app', 'cleanup', report({ tables: [table({ steps })] }), true).at(-1)).toEqual(
      ofJob('cleanup', {
        RunSucceeded: 1,
        RunFailed: 0,
        PartitionsCreated: 2,
        PartitionsDropped: 1,
        LockWaitMilliseconds: 20,
      }),
    );
  });

  test('has failed when the report is not ok, or there is none', () => {
    expect(measurementsOf('app', 'create', report({ ok: false }), true).at(-1)?.values).toMatchObject({
      RunSucceeded: 0,
      RunFailed: 1,
    });
    expect(measurementsOfFailure('app', 'create', true)).toEqual([
      ofJob('create', { RunSucceeded: 0, RunFailed: 1 }),
    ]);
  });

  test.each([true, false])('is not judged by a run of some tables, or a dry one, that is ok: %s', (ok) => {
    const values = measurementsOf('app', 'create', report({ ok }), false).at(-1)?.values;
    expect(values).not.toHaveProperty('RunSucceeded');
    expect(values).not.toHaveProperty('RunFailed');
  });

  test('gets a zero from each health check, also from one that failed, so that silence can be told', () => {
    const zeros = [ofJob('create', { RunSucceeded: 0 }), ofJob('cleanup', { RunSucceeded: 0 })];
    const health = report({ job: 'health', dryRun: true });
    expect(measurementsOf('app', 'health', health, true).slice(1)).toEqual([
      ofJob('health', { RunSucceeded: 1, RunFailed: 0 }),
      ...zeros,
    ]);
    expect(measurementsOfFailure('app', 'health', true).slice(1)).toEqual(zeros);
  });
});
