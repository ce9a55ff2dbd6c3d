import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The majors of PostgreSQL in the order of who has them: Debian 12 has 15, Debian 13 has 17, Ubuntu 24.04 has 16. */
export const PACKAGED_VERSIONS = [15, 17, 16, 18, 14] as const;

/**
 * Fetches packages of Debian or Ubuntu and unpacks them into the folder: nothing is installed, and it takes no root.
 * False if apt is not there or cannot download all of them.
 * @throws when one that was downloaded cannot be unpacked
 */
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
