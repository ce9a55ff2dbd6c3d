import { quoteIdentifier } from '../partition/identifiers.ts';
import { nameOf } from '../postgres/statements/common.ts';
import type { ConversionMarker } from './marker.ts';
import type { LegacyTable } from './model.ts';

/** Whether rows may lack a date, as they may no more in a partitioned table without a default partition. */
export const mayBeNull = ({ columns, keyColumn }: LegacyTable): boolean =>
  columns.some(({ name, notNull }) => name === keyColumn && !notNull);

/** What a marker remembers of it. A partitioned table stays as it is: its partitions may differ from it. */
export const nullableKey = (table: LegacyTable): boolean => table.kind === 'table' && mayBeNull(table);

/** Gives back what a conversion has taken, unless something has come to rely on it. */
export function nullableAgain(table: LegacyTable, marker: ConversionMarker): string[] {
  const { indexes, keyColumn } = table;
  const needed = indexes.some(
    ({ constraint, replicaIdentity, columns }) =>
      (constraint === 'primary key' || replicaIdentity) && columns.includes(keyColumn),
  );
  if (marker.nullableKey !== true || mayBeNull(table) || needed) return [];
  return [`ALTER TABLE ${nameOf(table)} ALTER COLUMN ${quoteIdentifier(keyColumn)} DROP NOT NULL`];
}
