import { expect, test } from 'vitest';
import { renderPretty } from '../../../lib/cli/render/pretty.ts';
import { styleFor } from '../../../lib/cli/render/style.ts';
import type { Report, ReportStep } from '../../../lib/index.ts';

const step = (kind: ReportStep['kind'], partition: string, status: ReportStep['status']): ReportStep => ({
  kind,
  partition,
  from: '2019-01-01T00:00:00Z',
  to: '2019-02-01T00:00:00Z',
  reason: 'past retention',
  hazards: [],
  status,
  attempts: 1,
  waitedMs: 0,
  durationMs: 12,
  statements: [],
});

/** The last line of what people see of a cleanup with these steps. */
function summaryOf(...steps: readonly ReportStep[]): string | undefined {
  const failed = steps.some(({ status }) => status === 'failed');
  const report: Report = {
    version: 1,
    job: 'cleanup',
    runId: 'b8e1a3a4-7f0e-4a3f-9f5c-3f6a6c0b7a52',
    database: 'app',
    serverVersion: '17.10',
    startedAt: '2026-11-26T00:00:00Z',
    now: '2026-11-26T00:00:00Z',
    durationMs: 20,
    dryRun: false,
    ok: !failed,
    tables: [{ schema: 'app', table: 'events', status: failed ? 'failed' : 'ok', steps, findings: [] }],
  };
  const text = renderPretty(report, { style: styleFor({}, {}), width: 100, detailed: false });
  return text.trimEnd().split('\n').at(-1);
}

test('a partition whose detach could not be finished is not counted as detached', () => {
  expect(
    summaryOf(
      step('detach', 'app.events_2018_12', 'done'),
      step('detach', 'app.events_2019_01', 'done'),
      step('finalize-detach', 'app.events_2019_01', 'failed'),
    ),
  ).toBe('not ok: 1 detached, 1 table failed; 20 ms');
});

test('a detach that was finished later is counted once', () => {
  expect(
    summaryOf(
      step('detach', 'app.events_2019_01', 'done'),
      step('finalize-detach', 'app.events_2019_01', 'done'),
    ),
  ).toBe('ok: 1 detached at last; 20 ms');
});
