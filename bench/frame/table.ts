import Table3 from 'cli-table3';
import type { Cell, Column, Figure, Table, Unit } from './model.ts';

/** Three significant digits are more than measurements on a busy machine tell. */
export function formatNumber(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return Number(value.toFixed(Math.min(digits, 6))).toLocaleString('en-US', { maximumFractionDigits: 6 });
}

const withUnit = (text: string, unit: Unit | undefined): string =>
  unit === 'times' ? `${text}x` : unit === 'USD' ? `$${text}` : text;

export const formatFigure = ({ median, min, max, runs }: Figure): string =>
  runs === 1 || min === max
    ? formatNumber(median)
    : `${formatNumber(median)} (${formatNumber(min)} to ${formatNumber(max)})`;

export function formatCell(cell: Cell, unit?: Unit): string {
  if (cell === null) return '';
  if (typeof cell === 'string') return cell;
  return withUnit(typeof cell === 'number' ? formatNumber(cell) : formatFigure(cell), unit);
}

const headOf = ({ title, unit }: Column): string =>
  unit === undefined || unit === 'times' || unit === 'USD' || unit === 'count' ? title : `${title}, ${unit}`;

const cellsOf = (table: Table): string[][] =>
  table.rows.map((row) => table.columns.map(({ unit }, place) => formatCell(row[place] ?? null, unit)));

/** For documents. */
export function toMarkdown(table: Table): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [
    line(table.columns.map(headOf)),
    line(table.columns.map(({ unit }) => (unit === undefined ? '---' : '---:'))),
    ...cellsOf(table).map(line),
  ].join('\n');
}

/** For a terminal. */
export function toText(table: Table): string {
  const drawn = new Table3({
    head: table.columns.map(headOf),
    colAligns: table.columns.map(({ unit }) => (unit === undefined ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  drawn.push(...cellsOf(table));
  return `${table.title}\n${drawn.toString()}`;
}
