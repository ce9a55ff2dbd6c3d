import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../lib/index.ts';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  at,
  catalogState,
  configFile,
  findingsOf,
  keeper,
  type Settings,
  tableOf,
} from '../support/keeper.ts';

const NOW = at('2026-11-22T13:00:00Z');

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query('CREATE SCHEMA app; CREATE TABLE app.users (id int PRIMARY KEY, code int UNIQUE)');
});

afterAll(() => database.drop());

let number = 0;

/** A table with all the partitions it should have. */
async function soundTable(
  columns = 'id int, at timestamptz',
): Promise<Settings & { readonly table: string }> {
  const table = `events_${++number}`;
  await database.query(`CREATE TABLE app.${table} (${columns}) PARTITION BY RANGE (at)`);
  await keeper(database, { table }).create({ now: NOW });
  expect(await findingsNow({ table })).toEqual([]);
  return { table };
}

async function findingsNow(settings: Settings): Promise<readonly Finding[]> {
  return tableOf(await keeper(database, settings).health({ now: NOW })).findings;
}

const without = (name: string, month: string) => database.query(`DROP TABLE app.${name}_${month}`);

describe('health finds', () => {
  test('nothing in a sound table, changes nothing, and the command line says 0', async () => {
    const settings = await soundTable();
    const before = await catalogState(database);
    const report = await keeper(database, settings).health({ now: NOW });
    expect(report).toMatchObject({ ok: true, job: 'health', dryRun: true });
    expect(tableOf(report)).toMatchObject({
      findings: [],
      gauges: { missing: 0, expired: 0, runwayDays: 98.46 },
    });
    expect(await catalogState(database)).toEqual(before);
    const { code } = await runCli(['health', '--now', NOW.toString()], {
      config: configFile(settings),
      url: database.url,
    });
    expect(code).toBe(0);
  });

  test('nothing on the first of a month, an hour before create runs', async () => {
    const settings = await soundTable();
    const report = await keeper(database, settings).health({ now: at('2026-12-01T01:00:00Z') });
    expect(tableOf(report)).toMatchObject({ findings: [], gauges: { missing: 0 } });
    // Had create failed a month ago, it would be noticed.
    expect(findingsOf(await keeper(database, settings).health({ now: at('2027-01-01T01:00:00Z') }))).toEqual([
      'missing',
    ]);
  });

  test('partitions that are missing, each with the severity it deserves', async () => {
    const { table } = await soundTable();
    await without(table, '2027_01');
    expect(await findingsNow({ table })).toMatchObject([
      {
        finding: 'missing',
        severity: 'warning',
        facts: { missing: 1, ahead: 1, holes: 0, first: '2027-01-01T00:00:00Z' },
      },
    ]);
    await without(table, '2026_12');
    expect((await findingsNow({ table })).map(({ finding }) => finding)).toEqual(['missing']);
    expect(findingsOf(await keeper(database, { table }).health({ now: at('2026-11-25T00:00:00Z') }))).toEqual(
      ['missing-next', 'missing'],
    );
    await without(table, '2026_11');
    const [current] = await findingsNow({ table });
    expect(current).toMatchObject({
      finding: 'missing-current',
      severity: 'critical',
      message: `No partition of app.${table} covers now: INSERTs of new rows fail.`,
      remedy: `npx partition-keeper create --table app.${table}`,
    });
    await expect(
      database.query(`INSERT INTO app.${table} VALUES (1, $1)`, [NOW.toString()]),
    ).rejects.toMatchObject({ code: '23514' });
    const { code } = await runCli(['health', '--now', NOW.toString()], {
      config: configFile({ table }),
      url: database.url,
    });
    expect(code).toBe(3);
  });

  test('rows in a default partition', async () => {
    const { table } = await soundTable();
    await database.query(
      `CREATE TABLE app.${table}_rest PARTITION OF app.${table} DEFAULT; INSERT INTO app.${table} VALUES (1, '2026-09-17'), (2, '2026-10-03')`,
    );
    const [finding, ...others] = await findingsNow({ table });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      finding: 'default-rows',
      severity: 'warning',
      partition: `app.${table}_rest`,
      facts: { rows: 2 },
      remedy: expect.stringMatching(
        new RegExp(
          `^npx partition-keeper create --table app.${table} --from 2026-09-\\d\\d --to 2026-11-01 `,
        ),
      ),
    });
    // The remedy, as it stands there.
    const args = (finding?.remedy ?? '').replace(/ \(.*/, '').split(' ').slice(2);
    expect(
      (await runCli([...args, '--now', NOW.toString()], { config: configFile({ table }), url: database.url }))
        .code,
    ).toBe(0);
    expect(await findingsNow({ table })).toEqual([]);
  });

  test('an unfinished detach, and how to finish it', async () => {
    const { table } = await soundTable();
    const reader = await database.connect();
    await reader.query(`BEGIN; LOCK TABLE ONLY app.${table} IN ACCESS SHARE MODE`);
    const other = await database.connect();
    await other.query("SET lock_timeout = '20ms'");
    await expect(
      other.query(`ALTER TABLE app.${table} DETACH PARTITION app.${table}_2027_02 CONCURRENTLY`),
    ).rejects.toMatchObject({ code: '55P03' });
    await reader.end();
    await other.end();
    const [finding] = await findingsNow({ table });
    expect(finding).toMatchObject({
      finding: 'detach-pending',
      severity: 'warning',
      partition: `app.${table}_2027_02`,
      facts: { ours: false },
    });
    await database.query(finding?.remedy ?? '');
    expect((await findingsNow({ table })).map(({ finding: name }) => name)).toEqual([]);
  });

  test('an index that a partition lacks', async () => {
    const { table } = await soundTable();
    await database.query(`CREATE INDEX "By id" ON ONLY app.${table} (id)`);
    const findings = await findingsNow({ table });
    expect(findings).toHaveLength(4);
    expect(findings[0]).toMatchObject({
      finding: 'index-missing',
      severity: 'warning',
      partition: `app.${table}_2026_11`,
      facts: { index: 'By id' },
    });
    for (const month of ['2026_11', '2026_12', '2027_01', '2027_02'])
      await database.query(
        `CREATE INDEX "i ${month} ${table}" ON app.${table}_${month} (id); ALTER INDEX app."By id" ATTACH PARTITION app."i ${month} ${table}"`,
      );
    expect(await findingsNow({ table })).toEqual([]);
    await database.query('DROP INDEX app."By id"');
  });

  test('an index that is invalid', async () => {
    const { table } = await soundTable();
    await database.query(`INSERT INTO app.${table} VALUES (1, '2026-11-05'), (1, '2026-11-06')`);
    await expect(
      database.query(`CREATE UNIQUE INDEX CONCURRENTLY "Half done" ON app.${table}_2026_11 (id)`),
    ).rejects.toMatchObject({ code: '23505' });
    const [finding, ...others] = await findingsNow({ table });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      finding: 'index-invalid',
      severity: 'warning',
      partition: `app.${table}_2026_11`,
      facts: { index: 'Half done' },
      remedy: `npx partition-keeper reindex app.${table} --invalid`,
    });
    await database.query(`DELETE FROM app.${table} WHERE at < '2026-11-06'`);
    expect((await keeper(database, { table }).reindex({ target: `app.${table}`, invalid: true })).ok).toBe(
      true,
    );
    expect(await findingsNow({ table })).toEqual([]);
  });

  test('missing permissions', async () => {
    const { table } = await soundTable();
    const owner = await database.createRole();
    const stranger = await database.createRole();
    const seenBy = async (role: { readonly url: string }) =>
      tableOf(await keeper(role, { table }).health({ now: NOW })).findings;
    await database.query(`ALTER TABLE app.${table} OWNER TO ${owner.name}`);
    const [permission, ...others] = await seenBy(owner);
    expect(others).toEqual([]);
    expect(permission).toMatchObject({
      finding: 'permission',
      severity: 'critical',
      facts: { owner: owner.name },
    });
    await database.query(permission?.remedy ?? '');
    expect(await seenBy(owner)).toEqual([]);
    expect(await seenBy(stranger)).toMatchObject([
      { finding: 'permission', severity: 'critical', facts: { owner: owner.name } },
    ]);
    await database.query(`GRANT ${owner.name} TO ${stranger.name}`);
    expect(await seenBy(stranger)).toEqual([]);
  });

  test('foreign keys that no index supports', async () => {
    const { table } = await soundTable();
    await database.query(`
      ALTER TABLE app.${table} ADD COLUMN user_id int REFERENCES app.users, ADD COLUMN "By" int CONSTRAINT "B y" REFERENCES app.users (code);
      CREATE INDEX ON app.${table} (user_id, id)`);
    expect(await findingsNow({ table })).toMatchObject([
      { finding: 'foreign-key', severity: 'info', facts: { foreignKeys: ['B y'] } },
    ]);
    await database.query(`CREATE INDEX ON app.${table} ("By") WHERE "By" IS NOT NULL`);
    expect(await findingsNow({ table })).toEqual([]);
  });

  test('partitions that are not on the grid, not ours to manage, or named at the limit', async () => {
    const { table } = await soundTable();
    const long = `${table}_${'x'.repeat(62 - table.length)}`;
    await database.query(`
      CREATE TABLE app.${table}_ever PARTITION OF app.${table} FOR VALUES FROM (MINVALUE) TO ('2026-08-01');
      CREATE TABLE app."${long}" PARTITION OF app.${table} FOR VALUES FROM ('2026-08-01') TO ('2026-09-15');
      CREATE TABLE app.${table}_sub PARTITION OF app.${table} FOR VALUES FROM ('2026-09-15') TO ('2026-11-01') PARTITION BY LIST (id);
      CREATE TABLE app.${table}_last PARTITION OF app.${table} FOR VALUES FROM ('2027-03-01') TO (MAXVALUE)`);
    const findings = await findingsNow({ table });
    expect(findings.map(({ finding, severity, facts }) => [finding, severity, facts['partitions']])).toEqual([
      ['off-grid', 'info', [`app.${long}`]],
      ['unmanaged', 'info', [`app.${table}_ever`, `app.${table}_sub`, `app.${table}_last`]],
      ['overlong-name', 'info', [`app.${long}`]],
    ]);
    const { code } = await runCli(['health', '--now', NOW.toString()], {
      config: configFile({ table }),
      url: database.url,
    });
    expect(code).toBe(0);
    // Nor is anything made beside an open end.
    expect(tableOf(await keeper(database, { table }).create({ now: NOW })).steps).toEqual([]);
  });

  test('bounds it cannot read, and lives with them', async () => {
    const table = `events_${++number}`;
    await database.query(`
      CREATE TABLE app.${table} (at timestamptz) PARTITION BY RANGE (at);
      CREATE TABLE app.${table}_far PARTITION OF app.${table} FOR VALUES FROM ('294000-01-01') TO ('infinity');
      CREATE TABLE app.${table}_bc PARTITION OF app.${table} FOR VALUES FROM ('0044-03-15 BC') TO ('0001-01-01 12:34:56.789 BC')`);
    const { create, health, status } = keeper(database, { table, premake: 1, retention: { years: 2 } });
    const steps = tableOf(await create({ now: NOW })).steps.map(({ partition }) => partition.slice(-7));
    expect(steps.slice(0, 2)).toEqual(['2026_11', '2026_12']);
    expect(steps).toHaveLength(26);
    expect(findingsOf(await health({ now: NOW }))).toEqual(['expired', 'off-grid', 'unmanaged']);
    expect(tableOf(await status({ now: NOW })).coverage?.partitions[0]).toMatchObject({
      name: `app.${table}_bc`,
      state: 'expired',
    });
  });

  test('partitions past their retention only after a while, and too few partitions', async () => {
    const table = `events_${++number}`;
    await database.query(`
      CREATE TABLE app.${table} (at timestamptz) PARTITION BY RANGE (at);
      CREATE TABLE app.${table}_all PARTITION OF app.${table} FOR VALUES FROM ('2026-01-01') TO ('2027-03-01')`);
    expect(await findingsNow({ table })).toMatchObject([
      { finding: 'too-few', severity: 'warning' },
      { finding: 'off-grid' },
    ]);
    await database.query(
      `CREATE TABLE app.${table}_old PARTITION OF app.${table} FOR VALUES FROM ('2025-09-01') TO ('2025-10-01')`,
    );
    const expired = async (settings: Settings) =>
      (await findingsNow({ table, ...settings })).filter(({ finding }) => finding === 'expired');
    expect(await expired({ retention: { years: 1 } })).toEqual([]);
    expect(await expired({ retention: { years: 1 }, overdueAfter: { days: 52 } })).toMatchObject([
      {
        severity: 'warning',
        facts: { expired: 1, oldest: `app.${table}_old` },
        remedy: `npx partition-keeper cleanup --table app.${table}`,
      },
    ]);
    expect(await expired({ retention: { years: 1 }, overdueAfter: { days: 53 } })).toEqual([]);
  });
});
