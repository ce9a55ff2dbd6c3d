import { boundSql, type KeyType, parseKeyText } from './key-type.ts';
import { MAXVALUE, MINVALUE, type Point, type Range } from './range.ts';

const RANGE = /^FOR VALUES FROM \((MINVALUE|'[^']*')\) TO \((MAXVALUE|'[^']*')\)$/;

/** What the catalog says of a partition: its bounds, that it is the default one, or a text we cannot read. */
export type CatalogBounds =
  | { readonly kind: 'range'; readonly range: Range }
  | { readonly kind: 'default' }
  | { readonly kind: 'unreadable' };

function parseEnd(keyType: KeyType, text: string, end: 'from' | 'to'): Point | undefined {
  if (text === 'MINVALUE') return MINVALUE;
  if (text === 'MAXVALUE') return MAXVALUE;
  return parseKeyText(keyType, text.slice(1, -1), end);
}

/**
 * Reads `pg_get_expr(relpartbound, 0)` as a session with `TimeZone = UTC` and `DateStyle = ISO` prints it.
 * Never guesses: a text of another form is unreadable, and such a partition is left alone.
 */
export function parseBounds(keyType: KeyType, text: string): CatalogBounds {
  if (text === 'DEFAULT') return { kind: 'default' };
  const match = RANGE.exec(text);
  if (match === null) return { kind: 'unreadable' };
  const from = parseEnd(keyType, match[1] ?? '', 'from');
  const to = parseEnd(keyType, match[2] ?? '', 'to');
  if (from === undefined || to === undefined) return { kind: 'unreadable' };
  return { kind: 'range', range: { from, to } };
}

/** `FOR VALUES FROM (..) TO (..)`. */
export const boundsSql = (keyType: KeyType, range: Range): string =>
  `FOR VALUES FROM (${boundSql(keyType, range.from)}) TO (${boundSql(keyType, range.to)})`;
