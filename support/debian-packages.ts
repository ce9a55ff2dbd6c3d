import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Fetches packages of Debian or Ubuntu and unpacks them into a folder; nothing is installed, and no root is needed.
 * Throws where apt is not there or does not have them.
 */
async function unpack(names: readonly string[], folder: string): Promise<void> {
  await run('apt-get', ['download', ...names], { cwd: folder });
  for (const file of await readdir(folder)) {
    if (file.endsWith('.deb')) await run('dpkg-deb', ['-x', file, '.'], { cwd: folder });
  }
}

/** The first of the lists of packages that apt has, unpacked into the folder. Throws where it has none. */
export async function unpackDebianPackages(
  lists: readonly (readonly string[])[],
  folder: string,
): Promise<void> {
  for (const names of lists) {
    try {
      await unpack(names, folder);
      return;
    } catch {
      // Another release of the system has another version.
    }
  }
  throw new Error(`apt-get has none of ${lists.map((names) => names.join(' and ')).join(', ')}`);
}
