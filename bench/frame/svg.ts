import type { BarChart, Chart, LineChart, Unit } from './model.ts';
import { formatFigure, formatNumber } from './table.ts';

const WIDTH = 880;
const LINE_HEIGHT = 26;
const COLOURS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;

const coloured = (values: readonly string[]): string =>
  COLOURS.map((name, place) => `  .${name} { fill: ${values[place]}; stroke: ${values[place]} }`).join('\n');

/** A panel of its own colour, so that the text can be read on whatever page shows it. */
const STYLE = `
  .panel { fill: #ffffff } text { fill: #24292f; font: 12px system-ui, sans-serif } .title { font-weight: 600; font-size: 14px }
  .axis { stroke: #d0d7de } .spread { stroke: #24292f } .quiet { fill: #57606a }
${coloured(['#0969da', '#bc4c00', '#1a7f37', '#8250df', '#bf3989', '#9a6700', '#57606a', '#0e8a8a'])}
  .bar, .dot { stroke: none } .line { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    .panel { fill: #0d1117 } text { fill: #e6edf3 } .axis { stroke: #30363d } .spread { stroke: #e6edf3 } .quiet { fill: #9da7b3 }
${coloured(['#58a6ff', '#ff9b5e', '#3fb950', '#bc8cff', '#ff7bbd', '#e3b341', '#9da7b3', '#39c5cf'])}
    .line { fill: none }
  }`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const text = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(content)}</text>`;

const round = (value: number): number => Math.round(value * 10) / 10;

/** The powers of ten that enclose the values. */
export function decades(values: readonly number[]): { readonly from: number; readonly to: number } {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return { from: 0, to: 1 };
  const from = Math.floor(Math.log10(Math.min(...positive)));
  return { from, to: Math.max(from + 1, Math.ceil(Math.log10(Math.max(...positive)))) };
}

/** Where a value lies between two ends of a logarithmic axis. */
const logarithmic =
  ({ from, to }: { readonly from: number; readonly to: number }, start: number, end: number) =>
  (value: number): number =>
    value <= 0 ? start : start + ((Math.log10(value) - from) / (to - from)) * (end - start);

const named = (unit: Unit): string => (unit === 'times' ? 'times' : unit === 'count' ? '' : unit);

function panel(title: string, height: number, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}
</style>
<rect class="panel" width="${WIDTH}" height="${height}" rx="6"/>
${[text(16, 24, title, 'class="title"'), ...body].join('\n')}
</svg>
`;
}

const powers = ({ from, to }: { readonly from: number; readonly to: number }): number[] =>
  Array.from({ length: to - from + 1 }, (_, place) => 10 ** (from + place));

function drawBars({ title, unit, bars }: BarChart): string {
  const figures = bars.flatMap(({ figure }) => (figure === null ? [] : [figure]));
  const range = decades(figures.flatMap(({ median, min, max }) => [median, min, max]));
  const [left, right, top] = [370, WIDTH - 160, 40];
  const bottom = top + bars.length * LINE_HEIGHT;
  const x = logarithmic(range, left, right);
  const axis = powers(range).flatMap((power) => [
    `<line class="axis" x1="${round(x(power))}" x2="${round(x(power))}" y1="${top}" y2="${bottom}"/>`,
    text(x(power), bottom + 16, formatNumber(power), 'class="quiet" text-anchor="middle"'),
  ]);
  const drawn = bars.flatMap(({ label, figure, note }, place) => {
    const y = top + place * LINE_HEIGHT + LINE_HEIGHT / 2;
    const name = text(left - 8, y + 4, label, 'text-anchor="end"');
    if (figure === null) return [name, text(left + 4, y + 4, note ?? 'not measured', 'class="quiet"')];
    const end = Math.max(x(figure.median), left + 1);
    return [
      name,
      `<rect class="bar ${COLOURS[0]}" x="${left}" y="${y - 8}" width="${round(end - left)}" height="16" rx="2"/>`,
      `<line class="spread" x1="${round(x(figure.min))}" x2="${round(x(figure.max))}" y1="${y}" y2="${y}"/>`,
      text(Math.max(end, x(figure.max)) + 6, y + 4, formatFigure(figure)),
    ];
  });
  const legend = text(
    left,
    bottom + 34,
    `${named(unit)}, logarithmic; median and spread (least to most)`,
    'class="quiet"',
  );
  return panel(title, bottom + 46, [...axis, ...drawn, legend]);
}

function drawLines({ title, unit, xTitle, lines }: LineChart): string {
  const points = lines.flatMap((line) => line.points);
  const [xRange, yRange] = [decades(points.map(([x]) => x)), decades(points.map(([, y]) => y))];
  const [left, right, top, bottom] = [70, WIDTH - 240, 60, 360];
  const [x, y] = [logarithmic(xRange, left, right), logarithmic(yRange, bottom, top)];
  const axes = [
    ...powers(xRange).flatMap((power) => [
      `<line class="axis" x1="${round(x(power))}" x2="${round(x(power))}" y1="${top}" y2="${bottom}"/>`,
      text(x(power), bottom + 16, formatNumber(power), 'class="quiet" text-anchor="middle"'),
    ]),
    ...powers(yRange).flatMap((power) => [
      `<line class="axis" x1="${left}" x2="${right}" y1="${round(y(power))}" y2="${round(y(power))}"/>`,
      text(left - 6, y(power) + 4, formatNumber(power), 'class="quiet" text-anchor="end"'),
    ]),
    text((left + right) / 2, bottom + 36, `${xTitle}, logarithmic`, 'class="quiet" text-anchor="middle"'),
    text(16, 42, `${named(unit)}, logarithmic`, 'class="quiet"'),
  ];
  const drawn = lines.flatMap((line, place) => {
    const colour = COLOURS[place % COLOURS.length];
    const corners = line.points.map(([px, py]) => `${round(x(px))},${round(y(py))}`);
    const legendY = top + 10 + place * 20;
    return [
      `<polyline class="line ${colour}" points="${corners.join(' ')}"/>`,
      ...line.points.map(
        ([px, py]) => `<circle class="dot ${colour}" cx="${round(x(px))}" cy="${round(y(py))}" r="3.5"/>`,
      ),
      `<rect class="bar ${colour}" x="${right + 16}" y="${legendY - 9}" width="12" height="10"/>`,
      text(right + 34, legendY, line.label),
    ];
  });
  return panel(title, bottom + 52, [...axes, ...drawn]);
}

/** The chart as an SVG document that suits light and dark pages. */
export const draw = (chart: Chart): string => (chart.kind === 'bars' ? drawBars(chart) : drawLines(chart));
