/**
 * Measures: npm run bench, or npm run bench -- <name> for one benchmark. Prints tables, keeps results and charts in
 * bench/results and shows them in docs/performance.md.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BENCHES } from './benches.ts';
import { conditionsOf } from './frame/conditions.ts';
import type { BenchOptions } from './frame/model.ts';
import { RESULTS, updateDocument, writeResult } from './frame/results.ts';
import { toText } from './frame/table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    toy: { type: 'boolean', default: false },
    'no-download': { type: 'boolean', default: false },
    beside: { type: 'string' },
    to: { type: 'string' },
    page: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const USAGE = `npm run bench -- [name ...] [options]

${BENCHES.map(({ name, question }) => `  ${name.padEnd(12)}${question}`).join('\n')}

  --runs <n>       how often each thing is measured (default 5)
  --scale <share>  amount of data, beside the usual one (default 1)
  --toy            the smallest size, once: to try it out; results go to bench/results/toy
  --no-download    without peers that have to be fetched
  --beside <text>  what else this machine does meanwhile; kept with the results
  --to <folder>    keep the results there, and leave docs/performance.md as it is
  --page           only write docs/performance.md anew from the results that are there`;

function refuse(reason: string): never {
  console.error(`${reason}\n\n${USAGE}`);
  process.exit(2);
}

const runs = values.toy ? 1 : Number(values.runs);
const scale = Number(values.scale);
if (!Number.isInteger(runs) || runs < 1) refuse(`--runs ${values.runs} is no whole number above 0.`);
if (!(scale > 0 && scale <= 100)) refuse(`--scale ${values.scale} is not above 0 and at most 100.`);
const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) refuse(`There is no benchmark ${unknown.join(', ')}.`);
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const chosen = BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const options: BenchOptions = {
  runs,
  scale,
  toy: values.toy,
  download: !values['no-download'],
  say: (line) => console.error(line),
};
const folder = values.to ?? (values.toy ? join(RESULTS, 'toy') : RESULTS);
for (const bench of values.page ? [] : chosen) {
  options.say(`== ${bench.name}: ${bench.question}`);
  const command = [
    'npm run bench --',
    bench.name,
    `--runs ${runs}`,
    ...(scale === 1 ? [] : [`--scale ${scale}`]),
  ];
  const { versions, ...findings } = await bench.run(options);
  const conditions = conditionsOf(command.join(' '), versions, values.beside ?? null);
  const result = { bench: bench.name, conditions, ...findings };
  for (const table of result.tables) console.log(`\n${toText(table)}`);
  for (const remark of result.remarks) console.log(remark);
  writeResult(folder, result);
}
if (folder === RESULTS) updateDocument(BENCHES.map(({ name }) => name));
