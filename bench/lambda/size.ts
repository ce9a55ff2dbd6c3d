import { existsSync, readFileSync, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** What is uploaded for a function, in KiB. */
export interface Size {
  readonly plain: number;
  /** As far as compression of each file tells of that of the archive. */
  readonly packed: number;
  readonly files: number;
}

const sum = (sizes: readonly Size[]): Size =>
  sizes.reduce(
    (all, one) => ({
      plain: all.plain + one.plain,
      packed: all.packed + one.packed,
      files: all.files + one.files,
    }),
    { plain: 0, packed: 0, files: 0 },
  );

export const sizeOfFile = (file: string): Size => ({
  plain: statSync(file).size / 1024,
  packed: gzipSync(readFileSync(file)).length / 1024,
  files: 1,
});

/** The folder of a package, as Node.js finds it from another one. */
function folderOf(name: string, from: string): string | undefined {
  const folder = join(from, 'node_modules', name);
  if (existsSync(join(folder, 'package.json'))) return folder;
  return dirname(from) === from ? undefined : folderOf(name, dirname(from));
}

/** The packages and all they depend on, each once. */
function closure(names: readonly string[], from: string, found = new Set<string>()): Set<string> {
  for (const name of names) {
    const folder = folderOf(name, from);
    if (folder === undefined || found.has(folder)) continue;
    found.add(folder);
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      readonly dependencies?: Readonly<Record<string, string>>;
    };
    closure(Object.keys(dependencies), folder, found);
  }
  return found;
}

/** All files of a package, but for packages inside of it, which count for themselves. */
async function sizeOfPackage(folder: string): Promise<Size> {
  const entries = await readdir(folder, { recursive: true });
  const files = entries.filter((entry) => !entry.split('/').includes('node_modules'));
  const sizes: Size[] = [];
  for (const file of files) {
    if ((await stat(join(folder, file))).isFile()) sizes.push(sizeOfFile(join(folder, file)));
  }
  return sum(sizes);
}

export const sizeOfPackages = async (names: readonly string[], from: string): Promise<Size> =>
  sum(await Promise.all([...closure(names, from)].map(sizeOfPackage)));
