import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { createTestDatabase } from '../support/database.ts';
import { partitionsOf } from '../support/keeper.ts';
import { startServing } from '../support/serve.ts';

const folder = new URL('../../examples/docker-compose/', import.meta.url);
const read = (name: string): Promise<string> => readFile(new URL(name, folder), 'utf8');

test('what the example for Compose sets up is served, by the role it makes and its few rights', async () => {
  await using database = await createTestDatabase();
  const owner = await database.createRole();
  const keeper = await database.createRole();
  await database.query(`DROP ROLE ${owner.name}, ${keeper.name}`);
  // Roles are shared by all databases of the tests; and psql's own words are for psql.
  const script = (await read('init/tables.sql'))
    .replace(/^\\getenv password KEEPER_PASSWORD$/m, '')
    .replace(":'password'", `'${keeper.password}'`)
    .replaceAll('events_owner', owner.name)
    .replaceAll('partition_keeper', keeper.name);
  expect(script).not.toMatch(/^\\/m);
  await database.query(script);

  const { services } = parse(await read('compose.yaml')) as {
    services: { keeper: { environment: Readonly<Record<string, string>> } };
  };
  const { environment } = services.keeper;
  expect(Object.keys(environment).toSorted()).toEqual([
    'PGDATABASE',
    'PGHOST',
    'PGPASSWORD',
    'PGSSLMODE',
    'PGUSER',
  ]);
  await using serving = await startServing(
    keeper.url,
    JSON.parse(await read('config/partitions.config.json')),
    [],
    { PGSSLMODE: environment['PGSSLMODE'] ?? '' },
  );
  await serving.logged('table', { job: 'create', status: 'ok' });
  expect(Object.keys(await partitionsOf(database, 'public.events'))).toHaveLength(4);
  expect((await serving.get('/readyz')).status).toBe(200);
  const problems = serving
    .log()
    .filter(({ level, job }) => level === 'error' || (level === 'warn' && job === 'create'));
  expect(problems).toEqual([]);
});
