import { readFile } from 'node:fs/promises';

/** An account of the operating system, in the words of `spawn`. */
export interface OsUser {
  readonly uid: number;
  readonly gid: number;
}

/** Accounts to run PostgreSQL under, best first: its own where a system has one, else the one without rights. */
const candidates = ['postgres', 'nobody'];

/**
 * The account PostgreSQL has to be run under, or undefined to run it as ourselves.
 * Only root needs another account, because PostgreSQL refuses to run as root.
 * Throws for root on a system with none of the candidates in /etc/passwd.
 */
export async function serverUser(): Promise<OsUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const candidate of candidates) {
    const [, , uid, gid] = accounts.find(([name]) => name === candidate) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user named ${candidates.join(' or ')}.`);
}
