/** What the scripts share that run tests with an extension which comes in a package of Debian or Ubuntu. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { parseCLI, startVitest } from 'vitest/node';

const run = promisify(execFile);

/** Debian 12 has 15, Debian 13 has 17, Ubuntu 24.04 has 16. */
export const VERSIONS = [15, 17, 16, 18, 14] as const;

/** Unpacks packages into the folder, which takes no root; false if apt has not all of them. */
export async function unpackPackages(names: readonly string[], folder: string): Promise<boolean> {
  try {
    await run('apt-get', ['download', ...names], { cwd: folder });
  } catch {
    return false;
  }
  for (const file of await readdir(folder)) {
    if (file.endsWith('.deb')) await run('dpkg-deb', ['-x', file, folder], { cwd: folder });
  }
  return true;
}

/** Runs the tests of a config of Vitest, with the further arguments of this process; the exit code. */
export async function runTests(config: string): Promise<number> {
  const { filter, options } = parseCLI(['vitest', 'run', '--config', config, ...process.argv.slice(2)]);
  const vitest = await startVitest(filter, options);
  await vitest.close();
  return Number(process.exitCode ?? 0);
}
