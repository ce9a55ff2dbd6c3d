import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../lib/config/config.ts';
import type { Check, CheckName } from '../../lib/contract.ts';
import { examine } from '../../lib/doctor/examine.ts';
import { readFacts } from '../../lib/doctor/inspect.ts';
import { connectionSettings, installScript, type Report, runDoctor } from '../../lib/index.ts';
import { openSession } from '../../lib/postgres/session.ts';
import { runCli } from '../support/cli.ts';
import type { TestDatabase } from '../support/database.ts';
import { type OwnServer, startOwnServer } from '../support/faults/own-server.ts';
import { type Blow, startProxy } from '../support/faults/proxy.ts';
import { catalogState, configFile, type Settings } from '../support/keeper.ts';
import { pidOf } from '../support/transactions.ts';

let server: OwnServer;
let database: TestDatabase;

beforeAll(async () => {
  server = await startOwnServer({
    max_prepared_transactions: '5',
    wal_level: 'replica',
    max_replication_slots: '2',
    max_wal_senders: '2',
    // So few that a few partitions are too many.
    max_locks_per_transaction: '20',
    max_connections: '20',
  });
  database = await server.createDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE app.e1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
    CREATE TABLE app.e2 PARTITION OF app.events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
    INSERT INTO app.events SELECT n, '2026-01-10 00:00+00' FROM generate_series(1, 3000) AS n;
    ANALYZE app.e1, app.e2`);
});
afterAll(() => server.stop());

const configOf = (...tables: readonly Settings[]) =>
  parseConfig(configFile(...tables), 'the config of the test');

async function doctor(
  to: { readonly url: string } = database,
  ...tables: readonly Settings[]
): Promise<Report> {
  return await runDoctor({
    config: configOf(...(tables.length === 0 ? [{}] : tables)),
    connection: connectionSettings(to.url, {}),
  });
}

const of = (report: Report, name: CheckName): readonly Check[] =>
  (report.checks ?? []).filter(({ check }) => check === name);

const told = async (name: CheckName, ...rest: Parameters<typeof doctor>): Promise<string> =>
  of(await doctor(...rest), name)
    .map(({ status, message, remedy }) => `${status}: ${message} ${remedy ?? ''}`)
    .join('\n');

test('looks at everything and changes nothing', async () => {
  const before = await catalogState(database);
  const report = await doctor();
  expect(report).toMatchObject({
    job: 'doctor',
    ok: true,
    dryRun: true,
    database: database.name,
    tables: [],
  });
  expect(of(report, 'pooler')).toMatchObject([{ status: 'ok' }]);
  expect(of(report, 'tls')).toMatchObject([{ status: 'ok' }]);
  expect(of(report, 'time-zone')).toMatchObject([{ status: 'ok' }]);
  expect(of(report, 'writable')).toMatchObject([{ status: 'ok' }]);
  expect(of(report, 'replication-slots')).toMatchObject([{ status: 'ok', message: 'none' }]);
  expect(of(report, 'statistics')).toMatchObject([
    { status: 'info', table: 'app.events', facts: { rows: 3000 } },
  ]);
  expect(of(report, 'settings')).toMatchObject([{ status: 'warning', facts: { setting: 'autovacuum' } }]);
  expect(of(report, 'growth')).toMatchObject([{ status: 'ok', table: 'app.events' }]);
  expect(await catalogState(database)).toEqual(before);
});

test('a transaction that holds locks on a partition, and one with a snapshot', async () => {
  const holder = await database.connect();
  await holder.query("SET application_name = 'month end'; BEGIN; SELECT FROM app.e1 LIMIT 1");
  const session = await openSession(connectionSettings(database.url, {}), 'doctor', 'read');
  const facts = await readFacts({
    session,
    localClock: session.server.clock,
    configured: configOf({}).tables,
    tables: configOf({}).tables,
    verified: false,
    pooled: false,
    nearby: true,
  });
  await session.client.end();
  // Nobody waits for an hour in a test: only its age is made up.
  const aged = { ...facts, transactions: facts.transactions.map((one) => ({ ...one, ageSeconds: 3600 })) };
  const checks = examine(aged).filter(({ check }) => check === 'old-transactions');
  expect(checks).toMatchObject([
    { status: 'warning', facts: { pid: await pidOf(holder), tables: ['app.events'] } },
  ]);
  expect(checks[0]?.message).toContain('month end');
  await holder.end();
});

test('a prepared transaction and a slot that nobody reads', async () => {
  await database.query(
    "BEGIN; INSERT INTO app.events VALUES (-1, '2026-01-10'); PREPARE TRANSACTION 'forgotten'",
  );
  await database.query("SELECT pg_create_physical_replication_slot('idle', true)");
  expect(await told('prepared-transactions')).toMatch(
    /^warning: .*forgotten.*app\.events.*ROLLBACK PREPARED 'forgotten';/,
  );
  expect(await told('replication-slots')).toMatch(/^warning: .*idle.*pg_drop_replication_slot\('idle'\);/);
  await database.query("ROLLBACK PREPARED 'forgotten'");
  await database.query("SELECT pg_drop_replication_slot('idle')");
  expect(await told('prepared-transactions')).toMatch(/^ok/);
});

test('a role with hardly a right is told what it lacks, and what it cannot see', async () => {
  const role = await database.createRole();
  const other = await database.createRole();
  const holder = await database.connect({ role: other });
  await database.query(
    `GRANT USAGE ON SCHEMA app TO ${other.name}; GRANT SELECT ON app.events TO ${other.name}`,
  );
  await holder.query('BEGIN; SELECT FROM app.events LIMIT 1');
  const report = await doctor(role);
  expect(of(report, 'privileges')).toMatchObject([{ status: 'critical' }]);
  expect(of(report, 'privileges')[0]?.remedy).toMatch(new RegExp(`^GRANT ".*" TO "${role.name}"`));
  expect(of(report, 'visibility')).toMatchObject([
    { status: 'info', remedy: `GRANT pg_read_all_stats TO "${role.name}";` },
  ]);
  expect(of(report, 'old-transactions')).toMatchObject([{ status: 'unknown' }]);
  expect(of(report, 'old-transactions')[0]?.message).toContain(String(await pidOf(holder)));
  await database.query(`GRANT pg_read_all_stats TO ${role.name}`);
  const seeing = await doctor(role);
  expect(of(seeing, 'visibility')).toMatchObject([{ status: 'ok' }]);
  expect(of(seeing, 'old-transactions')).toMatchObject([{ status: 'ok' }]);
  await holder.end();
});

test('who else manages the tables, and who may not read that', async () => {
  const role = await database.createRole();
  await database.query(`
    CREATE SCHEMA partman; CREATE TABLE partman.part_config (parent_table text, premake int);
    INSERT INTO partman.part_config VALUES ('app.events', 4), ('app.other', 4);
    CREATE SCHEMA cron; CREATE TABLE cron.job (jobid int, schedule text, command text, jobname text, username text);
    ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON cron.job USING (username = current_user);
    INSERT INTO cron.job VALUES (1, '0 2 1 * *', 'SELECT create_future_partitions()', 'create-partitions', 'somebody'), (2, '* * * * *', 'VACUUM', 'v', 'somebody');
    CREATE SCHEMA _timescaledb_catalog; CREATE TABLE _timescaledb_catalog.hypertable (schema_name name, table_name name);
    INSERT INTO _timescaledb_catalog.hypertable VALUES ('app', 'metrics')`);
  expect(await told('other-managers')).toMatch(
    /^warning: pg_partman manages app\.events[^\n]*\nwarning: The job create-partitions of pg_cron[^\n]*cron\.unschedule\(1\);$/,
  );
  expect(await told('other-managers', database, { table: 'metrics' })).toContain(
    'critical: app.metrics is a hypertable',
  );
  expect(await told('other-managers', role)).toMatch(
    /^unknown: pg_partman [^\n]*no right to read partman\.part_config/,
  );
  await database.query(
    `GRANT USAGE ON SCHEMA cron, partman, _timescaledb_catalog TO ${role.name}; GRANT SELECT ON cron.job, partman.part_config, _timescaledb_catalog.hypertable TO ${role.name}`,
  );
  // Jobs of others are hidden from it, and that they are is not.
  expect(await told('other-managers', role)).toMatch(
    /^warning: pg_partman [^\n]*DELETE FROM partman\.part_config [^\n]*\nunknown: pg_cron [^\n]*row security[^\n]*$/,
  );
  await database.query(`ALTER ROLE ${role.name} BYPASSRLS`);
  expect(await told('other-managers', role)).toMatch(
    /^warning: pg_partman [^\n]*\nwarning: The job create-partitions [^\n]*$/,
  );

  // Somebody has locked it: nobody waits.
  const locker = await database.connect();
  await locker.query('BEGIN; LOCK TABLE partman.part_config');
  expect(await told('other-managers')).toContain('unknown: pg_partman');
  await locker.end();
  await database.query('DROP SCHEMA partman, cron, _timescaledb_catalog CASCADE');
  expect(await told('other-managers')).toMatch(/^ok/);
});

describe('functions of ours in the database', () => {
  const install = (settings: Settings, schema?: string) =>
    database.query(installScript(configOf(settings).tables, { schema }));

  test('whose config is another one now, for a role that may not even call them', async () => {
    const role = await database.createRole();
    expect(await told('sql-functions')).toMatch(/^ok: none/);
    await install({ retention: { years: 2 } });
    await install({ retention: { years: 7 }, timeZone: '-05:30' }, "the admin's");
    for (const who of [database, role]) {
      expect(await told('sql-functions', who, { retention: { years: 7 }, timeZone: '-05:30' })).toMatch(
        /^critical: [^\n]*partition_keeper[^\n]*app\.events: retention is 2 years there, and 7 years in the config; timeZone is UTC there[^\n]* npx partition-keeper sql \| psql[^\n]*$/,
      );
    }
    await install({ retention: { years: 7 }, timeZone: '-05:30' });
    expect(await told('sql-functions', role, { retention: { years: 7 }, timeZone: '-05:30' })).toMatch(/^ok/);
  });

  test('that belong to somebody are not called', async () => {
    await database.query(`
      CREATE SEQUENCE app.calls; GRANT USAGE ON SEQUENCE app.calls TO PUBLIC;
      CREATE SCHEMA trap;
      CREATE FUNCTION trap.managed_tables() RETURNS SETOF bigint LANGUAGE sql AS 'SELECT nextval(''app.calls'')';
      COMMENT ON FUNCTION trap.managed_tables() IS 'Partition Keeper: the config the script was made from'`);
    expect(await told('sql-functions')).toContain(
      'unknown: The functions of Partition Keeper in schema trap',
    );
    expect(await database.query('SELECT is_called FROM app.calls')).toEqual([{ is_called: false }]);
    await database.query('DROP SCHEMA trap CASCADE');
  });

  test('that pg_cron calls are no other manager', async () => {
    await install({});
    await database.query(`
      CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, schedule text, command text, database text, jobname text);
      INSERT INTO cron.job VALUES (1, '0 2 1 * *', 'CALL partition_keeper.create_partitions();', current_database(), 'create-monthly-partitions'),
        (2, '0 3 1 */3 *', 'CALL partition_keeper.cleanup_partitions();', 'another', 'cleanup-old-partitions')`);
    expect(await told('other-managers')).toMatch(/^ok: .*than those of Partition Keeper/);
    expect(await told('sql-functions')).toContain('call them: create-monthly-partitions (0 2 1 * *) ');
    await database.query(`DROP SCHEMA cron, partition_keeper, "the admin's" CASCADE`);
    expect(await told('sql-functions')).toMatch(/^ok: none/);
  });
});

test('event triggers, autovacuum, and a role whose transactions are read-only', async () => {
  await database.query(`
    CREATE FUNCTION app.refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER no_drops ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION app.refuse();
    ALTER TABLE app.e1 SET (autovacuum_enabled = false)`);
  expect(await told('event-triggers')).toMatch(
    /^info: The event trigger no_drops calls app\.refuse on sql_drop/,
  );
  expect(await told('autovacuum')).toMatch(/^warning: .*1 partitions of app\.events \(app\.e1\)/);
  await database.query('DROP EVENT TRIGGER no_drops; ALTER TABLE app.e1 RESET (autovacuum_enabled)');
  const role = await database.createRole();
  expect(await told('writable', role)).toMatch(/^ok/);
  await database.query(`ALTER ROLE ${role.name} SET default_transaction_read_only = on`);
  expect(await told('writable', role)).toMatch(/^critical/);
});

test('a table that is not there, a zone that the server has not', async () => {
  expect(await told('table', database, { table: 'nothing' })).toMatch(
    /^critical: There is no table app\.nothing/,
  );
  // AT TIME ZONE by itself would read the others with the sign the other way round, and without summer time.
  for (const timeZone of ['Europe/Berlin', '-05:30', 'CET']) {
    const samples = await doctor(database, { timeZone });
    expect(of(samples, 'time-zone')).toMatchObject([{ status: 'ok' }]);
    expect(of(samples, 'time-zone')[0]?.message).toContain(timeZone);
  }
});

test('more partitions than the lock table has room for', async () => {
  await database.query(`
    CREATE TABLE app.many (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE INDEX ON app.many (at); CREATE INDEX ON app.many (id);
    ALTER TABLE app.many ADD COLUMN other int; CREATE INDEX ON app.many (other)`);
  const [slots] = await database.query<{ room: number }>(
    "SELECT (current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int + 5)) AS room",
  );
  expect(await told('lock-table', database, { table: 'many' })).toContain(`room for about ${slots?.room}`);
  const partitions = Math.ceil((slots?.room ?? 0) / 10) + 1;
  // Ten at a time: all at once would itself be out of that room.
  for (let first = 0; first < partitions; first += 10)
    await database.query(
      `DO $$ BEGIN FOR n IN ${first} .. ${Math.min(first + 9, partitions - 1)} LOOP EXECUTE format('CREATE TABLE app.many_%s PARTITION OF app.many FOR VALUES FROM (%L) TO (%L)', n, '2026-01-01'::timestamptz + n * interval '1 day', '2026-01-02'::timestamptz + n * interval '1 day'); END LOOP; END $$`,
    );
  const checks = of(await doctor(database, { table: 'many' }), 'lock-table');
  expect(checks).toMatchObject([{ status: 'warning', table: 'app.many' }]);
  // What is foretold is what a query takes, but for the few locks of looking at them.
  const client = await database.connect();
  await client.query('BEGIN');
  await client.query('SELECT count(*) FROM app.many');
  const { rows } = await client.query<{ locks: number }>(
    "SELECT count(*)::int AS locks FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384",
  );
  expect(Math.abs((rows[0]?.locks ?? 0) - Number(checks[0]?.facts['locks']))).toBeLessThan(10);
  await client.end();
});

describe('a pooler', () => {
  const PID = 'pg_catalog.pg_backend_pid()';

  test('that keeps a session for each client is told', async () => {
    await using proxy = await startProxy(database.url, {
      rewrite: (statement) => statement.replace(PID, `${PID} + 1`),
    });
    expect(await told('pooler', proxy)).toMatch(/^info/);
    expect(of(await doctor(proxy), 'table')).toMatchObject([{ status: 'ok' }]);
  });

  test.each([
    ['transactions', { rewrite: (statement: string) => statement.replace(PID, '42') }],
    [
      'statements',
      {
        rewrite: (statement: string) => statement.replace(PID, `${PID} + 1`),
        strike: (statement: string): Blow | undefined =>
          statement === 'BEGIN' ? { kind: 'fail', sqlstate: '08P01' } : undefined,
      },
    ],
  ])('that hands sessions on between %s is refused, before anything is set in one', async (_, options) => {
    await using proxy = await startProxy(database.url, options);
    const report = await doctor(proxy);
    expect(report.checks).toMatchObject([{ check: 'pooler', status: 'critical' }]);
    expect(report.serverVersion).toMatch(/^1[4-8]\./);
    expect(
      proxy.statements.filter((statement) => /set/i.test(statement.replace('current_setting', ''))),
    ).toEqual([]);
  });
});

test('the command line: for people, as JSON, without a config, without a server', async () => {
  const config = configFile({});
  const pretty = await runCli(['doctor'], { config, url: database.url });
  expect(pretty.code).toBe(3);
  expect(pretty.stdout).toContain('warning settings  autovacuum is off');
  expect(pretty.stdout).toMatch(/ok {2}privileges app\.events +\S+ may act as/);
  const json = await runCli(['doctor', '--format', 'json'], { config, url: database.url });
  expect([json.code, json.stderr]).toEqual([3, '']);
  expect((json.json() as Report).checks?.length).toBeGreaterThan(15);
  const bare = await runCli(['doctor'], { url: database.url });
  expect(bare.code).toBe(3);
  expect(bare.stdout).not.toContain('app.events');
  const away = await runCli(['doctor'], { config, url: 'postgresql://nobody@127.0.0.1:1/none' });
  expect(away.code).toBe(1);
  expect(away.stderr).toContain('cannot be reached');
});
