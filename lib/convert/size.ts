import type { LegacyTable } from './model.ts';

/** What the server of a small machine did in a second; larger ones do more. */
const COPIED_ROWS = 200_000;
const INDEXED_ROWS = 1_000_000;
const READ_BYTES = 1_000_000_000;

export const inWords = (amount: number): string => Math.round(amount).toLocaleString('en-US');

export const stepsLeft = (left: number): string => (left === 1 ? '1 step is left' : `${left} steps are left`);

/** `about 5,000,000 rows, 2,100 MB`. */
export const sizeOf = ({ rows, bytes }: LegacyTable): string =>
  `${rows === null ? 'an unknown number of' : `about ${inWords(rows)}`} rows, ${inWords(bytes / 1_000_000)} MB`;

/** What the long steps may take, in seconds: to read the table once, to make one index, to copy all rows. */
export const durationsOf = ({ rows, heapBytes }: LegacyTable) => ({
  read: Math.ceil(heapBytes / READ_BYTES),
  index: Math.ceil((rows ?? 0) / INDEXED_ROWS),
  copy: Math.ceil((rows ?? 0) / COPIED_ROWS),
});
