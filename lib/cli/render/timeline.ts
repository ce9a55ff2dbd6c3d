import type { Coverage, CoverageCell } from '../../contract.ts';
import type { Style } from './style.ts';
import { dayText } from './text.ts';

type State = CoverageCell['state'];

const GLYPHS: Record<State, string> = {
  expired: 'x',
  past: '█',
  current: '▓',
  future: '░',
  missing: '!',
  beyond: '·',
  'detach-pending': '?',
};

const colour = (style: Style, state: State): ((text: string) => string) => {
  switch (state) {
    case 'missing':
    case 'detach-pending':
      return style.red;
    case 'expired':
      return style.yellow;
    case 'current':
      return style.cyan;
    case 'future':
      return style.green;
    default:
      return (text) => text;
  }
};

/** When several intervals share a column, the one most worth seeing wins. */
const URGENCY: readonly State[] = [
  'missing',
  'detach-pending',
  'current',
  'expired',
  'past',
  'future',
  'beyond',
];

const worst = (cells: readonly CoverageCell[]): State =>
  URGENCY.find((state) => cells.some((cell) => cell.state === state)) ?? 'beyond';

/** The cells squeezed into at most `width` columns, evenly. */
function squeeze(cells: readonly CoverageCell[], width: number): State[] {
  const perColumn = Math.max(1, Math.ceil(cells.length / width));
  const states: State[] = [];
  for (let start = 0; start < cells.length; start += perColumn)
    states.push(worst(cells.slice(start, start + perColumn)));
  return states;
}

function paint(states: readonly State[], style: Style): string {
  return states.map((state) => colour(style, state)(GLYPHS[state])).join('');
}

/** A pointer below the column of now, with the runway beside it. */
function pointer(states: readonly State[], indent: number, runwayDays: number): string {
  const current = states.indexOf('current');
  const at = current === -1 ? states.indexOf('missing') : current;
  if (at === -1) return '';
  const label = current === -1 ? 'missing' : `now, ${Math.floor(runwayDays)} days covered ahead`;
  const start = indent + at;
  const fitsBefore = start > label.length;
  return fitsBefore
    ? `${' '.repeat(start - label.length - 1)}${label} ^\n`
    : `${' '.repeat(start)}^ ${label}\n`;
}

/** One line of the calendar from the oldest partition to the newest, and where now is. */
export function timeline(coverage: Coverage, runwayDays: number, style: Style, width: number): string {
  const first = coverage.cells[0];
  const last = coverage.cells.at(-1);
  if (first === undefined || last === undefined) return '';
  const ends = coverage.partitions.filter(({ isDefault }) => !isDefault);
  const before = ends.some((partition) => partition.from !== null && partition.from < first.from);
  const after = ends.some((partition) => partition.to !== null && partition.to > last.to);
  // An ellipsis says that there are partitions beyond the line.
  const from = (before ? '... ' : '') + dayText(first.from, '');
  const to = dayText(last.to, '') + (after ? ' ...' : '');
  const states = squeeze(coverage.cells, Math.max(20, width - from.length - to.length - 6));
  return `  ${style.dim(from)} ${paint(states, style)} ${style.dim(to)}\n${pointer(states, from.length + 3, runwayDays)}`;
}

export function legend(style: Style): string {
  const entries: readonly [State, string][] = [
    ['expired', 'past retention'],
    ['past', 'kept'],
    ['current', 'current'],
    ['future', 'ready'],
    ['missing', 'missing'],
    ['detach-pending', 'detach pending'],
    ['beyond', 'not needed'],
  ];
  return `  ${entries.map(([state, text]) => `${colour(style, state)(GLYPHS[state])} ${text}`).join('   ')}\n`;
}
