import type { LegacyTable } from '../model.ts';

/**
 * The columns that tell rows apart, in the table and in its copy: those of its primary key, or of a unique constraint
 * without nulls, and the partition key, as keys of a partitioned table have to contain it. Null: there are none.
 */
export function identityOf(table: LegacyTable): string[] | null {
  const filled = new Set(table.columns.filter(({ notNull }) => notNull).map(({ name }) => name));
  const key = table.indexes.find(
    ({ valid, constraint, columns }) =>
      valid && constraint !== null && columns.every((column) => column !== null && filled.has(column)),
  );
  if (key === undefined) return null;
  const columns = key.columns.flatMap((column) => column ?? []);
  return columns.includes(table.keyColumn) ? columns : [...columns, table.keyColumn];
}
