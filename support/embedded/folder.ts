import { chown, mkdtemp, realpath, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { OsUser } from './user.ts';

/**
 * Makes a private temporary folder that belongs to `user`, or to us. It is in the system's folder for temporary
 * files unless root has one that others cannot enter. Throws if there is no place the user can get to.
 */
export async function makeFolder(user: OsUser | undefined): Promise<string> {
  const parent = user === undefined ? tmpdir() : await reachableFolder(user);
  const folder = await mkdtemp(join(await realpath(parent), 'partition-keeper-pg-'));
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  return folder;
}

async function reachableFolder(user: OsUser): Promise<string> {
  const candidates = [tmpdir(), '/tmp', '/var/tmp'];
  for (const candidate of candidates) {
    if (await canReach(user, await realpath(candidate))) return candidate;
  }
  throw new Error(`The user with the id ${user.uid} cannot enter any of ${candidates.join(', ')}.`);
}

/** Whether the user may pass through the folder and all folders above it. */
async function canReach(user: OsUser, folder: string): Promise<boolean> {
  const { mode, uid, gid } = await stat(folder);
  const passThrough = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  if ((mode & passThrough) === 0) return false;
  return folder === dirname(folder) || (await canReach(user, dirname(folder)));
}
