/**
 * Runs test/pg-partman with the functions of pg_partman: those in the file PG_PARTMAN_SQL, else those installed here
 * as Debian and Ubuntu do it, else those of their package, unpacked into a temporary folder. Where that cannot be
 * downloaded, says so and ends well; anything else that is wrong with it is a failure. Further arguments go to Vitest.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGED_VERSIONS, unpackPackages } from '../support/debian-packages.ts';
import { runTests, sayNotRun } from './extension-tests.ts';

/** The script that makes the version the extension has by default. */
async function findIn(root: string): Promise<string | undefined> {
  for (const version of PACKAGED_VERSIONS) {
    const folder = join(root, 'usr/share/postgresql', String(version), 'extension');
    const control = join(folder, 'pg_partman.control');
    if (!existsSync(control)) continue;
    const release = /default_version = '([^']+)'/.exec(await readFile(control, 'utf8'))?.[1];
    const file = join(folder, `pg_partman--${release}.sql`);
    if (existsSync(file)) return file;
  }
  return undefined;
}

/** Their package for the first version that apt has one for; undefined if none can be downloaded. */
async function unpackInto(folder: string): Promise<string | undefined> {
  for (const version of PACKAGED_VERSIONS) {
    const name = `postgresql-${version}-partman`;
    if (!(await unpackPackages([name], folder))) continue;
    const found = await findIn(folder);
    if (found === undefined) throw new Error(`${name} brings no functions of pg_partman`);
    return found;
  }
  return undefined;
}

const folder = await mkdtemp(join(tmpdir(), 'partition-keeper-pg-partman-'));
let exitCode = 0;
try {
  const file = process.env['PG_PARTMAN_SQL'] ?? (await findIn('/')) ?? (await unpackInto(folder));
  if (file === undefined) {
    await sayNotRun('taking tables over from pg_partman: apt-get cannot download packages of it');
  } else {
    process.env['PG_PARTMAN_SQL'] = file;
    exitCode = await runTests('test/pg-partman/vitest.config.ts');
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exit(exitCode);
