import type { Report, ReportStep, TableReport } from '../../contract.ts';
import { displayName } from '../../partition/identifiers.ts';
import { withoutControls } from '../../partition/legible.ts';
import { settingStatements } from '../../postgres/session.ts';

/** Nothing in a comment may end it, or move the cursor. */
const comment = (lines: readonly string[]): string =>
  lines.map((line) => `-- ${withoutControls(line)}`).join('\n');

function stepSql(step: ReportStep): string {
  const about = [
    `${step.kind} ${step.partition} [${step.from ?? '-infinity'}, ${step.to ?? 'infinity'}): ${step.reason}`,
    ...step.hazards.map((hazard) => `hazard: ${hazard}`),
  ];
  const repeated =
    step.repeatedUntil === undefined
      ? []
      : [
          comment([
            'repeat the statements of this step until the following say that it is done:',
            ...step.repeatedUntil.flatMap((statement) => statement.split('\n')),
          ]),
        ];
  return [comment(about), ...step.statements.map((statement) => `${statement};`), ...repeated].join('\n');
}

function tableSql(table: TableReport): string {
  const notes = [
    displayName(table.schema, table.table),
    ...(table.error === undefined ? [] : [`${table.status}: ${table.error.message}`, table.error.hint]),
    ...table.findings.map(({ finding, severity, message }) => `${severity} ${finding}: ${message}`),
    ...(table.steps.length === 0 && table.error === undefined ? ['nothing to do'] : []),
  ];
  // What a guard refuses is not handed out as a script that could be run all the same.
  const steps = table.status === 'refused' ? [] : table.steps.map(stepSql);
  return [comment(notes), ...steps].join('\n\n');
}

/** The report as a script for psql: exactly the statements a run would execute, with its findings as comments. */
export function renderSql(report: Report): string {
  const steps = report.tables.some((table) => table.steps.length > 0);
  const head = comment([
    `partition-keeper ${report.job}, database ${report.database ?? 'none'}, planned for ${report.now}`,
    ...(steps
      ? ['Before each step the tool waits until no long transaction is in the way; a script cannot.']
      : []),
  ]);
  const settings = steps
    ? ['\\set ON_ERROR_STOP on', ...settingStatements().map((line) => `${line};`)].join('\n')
    : '';
  return `${[head, settings, ...report.tables.map(tableSql)].filter((part) => part !== '').join('\n\n')}\n`;
}
