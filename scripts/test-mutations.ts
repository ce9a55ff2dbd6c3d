/**
 * Makes mistakes in the source, one at a time in a copy of it, and shows for each the tests that notice. Fails when
 * one passes unnoticed, or when the tests fail without a mistake. With --write, the list in docs/safety.md is
 * written anew; without, it must be up to date.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EmbeddedServer, startEmbeddedServer, stopOnSignals } from '../support/embedded-server.ts';
import { MUTATIONS, type Mutation } from '../test/mutations/mutations.ts';
import { replaceSection } from './sections.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const SAFETY = join(root, 'docs/safety.md');
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', 'cdk.out', 'coverage']);

/** A copy of the working tree, with its packages. */
async function copyTree(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'partition-keeper-mutations-'));
  await cp(root, copy, {
    recursive: true,
    filter: (path) => path === root || !LEFT_OUT.has(basename(path)),
  });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

interface Outcome {
  readonly passed: number;
  /** Names of the tests that failed. */
  readonly failed: readonly string[];
  /** What they said. */
  readonly messages: readonly string[];
}

interface JsonReport {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/** Runs tests of one file. Throws when they could not be run at all. */
async function runTests(
  copy: string,
  server: EmbeddedServer,
  { caughtBy, only }: Pick<Mutation, 'caughtBy' | 'only'>,
): Promise<Outcome> {
  const outputFile = join(copy, 'tests.json');
  await rm(outputFile, { force: true });
  const args = ['run', caughtBy, '--reporter=json', `--outputFile=${outputFile}`];
  const vitest = spawn(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), ...args, ...(only === undefined ? [] : ['-t', only])],
    {
      cwd: copy,
      // The same lives of a table are told with and without the mistake; chance has its turn in the tests themselves.
      env: { ...process.env, TEST_DATABASE_URL: server.url, RETENTION_SEED: '20260101' },
      stdio: 'ignore',
    },
  );
  await once(vitest, 'exit');
  const { testResults } = JSON.parse(await readFile(outputFile, 'utf8')) as JsonReport;
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failures = tests.filter(({ status }) => status === 'failed');
  const outcome = {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: failures.map(({ fullName }) => fullName),
    messages: failures.flatMap(({ failureMessages }) => failureMessages ?? []),
  };
  if (outcome.passed + outcome.failed.length === 0)
    throw new Error(`No test of ${caughtBy} was run: ${testResults.map(({ message }) => message).join(' ')}`);
  return outcome;
}

/** Makes the mistake, runs the tests, and puts the file right again. */
async function tryMutation(copy: string, server: EmbeddedServer, mutation: Mutation): Promise<Outcome> {
  const file = join(copy, mutation.file);
  const source = await readFile(file, 'utf8');
  if (source.split(mutation.from).length !== 2)
    throw new Error(`${mutation.file} does not have this place exactly once: ${mutation.from}`);
  await writeFile(
    file,
    source.replace(mutation.from, () => mutation.to),
  );
  try {
    return await runTests(copy, server, mutation);
  } finally {
    await writeFile(file, source);
  }
}

const row = ({ mistake, caughtBy }: Mutation): string =>
  `| ${mistake} | \`${caughtBy.replace('test/', '')}\` |`;

const table = ['| mistake | caught by |', '| --- | --- |', ...MUTATIONS.map(row)].join('\n');

const [flag, ...words] = process.argv.slice(2);
const write = flag === '--write';
const wanted = flag === undefined || write ? '' : [flag, ...words].join(' ');
const chosen = MUTATIONS.filter(({ mistake }) => mistake.includes(wanted));

const server = await startEmbeddedServer();
stopOnSignals(server);
const copy = await copyTree();
let unnoticed = 0;
try {
  const tried = new Set<string>();
  for (const mutation of chosen) {
    const { caughtBy, only = '' } = mutation;
    if (!tried.has(`${caughtBy} ${only}`)) {
      const { failed, messages } = await runTests(copy, server, mutation);
      if (failed.length > 0)
        throw new Error(`Fails without a mistake: ${failed.join('; ')}\n${messages.join('\n')}`);
      tried.add(`${caughtBy} ${only}`);
    }
    const { failed } = await tryMutation(copy, server, mutation);
    if (failed.length === 0) unnoticed++;
    console.log(`${failed.length === 0 ? 'UNNOTICED' : 'caught   '}  ${mutation.mistake}`);
    for (const name of failed) console.log(`             ${name}`);
  }
} finally {
  await rm(copy, { recursive: true, force: true });
  await server.stop();
}

const safety = await readFile(SAFETY, 'utf8');
const renewed = replaceSection(safety, 'mutations', table);
if (write) await writeFile(SAFETY, renewed);
const stale = !write && renewed !== safety;
if (stale) console.error('docs/safety.md is not up to date: npm run test:mutations -- --write');
console.log(`${chosen.length - unnoticed} of ${chosen.length} mistakes are caught.`);
process.exitCode = unnoticed > 0 || stale ? 1 : 0;
