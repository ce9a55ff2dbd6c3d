import type { KeyType } from '../key-type.ts';
import type { Unit } from './moment.ts';

/** Whether a rewriting that computes with what the server has printed still means exactly the same rows. */

/** Names of the zone in which every day has 24 hours. */
const WITHOUT_CLOCK_CHANGES = /^(?:Etc\/)?(?:UTC|UCT|GMT|Universal|Zulu)$/i;

/**
 * Whether a span, added to something of the type and taken away again, ends where it began. Months have no fixed
 * length; nor have days on the calendar of a session whose clocks change, by which they are added to instants. A
 * difference of two instants counts days of 24 hours.
 */
export function isFixed(span: string, type: KeyType | undefined, timeZone: string): boolean {
  if (!/^\(?'[^']*'::|^\d+$/.test(span) || /mon|year/.test(span)) return false;
  return (
    !span.includes('day') || type === 'timestamp' || type === 'date' || WITHOUT_CLOCK_CHANGES.test(timeZone)
  );
}

/** By how much the first moment of a unit may be moved to be another's; in days or months. */
const STRIDES: Readonly<Partial<Record<Unit, { readonly days?: number; readonly months?: number }>>> = {
  day: { days: 1, months: 1 },
  week: { days: 7 },
  month: { months: 1 },
  quarter: { months: 3 },
  year: { months: 12 },
};

function isWhole(count: number, of: string, unit: Unit): boolean {
  const { days, months } = STRIDES[unit] ?? {};
  const [amount, stride] = of === 'day' ? [count, days] : [of === 'year' ? 12 * count : count, months];
  return stride !== undefined && amount % stride === 0;
}

/**
 * Whether a value is the first moment of a unit by the clock of the session, as the server prints it: truncated to
 * that, and moved by whole units at most. In another zone, or moved by part of one, it is not.
 */
export function isAligned(value: string, unit: Unit): boolean {
  const truncated = String.raw`date_trunc\('${unit}'::text, (?:[^(),]|\([^(),]*\))*\)`;
  if (new RegExp(`^${truncated}$`).test(value)) return true;
  const moved = new RegExp(String.raw`^\(${truncated} [+-] '(-?\d+) (year|mon|day)s?'::interval\)$`).exec(
    value,
  );
  return moved !== null && isWhole(Number(moved[1]), moved[2] ?? '', unit);
}
