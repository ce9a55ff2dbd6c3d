import { qualified, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import type { Sequence } from '../model.ts';
import { parentName } from '../names.ts';
import type { Names } from './names.ts';

export const setValue = (from: string, to: string): string =>
  `SELECT pg_catalog.setval(${quoteLiteral(to)}, s.last_value, s.is_called) FROM ${from} AS s`;

/**
 * The identity of a partition is that of the partitioned table, so the old table's goes, once the new one goes on
 * where it stands; nobody draws from it meanwhile. A sequence of one's own merely changes hands.
 */
export function sequenceSql(names: Names, sequence: Sequence): string[] {
  const name = qualified(sequence.schema, sequence.name);
  const column = quoteIdentifier(sequence.column);
  if (!sequence.identity) return [`ALTER SEQUENCE ${name} OWNED BY ${names.table}.${column}`];
  const interim = qualified(sequence.schema, parentName(sequence.name));
  return [
    `ALTER SEQUENCE ${name} CACHE ${sequence.cache}`,
    setValue(name, interim),
    `ALTER TABLE ${names.legacy} ALTER COLUMN ${column} DROP IDENTITY`,
    `ALTER SEQUENCE ${interim} RENAME TO ${quoteIdentifier(sequence.name)}`,
  ];
}
