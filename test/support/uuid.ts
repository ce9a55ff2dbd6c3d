import type { Temporal } from 'temporal-polyfill';

/** The UUIDv7 that sorts first, or last, among all of the instant's millisecond. */
export function uuid7(instant: Temporal.Instant, which: 'first' | 'last'): string {
  const time = instant.epochMilliseconds.toString(16).padStart(12, '0');
  const tail = which === 'first' ? '7000-8000-000000000000' : '7fff-bfff-ffffffffffff';
  return `${time.slice(0, 8)}-${time.slice(8)}-${tail}`;
}
