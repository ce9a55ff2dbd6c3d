/** What the scripts share that run tests with an extension which comes in a package of Debian or Ubuntu. */
import { parseCLI, startVitest } from 'vitest/node';

/** Runs the tests of a config of Vitest, with the further arguments of this process; the exit code. */
export async function runTests(config: string): Promise<number> {
  const { filter, options } = parseCLI(['vitest', 'run', '--config', config, ...process.argv.slice(2)]);
  const vitest = await startVitest(filter, options);
  await vitest.close();
  return Number(process.exitCode ?? 0);
}
