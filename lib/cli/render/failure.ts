import { randomUUID } from 'node:crypto';
import type { Report, ReportError } from '../../contract.ts';
import { withoutControls } from '../../partition/legible.ts';
import type { Invocation } from '../invocation.ts';
import { styleFor } from './style.ts';

/** A run that could not even begin, as the report the caller expects. */
function failedReport({ job, dryRun }: Pick<Invocation, 'job' | 'dryRun'>, error: ReportError): Report {
  const now = new Date().toISOString();
  return {
    version: 1,
    job,
    runId: randomUUID(),
    database: null,
    serverVersion: null,
    startedAt: now,
    now,
    durationMs: 0,
    dryRun,
    ok: false,
    tables: [],
    error,
  };
}

/** Where the output is JSON, a failure is one report too. */
export function writeFailedReport(invocation: Invocation, error: ReportError): void {
  if (invocation.format === 'json')
    process.stdout.write(`${JSON.stringify(failedReport(invocation, error), null, 2)}\n`);
}

/** The problems of a config are a list, one an indented line; no other text of an error has lines. */
const inLines = (text: string): string =>
  text
    .split(/\n(?= {2})/)
    .map((line) => withoutControls(line))
    .join('\n');

export function renderFailure(invocation: Invocation, error: ReportError): void {
  const style = styleFor(process.stderr, invocation.env);
  process.stderr.write(
    `${style.red('error')}: ${inLines(error.message)}\n${style.dim(' hint')}: ${inLines(error.hint)}\n`,
  );
  writeFailedReport(invocation, error);
}
