import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { ExplainReport } from '../../lib/contract.ts';
import { type EmbeddedServer, startEmbeddedServer } from '../../support/embedded-server.ts';
import { type CliResult, runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { configFile } from '../support/keeper.ts';

const { version = 17 } = inject('wantedServer');
const config = configFile({});

const TABLE = `
  CREATE SCHEMA app;
  CREATE TABLE app.events (u int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  CREATE VIEW app.recent AS SELECT * FROM app.events`;

let server: EmbeddedServer;
let database: TestDatabase;

/** Statements of an application that have been counted. */
beforeAll(async () => {
  server = await startEmbeddedServer({
    version,
    settings: { shared_preload_libraries: 'pg_stat_statements' },
  });
  database = await createTestDatabase(server.url);
  await database.query(TABLE);
  await database.query('CREATE SCHEMA extensions; CREATE EXTENSION pg_stat_statements SCHEMA extensions');
  const times = async (count: number, statement: string): Promise<void> => {
    for (let call = 0; call < count; call++) await database.query(statement);
  };
  await database.query('SELECT extensions.pg_stat_statements_reset()');
  await times(7, "SELECT count(*) FROM app.events WHERE at >= '2026-01-05' AND at < '2026-01-06'");
  await times(6, 'SELECT count(*) FROM app.events WHERE u = 5');
  await times(5, "SELECT u FROM app.events WHERE date_trunc('month', at) = '2026-01-01' AND u > 1");
  await times(4, "SELECT max(u) FROM app.events WHERE at > now() - interval '1 day'");
  await times(3, 'SELECT sum(u) FROM app.recent');
  await times(2, 'SELECT min(u) FROM app.events WHERE EXTRACT(year FROM at) = 2026');
});

afterAll(async () => {
  await database.drop();
  await server.stop();
});

const top = (url: string, ...args: string[]): Promise<CliResult> =>
  runCli(['explain', '--top', ...args], { config, url });

test('the most frequent statements without a usable condition, and those that cannot be explained', async () => {
  const result = await top(database.url, '--format', 'json');
  expect([result.code, result.stderr]).toEqual([3, '']);
  const report = result.json() as ExplainReport;
  expect(report).toMatchObject({ job: 'explain', ok: true, statements: { explained: 6, hidden: 0 } });
  const told = report.queries.map(({ figures, tables, error }) => [
    figures?.calls,
    error === undefined ? tables[0]?.findings[0]?.finding : error.code,
  ]);
  expect(told).toEqual([
    [6, 'no-condition'],
    [5, 'expression'],
    [3, 'no-condition'],
    [2, '42601'],
  ]);
  expect(report.queries[1]).toMatchObject({ query: expect.stringMatching(/date_trunc\(\$1/), parameters: 3 });
  for (const { figures } of report.queries) {
    expect(figures?.totalMs).toBeGreaterThan(0);
    expect(figures?.share).toBeLessThanOrEqual(1);
  }
});

test('as many as asked for, for people', async () => {
  const result = await top(database.url, '1');
  expect(result.code).toBe(3);
  expect(result.stdout).toContain('6 calls');
  expect(result.stdout).toContain(
    '2 statements looked at, 1 of them without a usable condition on the key, 0 not explained',
  );
  expect(result.stdout).not.toContain('5 calls');
});

test('statements of others are hidden from a role that may not read them, and it is told so', async () => {
  const role = await database.createRole();
  await database.query(
    `GRANT USAGE ON SCHEMA app, extensions TO ${role.name}; GRANT SELECT ON ALL TABLES IN SCHEMA app TO ${role.name}`,
  );
  const hidden = await top(role.url, '--format', 'json');
  expect(hidden.code).toBe(1);
  expect(hidden.json()).toMatchObject({
    error: { code: 'statements-hidden', hint: `GRANT pg_read_all_stats TO "${role.name}";` },
  });
  await database.query(`GRANT pg_read_all_stats TO ${role.name}`);
  expect((await top(role.url, '3')).code).toBe(3);
});

test('without the extension, or without its library, the error says what to do', async () => {
  await using plain = await createTestDatabase();
  await plain.query(TABLE);
  const absent = await top(plain.url, '--format', 'json');
  expect(absent.code).toBe(1);
  expect(absent.json()).toMatchObject({ error: { code: 'statements-not-installed' } });
  await plain.query('CREATE EXTENSION pg_stat_statements');
  const unloaded = await top(plain.url, '--format', 'json');
  expect(unloaded.code).toBe(1);
  expect(unloaded.json()).toMatchObject({
    error: { code: 'statements-not-loaded', hint: expect.stringContaining('shared_preload_libraries') },
  });
});

test('a query and --top, or neither, is a mistake', async () => {
  const both = await runCli(['explain', 'SELECT 1', '--top'], { config, url: database.url });
  expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('A query and --top are given.')]);
});
