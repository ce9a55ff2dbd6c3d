/** What the scripts share that run tests with an extension which comes in a package of Debian or Ubuntu. */
import { appendFile } from 'node:fs/promises';
import { parseCLI, startVitest } from 'vitest/node';

/** Runs the tests of a config of Vitest, with the further arguments of this process; the exit code. */
export async function runTests(config: string): Promise<number> {
  const { filter, options } = parseCLI(['vitest', 'run', '--config', config, ...process.argv.slice(2)]);
  const vitest = await startVitest(filter, options);
  await vitest.close();
  return Number(process.exitCode ?? 0);
}

/** Says what cannot be run here; where `.ci/run` wants to know, it says so again at its end. */
export async function sayNotRun(what: string): Promise<void> {
  const line = `Not run here: ${what}`;
  console.log(line);
  const { NOT_RUN } = process.env;
  if (NOT_RUN !== undefined) await appendFile(NOT_RUN, `${line}\n`);
}
