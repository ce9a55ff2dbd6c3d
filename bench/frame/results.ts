import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replaceSection } from '../../scripts/sections.ts';
import type { Result } from './model.ts';
import { toPage } from './page.ts';
import { draw } from './svg.ts';

/** Where results that count are kept, and the document that shows them. */
export const RESULTS = fileURLToPath(new URL('../results', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

/** Writes a result as JSON, its charts, and a page with both. What an earlier run has left of them goes. */
export function writeResult(folder: string, result: Result): void {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${result.bench}-`) || name.startsWith(`${result.bench}.`))
      rmSync(join(folder, name));
  }
  const write = (name: string, content: string): void => writeFileSync(join(folder, name), content);
  write(`${result.bench}.json`, `${JSON.stringify(result, null, 2)}\n`);
  write(`${result.bench}.md`, `# ${result.bench}\n\n${toPage(result, '.')}\n`);
  for (const chart of result.charts) write(`${result.bench}-${chart.name}.svg`, draw(chart));
}

/** Writes the latest results of the benchmarks into the document; those that have none keep what is there. */
export function updateDocument(benches: readonly string[]): void {
  const text = benches.reduce(
    (document, bench) => {
      const file = join(RESULTS, `${bench}.json`);
      if (!existsSync(file)) return document;
      const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
      return replaceSection(document, bench, toPage(result, '../bench/results'));
    },
    readFileSync(DOCUMENT, 'utf8'),
  );
  writeFileSync(DOCUMENT, text);
}
