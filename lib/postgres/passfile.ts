import pgpass from 'pgpass';
import { KeeperError } from '../errors.ts';
import type { ConnectionSettings } from './connection-options.ts';

/**
 * The password that the passfile (`PGPASSFILE`, else `~/.pgpass`) has for a connection.
 * @throws KeeperError `password-missing` where it has none, or others may read it, which makes it count for nothing
 */
export async function passfilePassword({ host, port, user, database }: ConnectionSettings): Promise<string> {
  const password = await new Promise<string | undefined>((resolve) => {
    pgpass({ host, port, user, database }, resolve);
  });
  if (password !== undefined) return password;
  throw new KeeperError({
    code: 'password-missing',
    message: `The server ${host}:${port} asks for the password of role ${user}, and none is given.`,
    hint: 'Give the password in PGPASSWORD, the database URL or a passfile (PGPASSFILE), which only its owner may read: chmod 600.',
  });
}
