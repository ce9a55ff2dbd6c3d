import { withoutControls } from '../../partition/legible.ts';

/** Statements of others are laid out in lines; for a look at them, one line will do. */
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** A report as people may see it: nothing in its texts moves the cursor, begins a line or turns the direction of text. */
export const legible = <Report>(report: Report): Report =>
  JSON.parse(
    JSON.stringify(report, (key, value: unknown) =>
      typeof value === 'string' ? withoutControls(key === 'query' ? oneLine(value) : value) : value,
    ),
  );
