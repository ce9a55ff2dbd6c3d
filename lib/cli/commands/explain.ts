import { loadConfig } from '../../config/load.ts';
import { EXIT, type ExplainReport } from '../../contract.ts';
import { usageError } from '../../errors.ts';
import { runExplain } from '../../jobs/explain.ts';
import { runExplainTop } from '../../jobs/explain-top.ts';
import { connectionOf } from '../connection.ts';
import type { ExplainFlags, Invocation } from '../invocation.ts';
import { renderExplain } from '../render/explain.ts';
import { legible } from '../render/legible.ts';
import { styleFor } from '../render/style.ts';

function check(query: string | undefined, flags: ExplainFlags): void {
  if (flags.format === 'sql')
    throw usageError('format-sql', 'explain has no statements to show as a script.', 'Use pretty or json.');
  if ((query === undefined) === (flags.top === undefined)) {
    throw usageError(
      'query-or-top',
      query === undefined ? 'No query is given.' : 'A query and --top are given.',
      'Write explain "SELECT ...", or explain --top for the statements in pg_stat_statements.',
    );
  }
  if (query !== undefined && flags.table !== undefined)
    throw usageError(
      'table-without-top',
      '--table is for --top.',
      'Leave it out: the query says which tables.',
    );
}

async function reportOf(
  invocation: Invocation,
  query: string | undefined,
  flags: ExplainFlags,
): Promise<ExplainReport> {
  const options = { ...connectionOf(invocation, flags), searchPath: flags.searchPath };
  if (query !== undefined) return runExplain({ ...options, query });
  const config = await loadConfig(flags.config, invocation.folder);
  return runExplainTop({ ...options, config, tables: flags.table, top: flags.top ?? 0 });
}

/** `explain`: of one query, or of those that `pg_stat_statements` has counted most often. */
export async function explain(
  invocation: Invocation,
  query: string | undefined,
  flags: ExplainFlags,
): Promise<void> {
  invocation.job = 'explain';
  invocation.format = flags.format;
  check(query, flags);
  const report = await reportOf(invocation, query, flags);
  process.stdout.write(
    flags.format === 'json'
      ? `${JSON.stringify(report, null, 2)}\n`
      : renderExplain(legible(report), styleFor(process.stdout, invocation.env)),
  );
  const warned = report.queries.some(({ tables }) =>
    tables.some(({ findings }) => findings.some(({ severity }) => severity === 'warning')),
  );
  invocation.exitCode = warned ? EXIT.findings : EXIT.ok;
}
