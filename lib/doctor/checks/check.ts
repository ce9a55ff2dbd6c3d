import type { Check, CheckName, Severity } from '../../contract.ts';

type Facts = Check['facts'];

export const found = (
  check: CheckName,
  severity: Severity,
  message: string,
  remedy: string | null,
  facts: Facts = {},
  table?: string,
): Check => ({ check, status: severity, ...(table === undefined ? {} : { table }), message, remedy, facts });

/** What was looked at, and how it is. */
export const fine = (check: CheckName, message: string, facts: Facts = {}, table?: string): Check => ({
  check,
  status: 'ok',
  ...(table === undefined ? {} : { table }),
  message,
  remedy: null,
  facts,
});

export const unknown = (check: CheckName, message: string, remedy: string | null): Check => ({
  check,
  status: 'unknown',
  message,
  remedy,
  facts: {},
});

/** What was found, or else that all is well. */
export const orFine = (checks: readonly Check[], well: Check): readonly Check[] =>
  checks.length === 0 ? [well] : checks;

const SHOWN = 5;

/** So many names make a sentence. */
export const some = (names: readonly string[]): string =>
  names.slice(0, SHOWN).join(', ') + (names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '');

/** `90 s`, `12 minutes`, `5 hours`, `3 days`. */
export function ageText(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} hours`;
  return `${Math.round(seconds / 86_400)} days`;
}
