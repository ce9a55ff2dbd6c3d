import type {
  ExplainedQuery,
  ExplainedTable,
  ExplainReport,
  Pruning,
  PruningFinding,
  ScannedPartition,
} from '../../contract.ts';
import { displayIdentifier, displayName } from '../../partition/identifiers.ts';
import type { Style } from './style.ts';
import { bytesText, columns, counted } from './text.ts';

/** Partitions that are listed singly; of more, the first and the last. */
const MOST_LISTED = 8;

const boundsText = (bounds: string): string =>
  bounds
    .replace(/^FOR VALUES FROM \('?([^')]*)'?\) TO \('?([^')]*)'?\)$/, '$1 .. $2')
    .replace(/ 00:00:00(?:[+-]00)?(?= |$)/g, '');

const rowsText = (rows: number | null): string =>
  rows === null ? 'rows unknown' : `~${Math.round(rows).toLocaleString('en-US')} rows`;

const scanRow = ({ partition, bounds, scan, indexes, rows, bytes }: ScannedPartition): string[] => [
  partition,
  boundsText(bounds),
  indexes.length === 0 ? scan : `${scan} using ${indexes.join(', ')}`,
  rowsText(rows),
  bytesText(bytes),
];

function scans(table: ExplainedTable, style: Style): string {
  const { scanned } = table;
  const rows = scanned.map(scanRow);
  const shown =
    rows.length <= MOST_LISTED
      ? rows
      : [
          ...rows.slice(0, MOST_LISTED - 2),
          [style.dim(`.. ${rows.length - MOST_LISTED + 1} more`)],
          ...rows.slice(-1),
        ];
  return columns(
    shown.map((row) => [...row, '', '', '', ''].slice(0, 5)),
    ['left', 'left', 'left', 'right', 'right'],
  );
}

const PRUNED: Readonly<Record<Pruning, string>> = {
  planning: 'partitions are excluded when the query is planned',
  start: 'partitions are excluded when the query starts',
  running: 'partitions are excluded while the query runs',
  never: 'no partition is excluded by a condition',
};

function sums(table: ExplainedTable): string {
  const { scanned, partitions } = table;
  const bytes = scanned.reduce((sum, one) => sum + one.bytes, 0);
  const counts = scanned.map(({ rows }) => rows);
  const rows = counts.includes(null) ? null : counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  const left = partitions - table.prunedWhenPlanned - table.removedAtStart;
  if (left === 0) return `reads none of ${counted(partitions, 'partition')}`;
  const read = table.pruning === 'never' || table.pruning === 'planning' ? 'reads' : 'may read';
  const size = scanned.length === 0 ? '' : `, ${bytesText(bytes)}, ${rowsText(rows)}`;
  return `${read} ${left} of ${counted(partitions, 'partition')}${size}`;
}

function pruned(table: ExplainedTable): string {
  const { prunedWhenPlanned, removedAtStart, pruning } = table;
  const parts = [
    ...(prunedWhenPlanned > 0 ? [`${prunedWhenPlanned} excluded when planned`] : []),
    ...(removedAtStart > 0 ? [`${removedAtStart} removed when started`] : []),
  ];
  return `${PRUNED[pruning]}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`;
}

function findingText(
  { severity, finding, condition, message, remedy }: PruningFinding,
  style: Style,
): string {
  const paint = severity === 'warning' ? style.yellow : style.dim;
  const about = condition === null ? '' : `  ${condition}`;
  return `  ${paint(`${severity} ${finding}`)}${about}\n      ${message}\n      ${style.dim('remedy')}: ${remedy}\n`;
}

function tableText(table: ExplainedTable, listed: boolean, style: Style): string {
  const name = displayName(table.schema, table.table);
  const alias = table.alias === table.table ? '' : ` ${displayIdentifier(table.alias)}`;
  const conditions =
    table.keyConditions.length === 0 ? '' : `  conditions on the key: ${table.keyConditions.join(' AND ')}\n`;
  return [
    `${style.bold(name + alias)}  ${style.dim(`partitioned by ${table.partitionKey} (${table.keyType})`)}\n`,
    `  ${sums(table)}; ${pruned(table)}\n`,
    conditions,
    listed ? scans(table, style) : '',
    table.findings.map((finding) => findingText(finding, style)).join(''),
  ].join('');
}

const cut = (line: string, length: number): string =>
  line.length <= length ? line : `${line.slice(0, length - 2)}..`;

function statementText(query: ExplainedQuery, style: Style): string {
  const { figures, error } = query;
  const heading =
    figures === undefined
      ? ''
      : `${style.bold(`${figures.calls.toLocaleString('en-US')} ${figures.calls === 1 ? 'call' : 'calls'}`)}, ${figures.meanMs} ms each, ${(figures.share * 100).toFixed(1)} % of the time: ${cut(query.query, 200)}\n`;
  if (error !== undefined)
    return `${heading}  ${style.yellow('not explained')}: ${error.message}\n  ${style.dim('hint')}: ${error.hint}\n`;
  if (query.tables.length === 0) return `${heading}No partitioned table is in the query.\n`;
  return heading + query.tables.map((table) => tableText(table, figures === undefined, style)).join('\n');
}

function summary({ queries, statements }: ExplainReport, style: Style): string {
  if (statements === undefined) {
    const warnings = queries.flatMap(({ tables }) => tables.flatMap(({ findings }) => findings));
    const count = warnings.filter(({ severity }) => severity === 'warning').length;
    const generic = queries.some(({ parameters }) => parameters > 0)
      ? ' (the generic plan, for any values)'
      : '';
    return count === 0
      ? `\n${style.green('well')}: partitions are excluded as far as the conditions allow${generic}\n`
      : `\n${style.yellow('attention')}: ${counted(count, 'warning')}${generic}\n`;
  }
  const failed = queries.filter(({ error }) => error !== undefined).length;
  const hidden =
    statements.hidden === 0
      ? ''
      : `; ${counted(statements.hidden, 'statement')} of other roles not seen (GRANT pg_read_all_stats to see them)`;
  return `\n${counted(statements.explained, 'statement')} looked at, ${queries.length - failed} of them without a usable condition on the key, ${failed} not explained${hidden}\n`;
}

/** The report of `explain` for people. */
export function renderExplain(report: ExplainReport, style: Style): string {
  const head = `${style.bold('partition-keeper explain')}: database ${report.database}, PostgreSQL ${report.serverVersion}, search path ${report.searchPath}\n\n`;
  return (
    head + report.queries.map((query) => statementText(query, style)).join('\n') + summary(report, style)
  );
}
