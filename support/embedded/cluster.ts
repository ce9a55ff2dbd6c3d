import { appendFile, chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { logTail, type Surroundings, startProgram } from './process.ts';
import type { OsUser } from './user.ts';

/** Who has all rights in a new cluster. */
export interface Superuser {
  readonly name: string;
  readonly password: string;
}

/** Certificate and private key of a server, as PEM texts. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a new database cluster in `dataDir`: UTF-8, with the C locale, which every machine has and which keeps the
 * server's messages in English, and with passwords. Throws with the output of initdb if that fails.
 */
export async function createCluster(
  initdb: string,
  surroundings: Surroundings,
  dataDir: string,
  { name, password }: Superuser,
): Promise<void> {
  const passwordFile = join(surroundings.folder, 'password');
  await writeFor(surroundings.user, passwordFile, `${password}\n`);
  const program = await startProgram(
    initdb,
    [
      `--pgdata=${dataDir}`,
      `--username=${name}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    surroundings,
  );
  if ((await program.exited) !== 0) throw new Error(`initdb failed:\n${await logTail(surroundings)}`);
}

/** Adds settings to the server's configuration; with a certificate, also those that switch TLS on. */
export async function configureCluster(
  dataDir: string,
  user: OsUser | undefined,
  settings: Readonly<Record<string, string>>,
  certificate: ServerCertificate | undefined,
): Promise<void> {
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replace(/['\\]/g, '$&$&')}'`,
  );
  if (certificate !== undefined) {
    await writeFor(user, join(dataDir, 'server.crt'), certificate.cert);
    await writeFor(user, join(dataDir, 'server.key'), certificate.key);
    lines.push('ssl = on');
  }
  await appendFile(join(dataDir, 'postgresql.conf'), `${lines.join('\n')}\n`);
}

/** Writes a file that only its owner may read, and makes that the user of the server. */
async function writeFor(user: OsUser | undefined, file: string, content: string): Promise<void> {
  await writeFile(file, content, { mode: 0o600 });
  if (user !== undefined) await chown(file, user.uid, user.gid);
}
