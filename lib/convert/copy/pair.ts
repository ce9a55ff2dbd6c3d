import { qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { keyText } from '../../partition/key-type.ts';
import { isBounded, type Range } from '../../partition/range.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import type { LegacyTable } from '../model.ts';
import { changesName, mirrorName } from '../names.ts';

/** The two tables of a copy: the one in use, and the one that follows it until it takes its place. */
export interface Pair {
  readonly source: LegacyTable;
  readonly target: { readonly schema: string; readonly name: string };
  /** The columns that tell rows apart in both. */
  readonly identity: readonly string[];
  /** The keys the target has room for, ascending and apart; null: all. */
  readonly room: readonly Range[] | null;
}

/** What both tables share: the log of changes, and the function of the triggers. */
export const changesOf = ({ source }: Pair): string => qualified(source.schema, changesName(source.name));
export const mirrorOf = ({ source }: Pair): string => qualified(source.schema, mirrorName(source.name));

/** Text as part of one for `format`, whatever names are in it. */
export const forFormat = (text: string): string => text.replaceAll('%', '%%');

/** The columns that are copied, as a list for a statement; generated ones make themselves. */
export const columnList = ({ source }: Pair, of?: string): string =>
  source.template.columns
    .map((column) => `${of === undefined ? '' : `${of}.`}${quoteIdentifier(column)}`)
    .join(', ');

export const identityList = ({ identity }: Pair, of?: string): string =>
  identity.map((column) => `${of === undefined ? '' : `${of}.`}${quoteIdentifier(column)}`).join(', ');

/** Whether two rows are one. */
export const sameRow = ({ identity }: Pair, one: string, other: string): string =>
  identity
    .map((column) => `${one}.${quoteIdentifier(column)} = ${other}.${quoteIdentifier(column)}`)
    .join(' AND ');

/** Whether the target has room for the row, as a condition on its key. */
export function hasRoom({ source, room }: Pair, of: string): string {
  if (room === null) return 'true';
  const key = `${of}.${quoteIdentifier(source.keyColumn)}`;
  const bound = (point: bigint) =>
    `${quoteLiteral(keyText(source.keyType, point))}::pg_catalog.${source.keyType}`;
  const stretches = room.map(({ from, to }) =>
    [
      ...(isBounded(from) ? [`${key} >= ${bound(from)}`] : []),
      ...(isBounded(to) ? [`${key} < ${bound(to)}`] : []),
      `${key} IS NOT NULL`,
    ].join(' AND '),
  );
  return stretches.length === 0 ? 'false' : `(${stretches.join(' OR ')})`;
}

/** Takes over into the target what the source now has of the row with the identity, be it nothing. */
export const bringUpToDate = (pair: Pair, of: string): string => `
    DELETE FROM ${nameOf(pair.target)} AS t WHERE ${sameRow(pair, 't', of)};
    INSERT INTO ${nameOf(pair.target)} (${columnList(pair)}) OVERRIDING SYSTEM VALUE
    SELECT ${columnList(pair, 's')} FROM ${nameOf(pair.source)} AS s WHERE ${sameRow(pair, 's', of)};`;

/** The source as what can be locked: a partitioned one alone, as whoever writes to it locks it first. */
export const lockable = ({ source }: Pair) => ({ schema: source.schema, name: source.name });
