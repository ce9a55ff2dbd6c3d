import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExplainedTable, ExplainReport } from '../../lib/contract.ts';
import { runExplain } from '../../lib/jobs/explain.ts';
import { connectionSettings } from '../../lib/postgres/connection-options.ts';
import { runCli } from '../support/cli.ts';
import type { TestDatabase } from '../support/database.ts';
import { catalogState } from '../support/keeper.ts';
import { createQueriedDatabase } from '../support/queried.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createQueriedDatabase();
  await database.query(`
    CREATE TABLE app.other (at timestamptz, x text);
    CREATE TABLE app.lists (id int, region text) PARTITION BY LIST (region);
    CREATE TABLE app.lists_eu PARTITION OF app.lists FOR VALUES IN ('eu');
    CREATE TABLE app.lists_us PARTITION OF app.lists FOR VALUES IN ('us');
    CREATE FUNCTION app.yesterday() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN RETURN now() - interval ''1 day''; END';
    CREATE SEQUENCE app.numbers`);
});

afterAll(() => database.drop());

const explain = (query: string, searchPath?: string, url = database.url): Promise<ExplainReport> =>
  runExplain({ query, searchPath, connection: connectionSettings(url, {}) });

const tablesOf = async (query: string, searchPath = 'app'): Promise<readonly ExplainedTable[]> =>
  (await explain(query, searchPath)).queries.flatMap(({ tables }) => tables);

async function tableOf(query: string, searchPath?: string): Promise<ExplainedTable> {
  const [table, ...others] = await tablesOf(query, searchPath);
  if (table === undefined || others.length > 0) throw new Error('The query has not one table.');
  return table;
}

/** `planning 1 of 13`, and the findings. */
async function verdict(query: string): Promise<string> {
  const table = await tableOf(query);
  const left = table.partitions - table.prunedWhenPlanned - table.removedAtStart;
  return [
    `${table.pruning} ${left} of ${table.partitions}`,
    ...table.findings.map(({ finding }) => finding),
  ].join(' ');
}

describe('which partitions a query reads, and why not fewer', () => {
  const MARCH = "at >= '2026-03-01 00:00+00' AND at < '2026-04-01 00:00+00'";
  test.each<readonly [string, string]>([
    [`SELECT * FROM events WHERE ${MARCH}`, 'planning 1 of 13'],
    ['SELECT * FROM events WHERE u = 5', 'never 13 of 13 no-condition'],
    [
      "SELECT * FROM events WHERE date_trunc('month', at) = '2026-03-01 00:00+00'",
      'never 13 of 13 expression',
    ],
    ["SELECT * FROM events WHERE at::date = '2026-03-05'", 'never 13 of 13 expression'],
    [
      "SELECT * FROM events WHERE at >= '2026-03-01'::date AND at < '2026-04-01'::timestamp",
      'start 1 of 13 type',
    ],
    ['SELECT * FROM events WHERE at > $1 AND at < $2', 'start 13 of 13 parameter'],
    ["SELECT * FROM events WHERE at > '2026-10-01 00:00+00' AND at < $1", 'planning 4 of 13 parameter'],
    [`SELECT * FROM events WHERE ${MARCH} OR u = 5`, 'never 13 of 13 or'],
    ["SELECT * FROM events WHERE (at, id) > ('2026-03-01', 5)", 'never 13 of 13 row-comparison'],
    ["SELECT * FROM events WHERE at > clock_timestamp() - interval '1 day'", 'never 13 of 13 volatile'],
    ['SELECT * FROM events WHERE at > yesterday()', 'never 13 of 13 volatile'],
    ['SELECT * FROM events WHERE at > (SELECT max(at) FROM other)', 'running 13 of 13 subquery open-ended'],
    ["SELECT * FROM events e JOIN other o ON o.at = e.at WHERE o.x = 'a'", 'running 13 of 13 join'],
    ["SELECT * FROM events WHERE at = '2026-03-03 00:00+00' AND u IN (SELECT 1)", 'planning 1 of 13'],
    ['SELECT * FROM events WHERE at < changed_at', 'never 13 of 13 own-column'],
    [`DELETE FROM events WHERE ${MARCH}`, 'planning 1 of 13'],
    [`UPDATE events SET u = 1 WHERE u = 2`, 'never 13 of 13 no-condition'],
    ['INSERT INTO events VALUES (1, 1, now())', 'planning 0 of 13'],
    ["SELECT * FROM lists WHERE region = 'eu'", 'planning 1 of 2 not-analysed'],
  ])('%s: %s', async (query, expected) => {
    // A merge or a hash join would never exclude a partition, a nested loop does for each row.
    const actual = await verdict(query);
    expect(query.includes('JOIN') ? actual.replace('never', 'running') : actual).toBe(expected);
  });

  test('names, bounds, size and scan of what is read', async () => {
    const table = await tableOf(`SELECT at FROM events AS "My" WHERE ${MARCH}`);
    expect(table).toMatchObject({
      schema: 'app',
      table: 'events',
      alias: 'My',
      partitionKey: 'at',
      prunedWhenPlanned: 12,
    });
    expect(table.scanned).toEqual([
      {
        partition: 'app.events_3',
        bounds: "FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00')",
        scan: expect.stringMatching(/Scan$/),
        indexes: expect.any(Array),
        bytes: expect.any(Number),
        rows: 248,
      },
    ]);
  });

  test('each appearance of a table by itself', async () => {
    const tables = await tablesOf(
      `SELECT * FROM events a JOIN events b USING (id) WHERE b.${MARCH.replace(' at <', ' b.at <')}`,
    );
    const left = tables.map(({ alias, pruning, scanned }) => [alias, pruning, scanned.length]);
    expect(left.toSorted()).toEqual([
      ['a', 'never', 13],
      ['b', 'planning', 1],
    ]);
    expect(await tablesOf('SELECT * FROM other')).toEqual([]);
  });

  test('partitions of partitions are counted singly', async () => {
    await database.query(`
      CREATE TABLE app.deep (at date NOT NULL, region text) PARTITION BY RANGE (at);
      CREATE TABLE app.deep_1 PARTITION OF app.deep FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (region);
      CREATE TABLE app.deep_1_eu PARTITION OF app.deep_1 FOR VALUES IN ('eu');
      CREATE TABLE app.deep_1_us PARTITION OF app.deep_1 FOR VALUES IN ('us');
      CREATE TABLE app.deep_2 PARTITION OF app.deep FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`);
    expect(await verdict("SELECT * FROM deep WHERE at = '2026-01-05'")).toBe('planning 2 of 3');
    expect(await verdict("SELECT * FROM deep WHERE region = 'eu'")).toBe('never 2 of 3 no-condition');
  });
});

describe('the query is planned and never run', () => {
  test('neither rows nor sequences nor the catalog change', async () => {
    const before = await catalogState(database);
    await explain("DELETE FROM app.events WHERE at > '2020-01-01'");
    await explain("SELECT nextval('app.numbers'), pg_sleep(100) FROM app.events");
    await explain('WITH gone AS (DELETE FROM app.events RETURNING *) SELECT * FROM gone WHERE u = $1');
    expect(await database.query('SELECT count(*)::int AS count FROM app.events')).toEqual([{ count: 3101 }]);
    expect(await database.query('SELECT is_called FROM app.numbers')).toEqual([{ is_called: false }]);
    expect(await catalogState(database)).toEqual(before);
  });

  test('a function that claims to be immutable and writes cannot', async () => {
    await database.query(`
      CREATE FUNCTION app.deleter() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM app.other; RETURN 1; END';
      CREATE FUNCTION app.liar() RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN app.deleter(); END';
      INSERT INTO app.other VALUES (now(), 'x')`);
    await expect(explain('SELECT * FROM app.events WHERE u = app.liar()')).rejects.toMatchObject({
      code: '25006',
    });
    expect(await database.query("SELECT x FROM app.other WHERE x = 'x'")).toHaveLength(1);
  });

  test('what the server does not plan is told with its place', async () => {
    await expect(explain('SELECT * FROM app.events WHERE att = 1')).rejects.toMatchObject({
      code: '42703',
      exitCode: 2,
      message: expect.stringContaining('At: att = 1'),
    });
    await expect(explain('SELECT * FROM events')).rejects.toMatchObject({
      code: '42P01',
      hint: expect.stringContaining('--search-path'),
    });
    const role = await database.createRole();
    await expect(explain('SELECT * FROM app.events', undefined, role.url)).rejects.toMatchObject({
      code: '42501',
      exitCode: 1,
    });
  });

  test('it waits for no lock for long', async () => {
    const holder = await database.connect();
    await holder.query('BEGIN; LOCK TABLE app.events IN ACCESS EXCLUSIVE MODE');
    await expect(explain('SELECT * FROM app.events')).rejects.toMatchObject({ code: '55P03' });
    await holder.query('ROLLBACK');
  });
});

describe('names mean what they mean to the application', () => {
  test('by the search path of the role, or the one given', async () => {
    const role = await database.createRole();
    await database.query(
      `GRANT USAGE ON SCHEMA app TO ${role.name}; GRANT SELECT ON app.events TO ${role.name}`,
    );
    await expect(explain('SELECT * FROM events', undefined, role.url)).rejects.toMatchObject({
      code: '42P01',
    });
    await database.query(`ALTER ROLE ${role.name} SET search_path = app, public`);
    const report = await explain('SELECT * FROM events', undefined, role.url);
    expect([report.searchPath, report.queries[0]?.tables[0]?.table]).toEqual(['app, public', 'events']);
    await expect(explain('SELECT * FROM events', 'public', role.url)).rejects.toMatchObject({
      code: '42P01',
    });
  });

  test('row security applies, and pruning that was switched off is told', async () => {
    const role = await database.createRole();
    await database.query(`
      CREATE TABLE app.own (owner text, at date NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.own_1 PARTITION OF app.own FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
      CREATE TABLE app.own_2 PARTITION OF app.own FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
      ALTER TABLE app.own ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON app.own USING (owner = current_user);
      GRANT USAGE ON SCHEMA app TO ${role.name}; GRANT SELECT ON app.own TO ${role.name};
      ALTER ROLE ${role.name} SET enable_partition_pruning = off`);
    const { queries } = await explain("SELECT * FROM app.own WHERE at = '2026-01-05'", undefined, role.url);
    expect(queries[0]?.tables[0]).toMatchObject({
      pruning: 'never',
      findings: [{ finding: 'pruning-off', severity: 'warning' }],
    });
    expect(queries[0]?.tables[0]?.scanned).toHaveLength(2);
  });
});

describe('on the command line', () => {
  const run = (...args: string[]) => runCli(['explain', ...args], { url: database.url });

  test('warnings end with 3, and the text names what to write', async () => {
    const result = await run("SELECT * FROM app.events WHERE at::date = '2026-03-05'");
    expect([result.code, result.stderr]).toEqual([3, '']);
    expect(result.stdout).toContain('reads 13 of 13 partitions');
    expect(result.stdout).toContain('.. 6 more');
    expect(result.stdout).toContain(
      "Write instead: at >= '2026-03-05 00:00:00+00'::timestamptz AND at < '2026-03-06 00:00:00+00'::timestamptz",
    );
  });

  test('JSON is one report; a mistake is one, too, and ends with 2', async () => {
    const result = await run(
      '--format',
      'json',
      '--search-path',
      'app',
      'SELECT * FROM events WHERE at = $1',
    );
    expect([result.code, result.stderr]).toEqual([0, '']);
    expect(result.json()).toMatchObject({
      version: 1,
      job: 'explain',
      ok: true,
      searchPath: 'app',
      queries: [{ parameters: 1, tables: [{ pruning: 'start', keyConditions: ['(at = $1)'] }] }],
    });
    const mistaken = await run('--format', 'json', 'SELECT 1; SELECT 2');
    expect(mistaken.code).toBe(2);
    expect(mistaken.json()).toMatchObject({
      job: 'explain',
      ok: false,
      error: { code: 'statement-several' },
    });
  });
});
