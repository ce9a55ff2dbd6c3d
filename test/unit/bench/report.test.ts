import { describe, expect, test } from 'vitest';
import type { Chart, Result, Table } from '../../../bench/frame/model.ts';
import { toPage } from '../../../bench/frame/page.ts';
import { decades, draw } from '../../../bench/frame/svg.ts';
import { formatCell, formatNumber, toMarkdown, toText } from '../../../bench/frame/table.ts';

const table: Table = {
  title: 'Waits',
  columns: [{ title: 'what' }, { title: 'wait', unit: 'ms' }, { title: 'beside', unit: 'times' }],
  rows: [
    ['a | b', { median: 10.26, min: 9, max: 1234.5, runs: 5 }, 2],
    ['c', null, null],
  ],
};

const charts: readonly Chart[] = [
  {
    kind: 'bars',
    name: 'waits',
    title: 'Waits <of> all & "others"',
    unit: 'ms',
    bars: [
      { label: 'one', figure: { median: 10, min: 5, max: 20, runs: 5 } },
      { label: 'none', figure: { median: 0, min: 0, max: 0, runs: 5 } },
      { label: 'absent', figure: null, note: 'cannot be had' },
    ],
  },
  {
    kind: 'lines',
    name: 'growth',
    title: 'Growth',
    unit: 's',
    xTitle: 'partitions',
    lines: [
      {
        label: 'first',
        points: [
          [72, 0.1],
          [600, 1],
          [10_000, 20],
        ],
      },
      { label: 'second', points: [] },
    ],
  },
];

test.each([
  [0, '0'],
  [0.01234, '0.0123'],
  [4.14159, '4.14'],
  [41.4159, '41.4'],
  [314.159, '314'],
  [43_512.3, '43,512'],
])('the number %d is written %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test('cells show units that belong to the number, and the spread where there is one', () => {
  expect(formatCell(2, 'times')).toBe('2x');
  expect(formatCell(0.5, 'USD')).toBe('$0.5');
  expect(formatCell({ median: 2, min: 1, max: 3, runs: 5 }, 'ms')).toBe('2 (1 to 3)');
  expect(formatCell({ median: 2, min: 2, max: 2, runs: 1 }, 'ms')).toBe('2');
  expect(formatCell(null, 'ms')).toBe('');
});

test('a table for documents has its units in the head and survives bars in a text', () => {
  expect(toMarkdown(table).split('\n')).toEqual([
    '| what | wait, ms | beside |',
    '| --- | ---: | ---: |',
    '| a \\| b | 10.3 (9 to 1,235) | 2x |',
    '| c |  |  |',
  ]);
});

test('a table for the terminal has the title and all cells', () => {
  const text = toText(table);
  for (const part of ['Waits', 'wait, ms', '10.3 (9 to 1,235)', '2x']) expect(text).toContain(part);
});

describe('charts', () => {
  test('an axis encloses its values by powers of ten', () => {
    expect(decades([3, 40])).toEqual({ from: 0, to: 2 });
    expect(decades([10, 100])).toEqual({ from: 1, to: 2 });
    expect(decades([10])).toEqual({ from: 1, to: 2 });
    expect(decades([0])).toEqual({ from: 0, to: 1 });
  });

  test.each(charts)('$name is a document for light and dark, without a number that is none', (chart) => {
    const svg = draw(chart);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    const tags = [...svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)];
    const open: string[] = [];
    for (const [, closing, name = '', empty] of tags) {
      if (closing) expect(open.pop()).toBe(name);
      else if (!empty) open.push(name);
    }
    expect(open).toEqual([]);
  });

  test('what could not be measured is told in its place, and titles cannot break the document', () => {
    const svg = draw(charts[0] as Chart);
    expect(svg).toContain('cannot be had');
    expect(svg).toContain('Waits &lt;of&gt; all &amp; &quot;others&quot;');
  });

  test('a longer time has a longer bar', () => {
    const bars = [1, 10, 100].map((median) => ({
      label: String(median),
      figure: { median, min: median, max: median, runs: 1 },
    }));
    const svg = draw({ kind: 'bars', name: 'n', title: 't', unit: 'ms', bars });
    const widths = [...svg.matchAll(/class="bar a"[^>]* width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    );
    expect(widths).toHaveLength(3);
    expect(widths).toEqual(widths.toSorted((a, b) => a - b));
    expect(new Set(widths).size).toBe(3);
  });
});

test('the page of a result tells when, where and how, and links its charts', () => {
  const result: Result = {
    bench: 'stall',
    conditions: {
      date: '2026-11-26',
      machine: '2 cores',
      versions: { 'Node.js': '24', pg_partman: '5.1.0' },
      command: 'npm run bench -- stall --runs 5',
      beside: 'a test suite',
    },
    remarks: ['A remark.'],
    tables: [table],
    charts,
  };
  const page = toPage(result, '../bench/results');
  expect(page).toContain(
    'Measured on 2026-11-26 with `npm run bench -- stall --runs 5`: 2 cores; Node.js 24, pg_partman 5.1.0. Meanwhile: a test suite.',
  );
  expect(page).toContain('**Waits**');
  expect(page).toContain('![Growth](../bench/results/stall-growth.svg)');
});
