import { randomUUID } from 'node:crypto';
import { Temporal } from 'temporal-polyfill';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { Report, ReportKind } from '../contract.ts';
import { usageError } from '../errors.ts';
import { runCleanup, runCreate, runHealth, runPlan, runStatus, runValidate } from '../jobs/jobs.ts';
import { selectTables } from '../jobs/options.ts';
import { shellWord } from '../partition/identifiers.ts';
import { isConnectionConfigured } from '../postgres/connection-options.ts';
import { connectionOf } from './connection.ts';
import { exitCodeOf } from './exit-code.ts';
import type { CommonFlags, ConvertFlags, Invocation, LookFlags, WorkFlags } from './invocation.ts';
import { render } from './render/render.ts';
import { watched } from './watched.ts';

interface Prepared {
  readonly config: Config;
  readonly tables: readonly string[] | undefined;
}

export async function prepare(
  invocation: Invocation,
  job: ReportKind,
  flags: CommonFlags,
): Promise<Prepared> {
  invocation.job = job;
  invocation.format = flags.format;
  const config = await loadConfig(flags.config, invocation.folder);
  selectTables(config, flags.table);
  return { config, tables: flags.table };
}

function checkStretch({ from, to }: WorkFlags): void {
  if (from === undefined || to === undefined || from.epochNanoseconds < to.epochNanoseconds) return;
  throw usageError(
    'stretch-empty',
    `--from ${from.toString()} is not before --to ${to.toString()}.`,
    'Give the earlier instant to --from.',
  );
}

/** Remedies are commands to paste: they must find the same config. */
function withConfigFlag(report: Report, file: string | undefined): Report {
  if (file === undefined) return report;
  const complete = (text: string) =>
    text.replace(/npx partition-keeper (\w+)/g, `npx partition-keeper $1 --config ${shellWord(file)}`);
  const tables = report.tables.map((table) => ({
    ...table,
    findings: table.findings.map((finding) => ({ ...finding, remedy: complete(finding.remedy) })),
    ...(table.error === undefined ? {} : { error: { ...table.error, hint: complete(table.error.hint) } }),
  }));
  const checks = report.checks?.map((check) => ({
    ...check,
    remedy: check.remedy === null ? null : complete(check.remedy),
  }));
  return { ...report, tables, ...(checks === undefined ? {} : { checks }) };
}

export function finish(invocation: Invocation, flags: CommonFlags, report: Report): void {
  render(withConfigFlag(report, flags.config), {
    format: invocation.format,
    env: invocation.env,
    detailed: flags.table !== undefined,
  });
  invocation.exitCode = exitCodeOf(report);
}

/** `create` and `cleanup`. */
export async function planned(
  invocation: Invocation,
  job: 'create' | 'cleanup',
  flags: WorkFlags,
): Promise<void> {
  invocation.dryRun = flags.dryRun === true;
  const prepared = await prepare(invocation, job, flags);
  checkStretch(flags);
  if (flags.format === 'sql' && flags.dryRun !== true) {
    throw usageError(
      'format-sql',
      `--format sql shows a ${job} as a script instead of running it.`,
      `Add --dry-run, or use: npx partition-keeper plan ${job} --format sql`,
    );
  }
  const run = job === 'create' ? runCreate : runCleanup;
  const report = await watched(invocation, flags, (watch) =>
    run({ ...flags, ...prepared, ...connectionOf(invocation, flags), ...watch, partitions: flags.partition }),
  );
  finish(invocation, flags, report);
}

/** `convert`, and `unconvert`, which is the same with its own strategy. */
export async function convert(
  invocation: Invocation,
  job: 'convert' | 'unconvert',
  table: string,
  flags: ConvertFlags,
): Promise<void> {
  invocation.dryRun = flags.plan === true || flags.status === true;
  if (flags.table !== undefined) {
    throw usageError('table-twice', `${job} takes one table, as its argument.`, 'Leave --table out.');
  }
  if (flags.format === 'sql' && flags.plan !== true) {
    throw usageError('format-sql', '--format sql shows a plan as a script.', 'Add --plan.');
  }
  const { config } = await prepare(invocation, 'convert', { ...flags, table: [table] });
  // The other commands need not wait for it to be loaded.
  const { runConvert } = await import('../convert/convert.ts');
  const report = await watched(invocation, flags, (watch) =>
    runConvert({
      config,
      table,
      ...connectionOf(invocation, flags),
      ...watch,
      strategy: job === 'unconvert' ? 'unconvert' : flags.strategy,
      until: flags.until,
      dryRun: invocation.dryRun,
      approve: flags.approve,
      undo: flags.undo,
      finish: flags.finish,
      maxRate: flags.maxRate,
      maxReplicaLag: flags.maxReplicaLag,
    }),
  );
  const shown =
    flags.status === true
      ? { ...report, tables: report.tables.map((one) => ({ ...one, steps: [] })) }
      : report;
  finish(invocation, flags, shown);
}

export async function plan(invocation: Invocation, job: string | undefined, flags: WorkFlags): Promise<void> {
  if (job !== undefined && job !== 'create' && job !== 'cleanup') {
    throw usageError(
      'job-unknown',
      `There is no job ${job} to plan.`,
      'Write plan create, plan cleanup, or just plan.',
    );
  }
  const prepared = await prepare(invocation, job ?? 'plan', flags);
  checkStretch(flags);
  const options = { ...flags, ...prepared, ...connectionOf(invocation, flags), dryRun: true };
  const run = job === undefined ? runPlan : job === 'create' ? runCreate : runCleanup;
  finish(invocation, flags, await run(options));
}

export async function health(invocation: Invocation, flags: LookFlags): Promise<void> {
  const prepared = await prepare(invocation, 'health', flags);
  finish(invocation, flags, await runHealth({ ...flags, ...prepared, ...connectionOf(invocation, flags) }));
}

export async function status(invocation: Invocation, flags: LookFlags): Promise<void> {
  const prepared = await prepare(invocation, 'status', flags);
  finish(invocation, flags, await runStatus({ ...flags, ...prepared, ...connectionOf(invocation, flags) }));
}

/** Without a database, the config alone is checked; reading it has done that already. */
function configReport({ config, tables }: Prepared): Report {
  const now = Temporal.Now.instant().toString();
  return {
    version: 1,
    job: 'validate',
    runId: randomUUID(),
    database: null,
    serverVersion: null,
    startedAt: now,
    now,
    durationMs: 0,
    dryRun: true,
    ok: true,
    tables: selectTables(config, tables).map(({ schema, table }) => ({
      schema,
      table,
      status: 'ok',
      steps: [],
      findings: [],
    })),
  };
}

export async function validate(invocation: Invocation, flags: CommonFlags): Promise<void> {
  const prepared = await prepare(invocation, 'validate', flags);
  const report = isConnectionConfigured(flags.databaseUrl, invocation.env)
    ? await runValidate({ ...prepared, ...connectionOf(invocation, flags) })
    : configReport(prepared);
  finish(invocation, flags, report);
}
