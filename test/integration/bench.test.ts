import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BENCHES } from '../../bench/benches.ts';
import type { BenchOptions, Cell } from '../../bench/frame/model.ts';
import { writeResult } from '../../bench/frame/results.ts';
import { formatCell, toText } from '../../bench/frame/table.ts';

const TOY: BenchOptions = { runs: 1, scale: 1, toy: true, download: false, say: () => {} };

/** Of each benchmark a few rows that are there whatever can be had, by a part of their first two cells. */
const ROWS: Readonly<Record<string, readonly string[]>> = {
  stall: ['nothing', 'Partition Keeper', 'plain DDL', "strategy document's functions"],
  scale: ['bare', 'Partition Keeper', 'plain DDL', "strategy document's functions", 'command line'],
  strategy: ['recent rows', 'report of a month', 'pruning', 'retention', 'index rebuild'],
  conversion: ['nothing', 'INSERT', '--strategy copy', '--undo', '--strategy attach', '--strategy split'],
  lambda: ['empty', 'create-partitions', 'cleanup-partitions', 'check-health', 'no bundle'],
  cli: ['node -e 0', '--version', 'validate', 'plan', 'health'],
};

const isMeasured = (cell: Cell): boolean => typeof cell === 'object' && cell !== null && cell.median > 0;

test('every benchmark is tried out here', () => {
  expect(BENCHES.map(({ name }) => name).toSorted()).toEqual(Object.keys(ROWS).toSorted());
});

test.each(BENCHES)('$name measures at toy size, and its results come out', async ({ name, run }) => {
  const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { versions, ...findings } = await run(TOY);
  const result = {
    bench: name,
    conditions: { date: '2026-11-26', machine: 'some machine', versions, command: 'npm test', beside: null },
    ...findings,
  };
  writeResult(folder, result);

  expect(result.tables.length).toBeGreaterThan(0);
  for (const table of result.tables) {
    const labels = table.rows.map((row) => `${formatCell(row[0] ?? null)} ${formatCell(row[1] ?? null)}`);
    for (const wanted of ROWS[name] ?? []) {
      const place = labels.findIndex((label) => label.includes(wanted));
      expect(place, `a row of ${wanted} among ${labels.join('; ')}`).toBeGreaterThanOrEqual(0);
      expect(table.rows[place]?.some(isMeasured), `${wanted} has a figure`).toBe(true);
    }
    for (const row of table.rows) expect(row.length).toBeLessThanOrEqual(table.columns.length);
    expect(toText(table)).toContain(table.title);
  }
  expect(JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(result)),
  );
  const page = readFileSync(join(folder, `${name}.md`), 'utf8');
  expect(result.charts.length).toBeGreaterThan(0);
  for (const chart of result.charts) {
    const file = `${name}-${chart.name}.svg`;
    expect(existsSync(join(folder, file))).toBe(true);
    expect(page).toContain(`(./${file})`);
  }
});
