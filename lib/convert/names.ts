import { createHash } from 'node:crypto';
import { byteLength, MAX_NAME_BYTES } from '../partition/names.ts';

/**
 * The name with the suffix. Where that would be longer than PostgreSQL allows, the name is cut, never within a
 * character, and told apart from others that begin like it.
 */
function suffixed(name: string, suffix: string): string {
  if (byteLength(name + suffix) <= MAX_NAME_BYTES) return name + suffix;
  const end = `_${createHash('md5').update(name).digest('hex').slice(0, 6)}${suffix}`;
  let stem = [...name];
  while (byteLength(stem.join('') + end) > MAX_NAME_BYTES) stem = stem.slice(0, -1);
  return stem.join('') + end;
}

/** The check constraint, beside `BOUNDARY`, by which the server knows that the partition key is never null. */
export const NOT_NULL = 'partition_keeper_not_null';

/** The partitioned table to be, until it gets the name of the old one; and its indexes, until they do. */
export const parentName = (name: string): string => suffixed(name, '_partitioned');

/** The old table afterwards, and what of it has to make room for its like on the partitioned table. */
export const legacyName = (name: string): string => suffixed(name, '_legacy');

/** The plain table to be, where a partitioned one is turned back; and its indexes. */
export const plainName = (name: string): string => suffixed(name, '_plain');

/** The table whose rows have been copied, once the copy has its name; and what of it has to make room. */
export const replacedName = (name: string): string => suffixed(name, '_replaced');

/** The log of changes while rows are copied, and the function that writes to it or to the copy. */
export const changesName = (name: string): string => suffixed(name, '_changes');
export const mirrorName = (name: string): string => suffixed(name, '_mirror');

/** The trigger that calls that function when the table is emptied, beside `MIRROR`. */
export const TRUNCATE = 'partition_keeper_truncate';

const HELPER = '_partition_keeper';
/** An index that the old table gets before it becomes a partition. */
export const helperIndexName = (name: string): string => suffixed(name, HELPER);
/** A table that lives no longer than the transaction of the switch. */
export const helperTableName = (name: string): string => suffixed(name, HELPER);
