import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is fetched once stays here. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/bench', import.meta.url));

/**
 * The folder of something that is fetched, made by the function in a folder beside it unless it is there already.
 * @param download without it, nothing that has to be fetched takes part, even if it is there
 */
export async function cached(
  name: string,
  download: boolean,
  make: (folder: string) => Promise<unknown>,
): Promise<string> {
  if (!download) throw new Error('it has to be fetched, and nothing is downloaded');
  const folder = join(CACHE, name);
  if (existsSync(folder)) return folder;
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
