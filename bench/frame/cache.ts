import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is fetched once stays here. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/bench', import.meta.url));

/**
 * The folder of something that is fetched, made by the function in a folder beside it unless it is there already.
 * @param download without it, what is not there is refused
 */
export async function cached(
  name: string,
  download: boolean,
  make: (folder: string) => Promise<unknown>,
): Promise<string> {
  const folder = join(CACHE, name);
  if (existsSync(folder)) return folder;
  if (!download) throw new Error('it is not here, and nothing is downloaded');
  mkdirSync(CACHE, { recursive: true });
  const beside = mkdtempSync(`${folder}-`);
  try {
    await make(beside);
    renameSync(beside, folder);
    return folder;
  } catch (error) {
    rmSync(beside, { recursive: true, force: true });
    throw error;
  }
}
