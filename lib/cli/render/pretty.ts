import type { Blocker, Finding, Report, ReportStep, Severity, TableReport } from '../../contract.ts';
import { displayName } from '../../partition/identifiers.ts';
import { doctorText } from './doctor.ts';
import type { Style } from './style.ts';
import { bytesText, columns, counted, dayText, secondsText } from './text.ts';
import { legend, timeline } from './timeline.ts';

export interface PrettyOptions {
  readonly style: Style;
  /** Columns of the terminal. */
  readonly width: number;
  readonly detailed: boolean;
}

const nameOf = (table: TableReport): string => displayName(table.schema, table.table);

function heading(report: Report, style: Style): string {
  const server =
    report.database === null
      ? 'config only, no database'
      : `database ${report.database}, PostgreSQL ${report.serverVersion}`;
  const mayChange = ['create', 'cleanup', 'convert', 'reindex'].includes(report.job);
  const dryRun = report.dryRun && mayChange ? ' (dry run)' : '';
  return `${style.bold(`partition-keeper ${report.job}`)}${dryRun}: ${server}, now ${report.now.replace(/\.\d+Z$/, 'Z')}\n\n`;
}

const STATUS_WORDS: Record<ReportStep['status'], string> = {
  done: 'done',
  planned: '',
  failed: 'FAILED',
  'not-run': 'not run',
};

function stepStatus(step: ReportStep, style: Style): string {
  const word = STATUS_WORDS[step.status];
  if (step.status === 'failed') return style.red(word);
  if (step.status !== 'done') return style.dim(word);
  const time = secondsText(
    step.durationMs - step.waitedMs > 0 ? step.durationMs - step.waitedMs : step.durationMs,
  );
  return style.green(
    `${word} in ${time}${step.waitedMs > 0 ? `, waited ${secondsText(step.waitedMs)}` : ''}`,
  );
}

function stepKind(step: ReportStep, style: Style): string {
  if (step.kind === 'drop') return style.red(step.kind);
  return step.kind === 'create' ? style.green(step.kind) : style.yellow(step.kind);
}

const stepRow = (step: ReportStep, style: Style): string[] => [
  stepKind(step, style),
  step.partition,
  step.from === null && step.to === null
    ? ''
    : `${dayText(step.from, 'MINVALUE')} .. ${dayText(step.to, 'MAXVALUE')}`,
  step.reason,
  stepStatus(step, style),
];

function blockerText(blocker: Blocker): string {
  const age = blocker.ageSeconds === null ? '' : `, in a transaction for ${blocker.ageSeconds} s`;
  const query = blocker.query === null ? '' : `: ${blocker.query.slice(0, 100)}`;
  return `pid ${blocker.pid} (${blocker.application ?? 'no application name'}, role ${blocker.user ?? 'unknown'}${age}, ${blocker.lockMode} on ${blocker.relation})${query}`;
}

function waitLines(table: TableReport, style: Style): string {
  const waits = table.steps.filter(({ waitedMs, waitedFor }) => waitedMs > 0 && waitedFor !== undefined);
  return waits
    .map(
      (step) =>
        `  ${style.dim(`${step.partition} waited ${secondsText(step.waitedMs)} for ${(step.waitedFor ?? []).map(blockerText).join('; ')}`)}\n`,
    )
    .join('');
}

function hazardLines(table: TableReport, style: Style): string {
  const hazards = new Set(
    table.steps.filter(({ status }) => status === 'planned').flatMap(({ hazards }) => hazards),
  );
  return hazards.size === 0 ? '' : `  ${style.dim(`locks and hazards: ${[...hazards].join('; ')}`)}\n`;
}

function errorLines(table: TableReport, style: Style): string {
  if (table.error === undefined) return '';
  const paint = table.status === 'failed' ? style.red : style.yellow;
  return `  ${paint(table.status)}: ${table.error.message}\n  ${style.dim('hint')}: ${table.error.hint}\n`;
}

function workText(table: TableReport, style: Style): string {
  if (table.steps.length === 0 && table.error === undefined && table.findings.length === 0) {
    return `${style.bold(nameOf(table))}  ${style.dim('nothing to do')}\n`;
  }
  return [
    `${style.bold(nameOf(table))}\n`,
    columns(table.steps.map((step) => stepRow(step, style))),
    hazardLines(table, style),
    waitLines(table, style),
    findingLines(table, style),
    errorLines(table, style),
  ].join('');
}

const SEVERITY_STYLE: Record<Severity, (style: Style) => (text: string) => string> = {
  critical: (style) => style.red,
  warning: (style) => style.yellow,
  info: (style) => style.dim,
};

function findingText({ severity, finding, message, remedy }: Finding, style: Style): string {
  return `  ${SEVERITY_STYLE[severity](style)(`${severity} ${finding}`)}  ${message}\n      ${style.dim('remedy')}: ${remedy}\n`;
}

/** A table that cannot be managed says so in its error; that finding is for programs. */
const findingLines = (table: TableReport, style: Style): string =>
  table.findings
    .filter(({ message }) => message !== table.error?.message)
    .map((finding) => findingText(finding, style))
    .join('');

function healthText(table: TableReport, style: Style): string {
  const problems = errorLines(table, style) + findingLines(table, style);
  const name = style.bold(nameOf(table));
  return problems === '' ? `${name}  ${style.green('ok')}\n` : `${name}\n${problems}`;
}

function gaugesText(report: Report, style: Style): string {
  const rows = report.tables.flatMap((table) => {
    const { gauges } = table;
    if (gauges === undefined) return [];
    return [
      [
        nameOf(table),
        String(gauges.partitions),
        `${Math.floor(gauges.runwayDays)} days`,
        gauges.missing === 0 ? '0' : style.red(String(gauges.missing)),
        gauges.expired === 0 ? '0' : style.yellow(String(gauges.expired)),
        gauges.defaultRows === null ? 'unknown' : String(gauges.defaultRows),
        bytesText(gauges.totalBytes),
        gauges.largestPartition === null
          ? ''
          : `${gauges.largestPartition} ${bytesText(gauges.largestBytes)}`,
      ],
    ];
  });
  if (rows.length === 0) return '';
  const head = [
    'table',
    'partitions',
    'runway',
    'missing',
    'overdue',
    'default rows',
    'size',
    'largest partition',
  ].map(style.dim);
  return columns([head, ...rows], ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'left']);
}

function statusText(table: TableReport, options: PrettyOptions): string {
  const { style, width, detailed } = options;
  const { coverage, gauges } = table;
  if (coverage === undefined || gauges === undefined)
    return `${style.bold(nameOf(table))}\n${errorLines(table, style)}`;
  const policy = [
    `${coverage.interval}s in ${coverage.timeZone}`,
    `premake ${coverage.premake}`,
    coverage.retention === null ? 'kept for ever' : `retention ${coverage.retention}`,
    `${counted(gauges.partitions, 'partition')}, ${bytesText(gauges.totalBytes)}`,
  ].join(', ');
  const worst = table.findings.filter(({ severity }) => severity !== 'info');
  return [
    `${style.bold(nameOf(table))}  ${style.dim(policy)}\n`,
    timeline(coverage, gauges.runwayDays, style, Math.min(width, 120)),
    detailed ? partitionsText(table, style) : '',
    worst.map((finding) => findingText(finding, style)).join(''),
  ].join('');
}

function partitionsText(table: TableReport, style: Style): string {
  const rows = (table.coverage?.partitions ?? []).map((partition) => [
    partition.name,
    partition.isDefault
      ? 'DEFAULT'
      : `${dayText(partition.from, 'MINVALUE')} .. ${dayText(partition.to, 'MAXVALUE')}`,
    partition.state,
    partition.rows === null ? '' : `~${partition.rows} rows`,
    bytesText(partition.bytes),
  ]);
  return columns(
    [['partition', 'bounds', 'state', 'rows', 'size'].map(style.dim), ...rows],
    ['left', 'left', 'left', 'right', 'right'],
  );
}

const PAST_TENSE: Record<ReportStep['kind'], string> = {
  create: 'created',
  attach: 'attached',
  detach: 'detached',
  'finalize-detach': 'detached at last',
  drop: 'dropped',
  'move-rows': 'created with rows moved in',
  prepare: 'prepared',
  index: 'indexed',
  constrain: 'constrained',
  switch: 'switched',
  analyze: 'analyzed',
  discard: 'discarded',
  capture: 'captured',
  copy: 'copied',
  'catch-up': 'brought up to date',
  mirror: 'mirrored',
  verify: 'verified',
  reindex: 'reindexed',
};

/** The steps that a summary counts: a detach that had to be finished is none of its own. */
function countedSteps({ steps }: TableReport): readonly ReportStep[] {
  const finalized = new Set(
    steps.flatMap(({ kind, partition }) => (kind === 'finalize-detach' ? [partition] : [])),
  );
  return steps.filter(({ kind, partition }) => kind !== 'detach' || !finalized.has(partition));
}

function summary(report: Report, style: Style): string {
  const steps = report.tables.flatMap(countedSteps);
  const wanted = report.dryRun ? 'planned' : 'done';
  const kinds = Object.entries(PAST_TENSE).flatMap(([kind, verb]) => {
    const count = steps.filter((step) => step.kind === kind && step.status === wanted).length;
    return count === 0 ? [] : [`${count} ${report.dryRun ? 'to be ' : ''}${verb}`];
  });
  const tables = (['failed', 'refused', 'skipped'] as const).flatMap((status) => {
    const count = report.tables.filter((table) => table.status === status).length;
    return count === 0 ? [] : [`${counted(count, 'table')} ${status}`];
  });
  // The status of a conversion shows no steps, though some may be left.
  const left = report.tables.some(({ findings }) =>
    findings.some(({ facts }) => Number(facts['stepsLeft']) > 0),
  );
  const text = [...kinds, ...tables].join(', ') || (left ? 'nothing done' : 'nothing to do');
  const mark = report.ok ? style.green('ok') : style.red('not ok');
  return `\n${mark}: ${text}; ${secondsText(report.durationMs)}\n`;
}

function healthSummary(report: Report, style: Style): string {
  const findings = report.tables.flatMap((table) => table.findings);
  const counts = (['critical', 'warning', 'info'] as const).map((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return `${count} ${severity}`;
  });
  const well = findings.every(({ severity }) => severity === 'info') && report.ok;
  return `\n${well ? style.green('all well') : style.red('attention needed')}: ${counts.join(', ')}\n`;
}

function validateText(report: Report, style: Style): string {
  const tables = report.tables.map((table) =>
    table.error === undefined
      ? `${style.green('ok')}  ${nameOf(table)}\n`
      : `${nameOf(table)}\n${errorLines(table, style)}`,
  );
  const what =
    report.database === null
      ? 'the config is sound; no database was given, so tables were not looked at'
      : report.ok
        ? 'config and tables fit'
        : 'see above';
  return `${tables.join('')}\n${report.ok ? style.green('ok') : style.red('not ok')}: ${what}\n`;
}

/** The report for people. */
export function renderPretty(report: Report, options: PrettyOptions): string {
  const { style } = options;
  const head = heading(report, style);
  switch (report.job) {
    case 'health':
      return `${head}${report.tables.map((table) => healthText(table, style)).join('')}\n${gaugesText(report, style)}${healthSummary(report, style)}`;
    case 'status':
      return `${head}${report.tables.map((table) => statusText(table, options)).join('\n')}\n${gaugesText(report, style)}\n${legend(style)}`;
    case 'doctor':
      return head + doctorText(report, style);
    case 'validate':
      return head + validateText(report, style);
    default:
      return head + report.tables.map((table) => workText(table, style)).join('') + summary(report, style);
  }
}
