import { existsSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../../lib/config/load.ts';
import { createMetrics } from '../../../lib/serve/metrics.ts';
import { stagesOf } from '../../../support/dockerfile.ts';

const root = new URL('../../../', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8');

interface Service {
  readonly image: string;
  readonly build?: string;
  readonly restart: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
}
interface Compose {
  readonly services: Readonly<Record<'database' | 'keeper', Service>>;
}

const folder = 'examples/docker-compose/';
const text = read(`${folder}compose.yaml`);
const compose = parse(text) as Compose;

test('the example for Compose is one, by the schema of its specification', () => {
  const { $schema: _, ...schema } = JSON.parse(
    read('test/fixtures/compose-spec/compose-spec.json'),
  ) as Record<string, unknown>;
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addFormat('duration', /^(\d+(\.\d+)?(us|ms|s|m|h))+$/);
  const validate = ajv.compile(schema);
  validate(compose);
  expect(validate.errors ?? []).toEqual([]);
  // The schema does tell a mistake.
  expect(validate({ services: { database: { imagge: 'postgres' } } })).toBe(false);
});

test('it asks for every secret, and holds none', () => {
  const names = [...text.matchAll(/\$\{(\w+)(:\?[^}]+)?\}/g)];
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter(([, , required]) => required === undefined)).toEqual([]);
  const given = read(`${folder}.env.example`).matchAll(/^(\w+)=/gm);
  expect(new Set([...given].map(([, name]) => name))).toEqual(new Set(names.map(([, name]) => name)));
  const secrets = Object.values(compose.services)
    .flatMap(({ environment }) => Object.entries(environment))
    .filter(([name]) => name.includes('PASSWORD'));
  expect(secrets.filter(([, value]) => !value.startsWith('${'))).toEqual([]);
  expect(read('.gitignore').split('\n')).toContain('.env');
});

test('its services start again, and the keeper changes nothing in its container', () => {
  const { database, keeper } = compose.services;
  expect([database.restart, keeper.restart]).toEqual(['unless-stopped', 'unless-stopped']);
  expect(keeper.read_only).toBe(true);
  expect(keeper.volumes).toEqual(['./config:/app/config:ro']);
  expect(existsSync(new URL('Dockerfile', new URL(`${keeper.build}/`, new URL(folder, root))))).toBe(true);
  const workdir = stagesOf(read('Dockerfile'))
    .at(-1)
    ?.findLast(({ name }) => name === 'WORKDIR')?.text;
  expect(workdir).toBe('/app/config');
});

test('its config is one', async () => {
  const { pathname } = new URL(`${folder}config`, root);
  expect((await loadConfig(undefined, pathname)).tables).toMatchObject([
    { schema: 'public', table: 'events' },
  ]);
});

test('the rules for Prometheus speak of metrics that there are', async () => {
  const { groups } = parse(read('examples/prometheus/partition-keeper.rules.yml')) as {
    groups: { rules: { alert: string; expr: string; annotations: object }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  const known = await createMetrics('app', () => 1).text();
  const used = rules.flatMap(({ expr }) => expr.match(/\b(partition_keeper|process)_\w+/g) ?? []);
  expect(used.length).toBeGreaterThan(6);
  expect(used.filter((name) => !known.includes(`# TYPE ${name} `))).toEqual([]);
  const { rule_files: files } = parse(read('examples/prometheus/prometheus.yml')) as { rule_files: string[] };
  expect(files.filter((file) => !existsSync(new URL(`examples/prometheus/${file}`, root)))).toEqual([]);
});
