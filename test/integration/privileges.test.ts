import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connectionSettings,
  parseConfig,
  runCleanup,
  runCreate,
  runHealth,
  runStatus,
  runValidate,
} from '../../lib/index.ts';
import partitionsConfig from '../../partitions.config.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { at } from '../support/keeper.ts';

const NOW = at('2026-11-22T13:00:00Z');

const sql = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../sql/${path}`, import.meta.url)), 'utf8');

/** The six tables of the shipped config, and the roles of the shipped script under names of this test's own. */
describe('a role with the least privileges', () => {
  const suffix = randomBytes(4).toString('hex');
  const owner = `owner_${suffix}`;
  const name = `keeper_${suffix}`;
  let database: TestDatabase;
  let application: { readonly name: string };
  let url: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    for (const file of readdirSync(new URL('../../sql/tables/', import.meta.url)).toSorted())
      await database.query(sql(`tables/${file}`));
    application = await database.createRole();
    await database.query(
      `GRANT USAGE ON SCHEMA platform TO ${application.name}; GRANT SELECT, INSERT ON platform.audit_logs TO ${application.name}`,
    );
    await database.query(`
      CREATE TABLE platform.ancient PARTITION OF platform.audit_logs FOR VALUES FROM ('1999-01-01') TO ('1999-02-01');
      CREATE TABLE platform.audit_logs_default PARTITION OF platform.audit_logs DEFAULT;
      INSERT INTO platform.audit_logs (action, resource_type, created_at) VALUES ('read', 'file', '2026-12-24')`);
    const script = sql('roles/least-privilege.sql')
      .replaceAll('partition_owner', owner)
      .replaceAll('partition_keeper', name);
    await database.query(script);
    // Again: it changes nothing.
    await database.query(script);
    const password = randomBytes(12).toString('hex');
    await database.query(`ALTER ROLE ${name} PASSWORD '${password}'`);
    const address = new URL(database.url);
    address.username = name;
    address.password = password;
    url = address.href;
  });

  afterAll(async () => {
    await database.query(`DROP OWNED BY ${owner}, ${name} CASCADE; DROP ROLE ${owner}, ${name}`);
    await database.drop();
  });

  const options = (settings: object = {}) => ({
    config: parseConfig(
      { ...partitionsConfig, tables: partitionsConfig.tables.map((table) => ({ ...table, ...settings })) },
      'the shipped config',
    ),
    connection: connectionSettings(url, {}),
  });

  test('has no more than it should', async () => {
    const [role] = await database.query(
      'SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = $1',
      [name],
    );
    expect(role).toEqual({
      rolsuper: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolreplication: false,
      rolbypassrls: false,
    });
    expect(
      await database.query("SELECT has_table_privilege($1, 'auth.users', 'SELECT') AS may", [name]),
    ).toEqual([{ may: false }]);
  });

  test('validates, creates, moves rows, and finds nothing more to do', async () => {
    const validation = await runValidate(options());
    expect(validation.tables.flatMap(({ error }) => error ?? [])).toEqual([]);

    const created = await runCreate({ ...options(), now: NOW, from: NOW });
    expect(created.tables.flatMap(({ error }) => error ?? [])).toEqual([]);
    expect(created.tables.map(({ table, steps }) => [table, steps.length])).toEqual([
      ['audit_logs', 4],
      ['activity_logs', 4],
      ['data_access_log', 4],
      ['user_sessions', 4],
      ['file_uploads', 3],
      ['notifications', 4],
    ]);
    expect(created.tables[0]?.steps.map(({ kind }) => kind)).toEqual([
      'create',
      'move-rows',
      'create',
      'create',
    ]);
    expect(
      (await runCreate({ ...options(), now: NOW, from: NOW })).tables.flatMap(({ steps }) => steps),
    ).toEqual([]);

    // What belongs to the owner belongs to it still, and who could write before can write now.
    expect(
      await database.query(
        "SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname LIKE '%\\_20%' AND relkind = 'r'",
      ),
    ).toEqual([{ owner }]);
    expect(
      await database.query(
        "SELECT has_table_privilege($1, 'platform.audit_logs_2026_12', 'INSERT') AS insert, has_table_privilege($1, 'platform.audit_logs_2026_12', 'DELETE') AS delete",
        [application.name],
      ),
    ).toEqual([{ insert: true, delete: false }]);
    expect(await database.query('SELECT count(*)::int AS rows FROM platform.audit_logs_2026_12')).toEqual([
      { rows: 1 },
    ]);
  });

  test('looks at everything', async () => {
    const health = await runHealth({ ...options(), now: NOW });
    expect(health.tables.map(({ status }) => status)).toEqual(Array(6).fill('ok'));
    expect(
      health.tables
        .flatMap(({ findings }) => findings.map(({ finding }) => finding))
        .filter((finding) => finding === 'permission'),
    ).toEqual([]);
    expect(health.tables[0]?.gauges?.defaultRows).toBe(0);
    const status = await runStatus({ ...options(), now: NOW, exactSizes: true });
    expect(status.tables[0]?.coverage?.partitions).toHaveLength(6);
  });

  test('detaches and drops', async () => {
    const ancient = { retention: { years: 20 } };
    const detached = await runCleanup({
      ...options({ ...ancient, expired: 'detach' }),
      tables: ['platform.audit_logs'],
    });
    expect(detached.tables[0]).toMatchObject({
      status: 'ok',
      steps: [{ kind: 'detach', partition: 'platform.ancient' }],
    });
    const dropped = await runCleanup({ ...options(ancient), tables: ['platform.audit_logs'] });
    expect(dropped.tables[0]).toMatchObject({
      status: 'ok',
      steps: [{ kind: 'drop', partition: 'platform.ancient' }],
    });

    const old =
      "CREATE TABLE platform.ancient PARTITION OF platform.activity_logs FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')";
    for (const settings of [{}, { expired: 'detach' }, { grace: { hours: 1 } }]) {
      await database.query(`${old}; ALTER TABLE platform.ancient OWNER TO ${owner}`);
      const report = await runCleanup({
        ...options({ ...ancient, ...settings }),
        tables: ['platform.activity_logs'],
      });
      expect(report.tables[0]?.error).toBeUndefined();
      expect(report.tables[0]?.steps).toHaveLength(1);
      await database.query('DROP TABLE IF EXISTS platform.ancient');
    }
  });
});
