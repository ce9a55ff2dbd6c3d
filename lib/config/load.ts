import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { features } from 'node:process';
import { pathToFileURL } from 'node:url';
import { usageError } from '../errors.ts';
import { type CheckedConfig, type Config, checkConfig, parseConfig } from './config.ts';

const FILE_NAMES = [
  'partitions.config.ts',
  'partitions.config.js',
  'partitions.config.mjs',
  'partitions.config.json',
];
const EXTENSIONS = ['.ts', '.js', '.mjs', '.json'];

/** The file to read: the one asked for, or the first of the usual names in the folder. */
function locate(file: string | undefined, folder: string): string {
  if (file !== undefined) {
    const path = resolve(folder, file);
    if (existsSync(path)) return path;
    throw usageError(
      'config-missing',
      `There is no config file ${path}.`,
      'Check the path given to --config.',
    );
  }
  const found = FILE_NAMES.map((name) => resolve(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw usageError(
    'config-missing',
    `There is no ${FILE_NAMES.join(', ')} in ${folder}.`,
    'Write one (the README shows an example), or name another file with --config.',
  );
}

async function importDefault(path: string): Promise<unknown> {
  const url = pathToFileURL(path).href;
  // Node strips types itself from 22.18 on; older ones need a loader. What it compiled is kept nowhere: a cache in
  // a folder that others can write to would let them decide what is run.
  const module: unknown =
    extname(path) === '.ts' && !features.typescript
      ? await (await import('jiti')).createJiti(import.meta.url, { fsCache: false }).import(path)
      : await import(url);
  if (typeof module === 'object' && module !== null && 'default' in module) return module.default;
  throw usageError(
    'config-invalid',
    `${path} has no default export.`,
    'End it with `export default defineConfig({ ... })`.',
  );
}

async function read(path: string): Promise<unknown> {
  try {
    return extname(path) === '.json' ? JSON.parse(await readFile(path, 'utf8')) : await importDefault(path);
  } catch (error) {
    if (error instanceof Error && error.name === 'KeeperError') throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw usageError('config-unreadable', `${path} cannot be read: ${reason}`, 'Correct the file.', error);
  }
}

async function readInput(
  file: string | undefined,
  folder: string,
): Promise<{ readonly input: unknown; readonly name: string }> {
  const path = locate(file, folder);
  if (!EXTENSIONS.includes(extname(path))) {
    throw usageError(
      'config-unreadable',
      `${path} is none of the kinds a config can be.`,
      `Use a file that ends in ${EXTENSIONS.join(', ')}.`,
    );
  }
  return { input: await read(path), name: basename(path) };
}

/**
 * Reads and checks the config.
 * @param file path of a `.ts`, `.js`, `.mjs` or `.json` file; absent: the usual names in `folder`
 * @throws KeeperError when there is none, or it cannot be read or is wrong
 */
export async function loadConfig(file: string | undefined, folder: string): Promise<Config> {
  const { input, name } = await readInput(file, folder);
  return parseConfig(input, name);
}

/** The same, as it is written: without the defaults of the tables. */
export async function loadConfigInput(file: string | undefined, folder: string): Promise<CheckedConfig> {
  const { input, name } = await readInput(file, folder);
  return checkConfig(input, name);
}
