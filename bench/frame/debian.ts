import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { mustRun } from './program.ts';

/** Unpacks packages of Debian into a folder of ours; nothing is installed. Throws where apt is not there or has none. */
export async function debianPackages(
  name: string,
  packages: readonly string[],
  download: boolean,
): Promise<string> {
  return await cached(name, download, async (folder) => {
    await mustRun('apt-get', ['download', ...packages], { cwd: folder });
    for (const file of readdirSync(folder).filter((one) => one.endsWith('.deb'))) {
      await mustRun('dpkg-deb', ['-x', join(folder, file), folder]);
    }
  });
}
