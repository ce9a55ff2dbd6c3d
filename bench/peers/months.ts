/** The start of a month in UTC, so many after the current one: 2026-11-01. */
export function monthStart(month: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + month)).toISOString().slice(0, 10);
}

/** The name of a table's partition for a month, as the strategy document has it. */
export const partitionOf = (table: string, month: number): string =>
  `${table}_${monthStart(month).slice(0, 7).replace('-', '_')}`;
