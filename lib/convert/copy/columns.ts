import type { ReportError } from '../../contract.ts';
import { displayIdentifier, displayName, quoteIdentifier } from '../../partition/identifiers.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import type { LegacyTable } from '../model.ts';

/**
 * The table with no other columns than those of the other one: what it can follow in, and be compared by. Somebody may
 * have changed the columns of one of them since they changed places.
 */
export function sharing(table: LegacyTable, other: LegacyTable): LegacyTable {
  const types = new Map(other.columns.map(({ name, type }) => [name, type]));
  return {
    ...table,
    template: {
      ...table.template,
      columns: table.template.columns.filter((column) => other.template.columns.includes(column)),
    },
    columns: table.columns.filter(({ name, type }) => types.get(name) === type),
  };
}

/** In what the columns of a table that has been replaced are no longer those of the one in use, in words. */
export function columnDifferences(table: LegacyTable, other: LegacyTable): string[] {
  const here = new Map(table.columns.map(({ name, type }) => [name, type]));
  const there = new Map(other.columns.map(({ name, type }) => [name, type]));
  const also = `which ${displayName(table.schema, table.name)} has`;
  return [
    ...table.columns.flatMap(({ name, type }) => {
      const its = there.get(name);
      if (its === type) return [];
      return its === undefined
        ? [`no column ${displayIdentifier(name)}, ${also}`]
        : [`the column ${displayIdentifier(name)} as ${its}, ${also} as ${type}`];
    }),
    ...other.columns.flatMap(({ name }) =>
      here.has(name) ? [] : [`a column ${displayIdentifier(name)}, ${also} no more`],
    ),
  ];
}

/** Why the table that was replaced cannot take its place again. */
export function columnsDiffer(table: LegacyTable, other: LegacyTable): ReportError | null {
  const differences = columnDifferences(table, other);
  if (differences.length === 0) return null;
  const missing = table.columns.filter(({ name }) => !other.columns.some((one) => one.name === name));
  const example = missing
    .slice(0, 1)
    .map(({ name, type }) => ` (ALTER TABLE ${nameOf(other)} ADD COLUMN ${quoteIdentifier(name)} ${type};)`);
  return {
    code: 'columns-differ',
    message: `${displayName(other.schema, other.name)} has ${differences.join(', and ')}.`,
    hint: `Give it the same columns${example.join('')} and repeat the command, which takes their values over; or keep the conversion, with --finish. Nothing has been undone.`,
  };
}
