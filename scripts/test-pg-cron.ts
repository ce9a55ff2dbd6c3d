/**
 * Runs test/pg-cron on a server with the extension pg_cron: one that is installed as Debian and Ubuntu do it, else
 * their packages, unpacked into a temporary folder, which takes no root. Where they cannot be downloaded, says so and
 * ends well; anything else that is wrong with them is a failure. Further arguments go to Vitest.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGED_VERSIONS, unpackPackages } from '../support/debian-packages.ts';
import type { PostgresVersion } from '../support/embedded-server.ts';
import { runTests, sayNotRun } from './extension-tests.ts';

const run = promisify(execFile);

interface Found {
  readonly version: PostgresVersion;
  /** With bin and lib. */
  readonly native: string;
}

const nativeIn = (root: string, version: PostgresVersion): string =>
  join(root, 'usr/lib/postgresql', String(version));

function findIn(root: string): Found | undefined {
  for (const version of PACKAGED_VERSIONS) {
    const native = nativeIn(root, version);
    if (['bin/postgres', 'lib/pg_cron.so'].every((file) => existsSync(join(native, file))))
      return { version, native };
  }
  return undefined;
}

/** The packages of the first version that apt has both for; undefined if they cannot be downloaded. */
async function unpackInto(folder: string): Promise<Found | undefined> {
  for (const version of PACKAGED_VERSIONS) {
    const packages = [`postgresql-${version}`, `postgresql-${version}-cron`];
    if (!(await unpackPackages(packages, folder))) continue;
    const { stdout } = await run('ldd', [join(nativeIn(folder, version), 'bin/postgres')]);
    if (stdout.includes('not found'))
      throw new Error(`libraries are missing: ${stdout.match(/\S+(?= => not found)/g)?.join(', ')}`);
    const found = findIn(folder);
    if (found === undefined) throw new Error(`${packages.join(' and ')} bring no server with pg_cron`);
    return found;
  }
  return undefined;
}

const folder = await mkdtemp(join(tmpdir(), 'partition-keeper-pg-cron-'));
let exitCode = 0;
try {
  // The server may run as another user.
  await chmod(folder, 0o755);
  const found = findIn('/') ?? (await unpackInto(folder));
  if (found === undefined) {
    await sayNotRun('the jobs under pg_cron: apt-get cannot download packages of it');
  } else {
    Object.assign(process.env, { PG_CRON_NATIVE: found.native, PG_CRON_VERSION: String(found.version) });
    exitCode = await runTests('test/pg-cron/vitest.config.ts');
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit(exitCode);
