import type { KeyType } from '../key-type.ts';
import { type Expression, some } from './expression.ts';

/** The partition key of a table in a query, and what surrounds it. */
export interface Key {
  readonly column: string;
  readonly type: KeyType;
  /** The session's time zone, in which PostgreSQL cuts days and months of a `timestamptz`. */
  readonly timeZone: string;
  /** What the plan calls the table's own columns by; null: nothing stands before them. */
  readonly aliases: readonly (string | null)[];
}

const isOwn = (expression: Expression, { aliases }: Key): boolean =>
  expression.kind === 'column' && aliases.includes(expression.relation);

export const isKey = (expression: Expression, key: Key): boolean =>
  expression.kind === 'column' && expression.name === key.column && isOwn(expression, key);

export const mentionsKey = (expression: Expression, key: Key): boolean =>
  some(expression, (part) => isKey(part, key));

/** Whether any column of the table itself is in it. */
export const mentionsOwn = (expression: Expression, key: Key): boolean =>
  some(expression, (part) => isOwn(part, key));

const FLIPPED: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '=': '=' };

/** The operator when both sides change places; undefined for one that does not order. */
export const flipped = (operator: string): string | undefined => FLIPPED[operator];
