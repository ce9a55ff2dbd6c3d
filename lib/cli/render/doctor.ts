import type { Check, Report } from '../../contract.ts';
import type { Style } from './style.ts';
import { columns } from './text.ts';

const PAINT: Readonly<Record<Check['status'], (style: Style) => (text: string) => string>> = {
  ok: (style) => style.green,
  unknown: (style) => style.dim,
  info: (style) => style.cyan,
  warning: (style) => style.yellow,
  critical: (style) => style.red,
};

const titleOf = ({ check, table }: Check): string => (table === undefined ? check : `${check} ${table}`);

/** What needs a word, with what to do; then, for people to see what was looked at, what is well. */
export function doctorText(report: Report, style: Style): string {
  const checks = report.checks ?? [];
  const well = checks.filter(({ status }) => status === 'ok');
  const told = (['critical', 'warning', 'info', 'unknown'] as const).flatMap((status) =>
    checks.filter((check) => check.status === status),
  );
  const remarks = told.map(
    (check) =>
      `${PAINT[check.status](style)(`${check.status} ${titleOf(check)}`)}  ${check.message}\n${check.remedy === null ? '' : `    ${style.dim('remedy')}: ${check.remedy}\n`}`,
  );
  const counts = (['critical', 'warning', 'info', 'unknown', 'ok'] as const).map(
    (status) => `${checks.filter((check) => check.status === status).length} ${status}`,
  );
  const alarming = told.some(({ status }) => status === 'critical' || status === 'warning');
  return [
    ...remarks,
    remarks.length === 0 ? '' : '\n',
    columns(well.map((check) => [style.green('ok'), titleOf(check), check.message])),
    `\n${alarming ? style.red('attention needed') : style.green('all well')}: ${counts.join(', ')}\n`,
  ].join('');
}
