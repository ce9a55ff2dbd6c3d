import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../lib/config/load.ts';
import { EXIT } from '../../../lib/contract.ts';
import { KeeperError } from '../../../lib/errors.ts';

const config = {
  timeZone: 'Europe/Berlin',
  tables: [
    { schema: 'logs', table: 'events', partitionKey: 'created_at', interval: 'day', retention: { days: 30 } },
  ],
};
const json = JSON.stringify(config);

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'partition-keeper-config-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A folder with just these files. */
async function folderWith(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  for (const [file, content] of Object.entries(files)) await writeFile(join(path, file), content);
  return path;
}

async function errorOf(loading: Promise<unknown>): Promise<KeeperError> {
  const error = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof KeeperError) return error;
  throw new Error('it was loaded, or failed in another way', { cause: error });
}

const typescript = `
interface Table { readonly table: string }
const table: Table = { table: 'events' };
export default { ...${json}, tables: [{ ...${JSON.stringify(config.tables[0])}, ...table } satisfies Table] };
`;

describe('a config file', () => {
  test.each([
    ['partitions.config.ts', typescript],
    ['partitions.config.js', `export default ${json};`],
    ['partitions.config.mjs', `export default ${json};`],
    ['partitions.config.json', json],
  ])('%s is found in the folder, or read by its path', async (name, content) => {
    const path = await folderWith(name, { [name]: content });
    const expected = {
      tables: [
        {
          schema: 'logs',
          table: 'events',
          partitionKey: 'created_at',
          interval: 'day',
          premake: 14,
          retention: { days: 30 },
          expired: 'drop',
          grace: null,
          overdueAfter: { days: 100 },
          maxExpiredShare: 0.5,
          timeZone: 'Europe/Berlin',
        },
      ],
    };
    expect(await loadConfig(undefined, path)).toEqual(expected);
    expect(await loadConfig(name, path)).toEqual(expected);
    expect(await loadConfig(join(path, name), '/')).toEqual(expected);
  });

  test('may have any name and stand in any folder', async () => {
    const path = await folderWith('odd names ü#%', { 'my tables (1).json': json });
    expect((await loadConfig('my tables (1).json', path)).tables).toHaveLength(1);
  });

  test('in TypeScript comes before the others', async () => {
    const path = await folderWith('both', {
      'partitions.config.ts': typescript.replace("'events'", "'from_ts'"),
      'partitions.config.json': json,
    });
    expect((await loadConfig(undefined, path)).tables[0]?.table).toBe('from_ts');
  });

  test('may import others', async () => {
    const path = await folderWith('imports', {
      'tables.ts': `export const tables = ${JSON.stringify(config.tables)} as const;`,
      'partitions.config.ts': "import { tables } from './tables.ts';\nexport default { tables };",
    });
    expect((await loadConfig(undefined, path)).tables[0]?.timeZone).toBe('UTC');
  });
});

test('in Node itself, with nothing between it and the modules', async () => {
  const files = ['my tables.ts', 'a #1.js', 'größe%20.mjs', 'plain.json'];
  const path = await folderWith('in Node ü#%', {
    'my tables.ts': typescript,
    'a #1.js': `export default ${json};`,
    'größe%20.mjs': `export default ${json};`,
    'plain.json': json,
  });
  const program = `
    import { loadConfig } from ${JSON.stringify(new URL('../../../lib/config/load.ts', import.meta.url).href)};
    for (const file of process.argv.slice(1)) {
      const { tables } = await loadConfig(file, ${JSON.stringify(path)});
      console.log(file, tables.length, tables[0].timeZone);
    }
  `;
  const node = ['--input-type=module', '--eval', program, '--', ...files];
  const { stdout } = await promisify(execFile)(process.execPath, node);
  expect(stdout.trim().split('\n')).toEqual(files.map((file) => `${file} 1 Europe/Berlin`));
});

describe('refused with what to do', () => {
  const refused = async (loading: Promise<unknown>, code: string): Promise<KeeperError> => {
    const error = await errorOf(loading);
    expect(error.code).toBe(code);
    expect(error.exitCode).toBe(EXIT.usage);
    expect(error.hint).not.toBe('');
    return error;
  };

  test('no file in the folder', async () => {
    const path = await folderWith('empty', {});
    const error = await refused(loadConfig(undefined, path), 'config-missing');
    expect(error.message).toContain('partitions.config.ts');
    expect(error.message).toContain(path);
    expect(error.hint).toContain('--config');
  });

  test('no file of that name', async () => {
    const error = await refused(loadConfig('absent.ts', folder), 'config-missing');
    expect(error.message).toContain(join(folder, 'absent.ts'));
  });

  test('a folder', async () => {
    const path = await folderWith('a folder.json', {});
    const error = await refused(loadConfig(path, folder), 'config-unreadable');
    expect(error.message).toContain(path);
  });

  test('a file of another kind', async () => {
    const path = await folderWith('yaml', { 'partitions.config.yaml': 'tables: []' });
    const error = await refused(loadConfig('partitions.config.yaml', path), 'config-unreadable');
    expect(error.hint).toContain('.ts, .js, .mjs, .json');
  });

  test.each(['ts', 'js', 'mjs'])('.%s without a default export', async (kind) => {
    const name = `named.${kind}`;
    const path = await folderWith(`named ${kind}`, { [name]: `export const config = ${json};` });
    const error = await refused(loadConfig(name, path), 'config-invalid');
    expect(error.message).toContain('no default export');
    expect(error.hint).toContain('export default defineConfig(');
  });

  test.each([
    ['broken.ts', 'export default { tables: [ };'],
    ['broken.js', 'export default { tables: [ };'],
    ['broken.json', '{ "tables": [ }'],
    ['empty.json', ''],
    ['throws.ts', "throw new Error('no tables today');"],
    ['throws.js', "throw 'a text';"],
    ['imports.js', "import './nowhere.js';\nexport default {};"],
  ])('%s cannot be read', async (name, content) => {
    const path = await folderWith(`unreadable ${name}`, { [name]: content });
    const error = await refused(loadConfig(name, path), 'config-unreadable');
    expect(error.message).toContain(`${join(path, name)} cannot be read: `);
    if (name === 'throws.ts') expect(error.message).toContain('no tables today');
    if (name === 'throws.js') expect(error.message).toContain('a text');
    expect(error.cause).toBeDefined();
  });

  test('a wrong config, under the name of its file', async () => {
    const path = await folderWith('wrong', { 'partitions.config.json': '{ "tables": [] }' });
    const error = await refused(loadConfig(undefined, path), 'config-invalid');
    expect(error.message).toBe(
      'partitions.config.json has a problem:\n  tables: must list at least one table',
    );
  });
});
