import { PACKAGED_VERSIONS, unpackPackages } from '../../support/debian-packages.ts';
import { cached } from './cache.ts';

/**
 * The folder with the packages for the first major version of PostgreSQL that apt has all of them for, unpacked.
 * Throws where it has none.
 */
export const debianFolder = (
  name: string,
  download: boolean,
  packagesFor: (major: number) => readonly string[],
): Promise<string> =>
  cached(name, download, async (folder) => {
    for (const major of PACKAGED_VERSIONS) {
      if (await unpackPackages(packagesFor(major), folder)) return;
    }
    throw new Error(`apt-get has no packages like ${packagesFor(PACKAGED_VERSIONS[0]).join(' and ')}`);
  });
