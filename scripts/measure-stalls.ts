/**
 * Measures on all supported versions of PostgreSQL how long the application waits for each operation, and writes the
 * table of it in docs/safety.md anew; with the name of a file, from what the tests have noted there (STALL_RESULTS).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startVitest } from 'vitest/node';
import { postgresVersions } from '../support/embedded-server.ts';
import type { Measured } from '../test/support/stall.ts';
import { replaceSection } from './sections.ts';

const SAFETY = fileURLToPath(new URL('../docs/safety.md', import.meta.url));

/** Those that note what they measure. */
const TESTS = [
  'test/integration/stall.test.ts',
  'test/integration/convert/stall.test.ts',
  'test/integration/convert/copy-stall.test.ts',
];

/** Plays all operations on all versions; what was measured, as lines of JSON. */
async function measure(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-stalls-'));
  try {
    const results = join(folder, 'results');
    Object.assign(process.env, { PG_MATRIX: 'all', STALL_RESULTS: results });
    const vitest = await startVitest(TESTS, { run: true, watch: false });
    await vitest.close();
    return readFileSync(results, 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [earlier] = process.argv.slice(2);
const lines = earlier === undefined ? await measure() : readFileSync(earlier, 'utf8');
const measured = lines
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Measured);

const withOrWithout = (has: boolean): string => (has ? 'with' : 'without');
const cases = [
  ...new Map(
    measured.map(({ operation, defaultPartition, foreignKeys }) => [
      [operation, withOrWithout(defaultPartition), withOrWithout(foreignKeys)].join(' | '),
      { operation, defaultPartition, foreignKeys },
    ]),
  ),
].toSorted(([a], [b]) => a.localeCompare(b));

const longest = (some: readonly Measured[], of: 'milliseconds' | 'before'): string =>
  some.length === 0 ? '' : String(Math.round(Math.max(...some.map((one) => one[of]))));

const rows = cases.map(([title, one]) => {
  const figures = postgresVersions.map((version) =>
    longest(
      measured.filter(
        (candidate) =>
          candidate.version === version &&
          candidate.operation === one.operation &&
          candidate.defaultPartition === one.defaultPartition &&
          candidate.foreignKeys === one.foreignKeys,
      ),
      'milliseconds',
    ),
  );
  return `| ${[title, ...figures].join(' | ')} |`;
});
const before = postgresVersions.map((version) =>
  longest(
    measured.filter((one) => one.version === version),
    'before',
  ),
);
const table = [
  `| operation | default partition | foreign keys | ${postgresVersions.join(' | ')} |`,
  `| --- | --- | --- | ${postgresVersions.map(() => '---:').join(' | ')} |`,
  ...rows,
  `| nothing, before the operations began | | | ${before.join(' | ')} |`,
].join('\n');
writeFileSync(SAFETY, replaceSection(readFileSync(SAFETY, 'utf8'), 'stalls', table));
console.log(table);
