import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../lib/config/load.ts';
import partitions from '../../../partitions.config.ts';

const root = new URL('../../../', import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const json = (path: string) => JSON.parse(text(path));

test('the migration makes the very tables of sql/tables', () => {
  const files = readdirSync(new URL('sql/tables/', root)).sort();
  expect(files.length).toBeGreaterThan(6);
  expect(text('examples/prisma/prisma/migrations/20260101000000_partitioned_tables/migration.sql')).toBe(
    files.map((file) => text(`sql/tables/${file}`)).join('\n'),
  );
});

test('the config is that of the example tables', () => {
  expect(text('examples/prisma/partitions.config.ts')).toBe(
    text('partitions.config.ts').replace('./lib/index.ts', 'partition-keeper'),
  );
});

test('each partitioned table is a model whose key has the partition key', async () => {
  const models = text('examples/prisma/prisma/schema.prisma').split(/^model /m);
  const { tables } = await loadConfig('partitions.config.ts', new URL('.', root).pathname);
  expect(tables).toHaveLength(partitions.tables.length);
  for (const { schema, table, partitionKey } of tables) {
    const model = models.find(
      (one) => one.includes(`@@map("${table}")`) && one.includes(`@@schema("${schema}")`),
    );
    const field = new RegExp(`^ *(\\w+) .*@map\\("${partitionKey}"\\)`, 'm').exec(model ?? '')?.[1];
    expect(model).toContain(`@@id([id, ${field}])`);
  }
});

test('the packages of the example have one exact version each, and the engine in WebAssembly is that of the CLI', () => {
  const { dependencies, devDependencies } = json('examples/prisma/package.json');
  const versions: Record<string, string> = { ...dependencies, ...devDependencies };
  expect(Object.values(versions).filter((version) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  const { packages } = json('examples/prisma/package-lock.json');
  expect(packages['node_modules/@prisma/engines-version'].version).toBe(
    versions['@prisma/schema-engine-wasm'],
  );
  expect(
    Object.values<{ resolved?: string }>(packages).filter(({ resolved }) => resolved !== undefined),
  ).toEqual([]);
});

test('the packages of the example are none of ours', () => {
  const ours = Object.keys(json('package-lock.json').packages);
  expect(ours.filter((name) => name.includes('prisma'))).toEqual([]);
});
