import { byteLength, MAX_NAME_BYTES } from '../partition/names.ts';
import type { LeafIndex } from './model.ts';

/** What REINDEX CONCURRENTLY calls the index it builds, and the one it has replaced; a number tells several apart. */
const NAME = /^(.+)_cc(?:new|old)\d*$/s;

/** No character takes more bytes, and the server cuts none in two. */
const CHARACTER_BYTES = 4;

/** Whether the server made that name of the other; it cuts off the end of one that would become too long. */
function isNamedAfter(name: string, base: string): boolean {
  const beginning = NAME.exec(name)?.[1];
  if (beginning === undefined) return false;
  return (
    beginning === base || (base.startsWith(beginning) && byteLength(name) > MAX_NAME_BYTES - CHARACTER_BYTES)
  );
}

/**
 * What an interrupted REINDEX CONCURRENTLY has left behind: an invalid index that nothing stands on, called after
 * another index of the same table and defined like it. An invalid index of anybody else's making is none.
 */
export function leftoversOf(base: LeafIndex, indexes: readonly LeafIndex[]): LeafIndex[] {
  return indexes.filter(
    (index) =>
      index.oid !== base.oid &&
      !index.valid &&
      !index.inUse &&
      index.table.oid === base.table.oid &&
      index.schema === base.schema &&
      index.definition === base.definition &&
      isNamedAfter(index.name, base.name),
  );
}

/** All of them. */
export const allLeftovers = (indexes: readonly LeafIndex[]): ReadonlySet<LeafIndex> =>
  new Set(indexes.flatMap((base) => leftoversOf(base, indexes)));
