import { EXIT, type ExitCode, type Report } from '../contract.ts';

/** Failures first: they are what one must look at. */
export function exitCodeOf(report: Report): ExitCode {
  if (report.tables.some(({ status }) => status === 'failed')) return EXIT.failed;
  if (report.tables.some(({ status }) => status === 'refused')) return EXIT.refused;
  const alarming = report.tables.some(({ findings }) => findings.some(({ severity }) => severity !== 'info'));
  const unwell = report.checks?.some(({ status }) => status === 'warning' || status === 'critical') === true;
  return (report.job === 'health' && alarming) || unwell ? EXIT.findings : EXIT.ok;
}
