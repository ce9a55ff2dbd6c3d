import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { Temporal } from 'temporal-polyfill';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installScript, parseConfig, type SqlScriptOptions, uninstallScript } from '../../../lib/index.ts';
import { takeTableLocks } from '../../../lib/postgres/advisory-lock.ts';
import sixTables from '../../../partitions.config.ts';
import { runCli } from '../../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import {
  catalogState,
  configFile,
  describeSchema,
  keeper,
  partitionsOf,
  type Settings,
  tableOf,
} from '../../support/keeper.ts';
import { createNamedRole } from '../../support/roles.ts';
import { pidOf, waitUntilLong } from '../../support/transactions.ts';
import { waitUntil } from '../../support/wait.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

beforeEach(async () => {
  await database.query('DROP SCHEMA IF EXISTS app, partition_keeper CASCADE; CREATE SCHEMA app');
});

afterAll(async () => {
  await database.drop();
});

const scriptFor = (tables: readonly Settings[], options: SqlScriptOptions = {}): string =>
  installScript(
    parseConfig(configFile(...(tables.length === 0 ? [{}] : tables)), 'the config of the test').tables,
    options,
  );

const install = async (...tables: readonly Settings[]): Promise<void> => {
  await database.query(scriptFor(tables));
};

/** The only column of the rows. */
const column = async (sql: string): Promise<unknown[]> =>
  (await database.query(sql)).map((row) => Object.values(row)[0]);

/** What a function of the document says, which stops soon, until it has come to its end. */
async function results(call: string, query = database.query): Promise<unknown[]> {
  const all: unknown[] = [];
  for (;;) {
    const texts = (await query<{ result: string }>(`SELECT result FROM partition_keeper.${call}`)).map(
      ({ result }) => result,
    );
    all.push(...texts.filter((text) => !text.startsWith('STOPPED')));
    if (!texts.some((text) => text.startsWith('STOPPED'))) return all;
  }
}

const createEvents = (columns = 'at timestamptz NOT NULL', more = ''): Promise<unknown> =>
  database.query(`CREATE TABLE app.events (${columns}) PARTITION BY RANGE (at) ${more}`);

/** The first of a month so many months from this one, in UTC. */
const month = (from: number): string =>
  Temporal.Now.plainDateISO('UTC').with({ day: 1 }).add({ months: from }).toString();

/** `app.<name>` from the first of one month to that of another. */
const partition = (name: string, from: number, to = from + 1): string =>
  `CREATE TABLE app.${name} PARTITION OF app.events FOR VALUES FROM ('${month(from)} 00:00+00') TO ('${month(to)} 00:00+00');`;

const names = async (parent = 'app.events'): Promise<string[]> =>
  Object.keys(await partitionsOf(database, parent));

/** What the server says against it. */
async function refusal(work: Promise<unknown>): Promise<{ code: string | undefined; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof pg.DatabaseError)
      return { code: error.code, message: `${error.message} ${error.hint ?? ''}` };
    throw error;
  }
  throw new Error('It was not refused.');
}

describe('the script for the six tables', () => {
  let tables: TestDatabase;
  let script: string;

  beforeAll(async () => {
    tables = await createTestDatabase();
    const folder = new URL('../../../sql/tables/', import.meta.url);
    for (const file of readdirSync(folder).toSorted())
      await tables.query(readFileSync(new URL(file, folder), 'utf8'));
    const { code, stdout, stderr } = await runCli(['sql'], { config: sixTables });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    script = stdout;
  });

  afterAll(async () => {
    await tables.drop();
  });

  const plan = async (): Promise<number> => {
    const { code, json } = await runCli(['plan', '--format', 'json'], { config: sixTables, url: tables.url });
    expect(code).toBe(0);
    const report = json() as { tables: { steps: unknown[]; error?: unknown }[] };
    expect(report.tables.flatMap(({ error }) => error ?? [])).toEqual([]);
    return report.tables.reduce((sum, { steps }) => sum + steps.length, 0);
  };

  test('installs, and again; nothing of it waits for who calls it, or lends rights', async () => {
    await tables.query(script);
    const [before] = await tables.query(
      "SELECT count(*)::int AS routines FROM pg_proc WHERE pronamespace = 'partition_keeper'::regnamespace",
    );
    await tables.query(script);
    const [after] = await tables.query(
      "SELECT count(*)::int AS routines FROM pg_proc WHERE pronamespace = 'partition_keeper'::regnamespace",
    );
    expect(after).toEqual(before);
    expect(
      await tables.query(`SELECT proname FROM pg_proc WHERE pronamespace = 'partition_keeper'::regnamespace
        AND (prosecdef OR prokind = 'f' AND NOT coalesce(proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp', 'TimeZone=UTC'])`),
    ).toEqual([]);
  });

  test('its procedures do what a run does, and then nothing', async () => {
    expect(await plan()).toBe(23);
    await tables.query('CALL partition_keeper.create_partitions()');
    expect(await plan()).toBe(0);
    const before = await catalogState(tables);
    await tables.query('CALL partition_keeper.create_partitions(); ');
    await tables.query('CALL partition_keeper.cleanup_partitions()');
    await tables.query('SELECT * FROM partition_keeper.create_future_partitions()');
    expect(await catalogState(tables)).toEqual(before);
  });

  test('its functions answer as those of the document were meant to', async () => {
    const health = await tables.query('SELECT * FROM partition_keeper.check_partition_health()');
    expect(
      health.map(({ table_name, partition_count, status }) => [table_name, partition_count, status]),
    ).toEqual([
      ['audit_logs', 4, 'OK'],
      ['activity_logs', 4, 'OK'],
      ['data_access_log', 4, 'OK'],
      ['user_sessions', 4, 'OK'],
      ['file_uploads', 3, 'OK'],
      ['notifications', 4, 'OK'],
    ]);
    expect(Object.keys(health[0] ?? {})).toEqual([
      'schema_name',
      'table_name',
      'partition_count',
      'total_size',
      'largest_partition',
      'largest_size',
      'status',
    ]);
    await tables.query('SELECT partition_keeper.require_partition_health()');
    const sizes = await tables.query('SELECT * FROM partition_keeper.partition_sizes()');
    expect(sizes).toHaveLength(23);
    expect(Number(sizes[0]?.['bytes'])).toBeGreaterThan(0);
    expect(await tables.query('SELECT * FROM partition_keeper.partition_gaps()')).toEqual([]);
    expect(await tables.query('SELECT * FROM partition_keeper.partition_removals()')).toEqual([]);
    // Seven years and a month from now, but only to look.
    expect(
      await tables.query(
        "SELECT * FROM partition_keeper.partition_removals(now() + interval '20 years') WHERE kept_because IS NULL",
      ),
    ).toHaveLength(17);
    expect(
      (await tables.query("SELECT * FROM partition_keeper.partition_gaps(now() + interval '1 year')")).length,
    ).toBeGreaterThan(40);
    const [one] = await tables.query<{ text: string }>(
      "SELECT partition_keeper.create_monthly_partition('files', 'file_uploads', '2040-05-17') AS text",
    );
    expect(one?.text).toContain('Created partition: files.file_uploads_2040_q2');
    const [again] = await tables.query<{ text: string }>(
      "SELECT partition_keeper.create_monthly_partition('files', 'file_uploads', '2040-05-17') AS text",
    );
    expect(again?.text).toContain('Nothing to create');
    await tables.query('DROP TABLE files.file_uploads_2040_q2');
    expect(
      await refusal(tables.query("SELECT partition_keeper.create_monthly_partition('auth', 'users')")),
    ).toEqual({
      code: 'PKERR',
      message: expect.stringContaining('auth.users is not in the config'),
    });
  });

  test('uninstalls, and leaves every partition', async () => {
    const partitions = 'SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1';
    const before = await tables.query(partitions);
    const { stdout } = await runCli(['sql', '--uninstall'], { config: sixTables });
    await tables.query(stdout);
    expect(await tables.query("SELECT FROM pg_namespace WHERE nspname = 'partition_keeper'")).toEqual([]);
    expect(await tables.query(partitions)).toEqual(before);
    // Again, where nothing is.
    await tables.query(stdout);
  });

  test('is only printed for what can be', async () => {
    const config = { config: sixTables };
    expect(await runCli(['sql', '--schema', 'pg_mine'], config)).toMatchObject({ code: 2, stdout: '' });
    expect(await runCli(['sql', '--table', 'app.nothing'], config)).toMatchObject({ code: 2, stdout: '' });
    expect(await runCli(['sql', '--uninstall', '--pg-cron'], config)).toMatchObject({ code: 2, stdout: '' });
    const { stdout } = await runCli(['sql', '--table', 'auth.user_sessions'], config);
    expect(stdout).toContain("'user_sessions'");
    expect(stdout).not.toContain("'audit_logs'");
  });
});

describe('creation', () => {
  test('makes what a run makes, with all that a new partition gets', async () => {
    await using reader = await createNamedRole(database, 'reader_');
    // Gone before the role, on which it depends.
    await using other = await createTestDatabase();
    const twins = [database, other];
    for (const twin of twins) {
      await twin.query(`
        CREATE SCHEMA IF NOT EXISTS app;
        CREATE TABLE app.users (id int PRIMARY KEY);
        CREATE TABLE app.events (
          id int GENERATED ALWAYS AS IDENTITY, "the User" int REFERENCES app.users, at timestamptz NOT NULL DEFAULT now(), note text,
          twice int GENERATED ALWAYS AS ("the User" * 2) STORED, CONSTRAINT short CHECK (length(note) < 100), PRIMARY KEY (id, at)
        ) PARTITION BY RANGE (at);
        CREATE INDEX ON app.events (note);
        CREATE UNIQUE INDEX identity ON app.events ("the User", at);
        ALTER TABLE app.events ALTER "the User" SET NOT NULL, ALTER note SET STATISTICS 500;
        ALTER TABLE app.events REPLICA IDENTITY USING INDEX identity;
        COMMENT ON TABLE app.events IS 'what''s "been"';
        GRANT SELECT (note), UPDATE ON app.events TO ${reader.quoted} WITH GRANT OPTION;
        GRANT INSERT ON app.events TO PUBLIC;
        ALTER TABLE app.events ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON app.events FOR SELECT TO ${reader.quoted} USING (EXISTS (SELECT FROM app.users u WHERE u.id = events."the User"));
        CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER before_all BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.nothing();
        CREATE TABLE app.first PARTITION OF app.events FOR VALUES FROM ('${month(-1)} 00:00+00') TO ('${month(0)} 00:00+00')
          WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = off);
        CREATE TABLE app.events_default PARTITION OF app.events DEFAULT`);
    }
    await install();
    await database.query('CALL partition_keeper.create_partitions()');
    const report = await keeper(other).create();
    expect(tableOf(report).status).toBe('ok');
    expect((await names()).length).toBe(6);
    expect(await describeSchema(database)).toEqual(await describeSchema(other));
  });

  test('belongs to the owner, when a member calls it, and is refused to strangers', async () => {
    await createEvents();
    await using owner = await createNamedRole(database, 'owner_');
    const member = await database.createRole({ inherit: false });
    const stranger = await database.createRole();
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.quoted}; ALTER TABLE app.events OWNER TO ${owner.quoted};
      ${partition('of_old', -9)} ${partition('present', 0)} ALTER TABLE app.of_old OWNER TO ${owner.quoted};
      GRANT ${owner.quoted} TO ${member.name}`);
    await install({ retention: { months: 3 } });
    await database.query(`GRANT USAGE ON SCHEMA partition_keeper TO ${member.name}, ${stranger.name}`);

    const outside = await database.connect({ role: stranger });
    const before = await catalogState(database);
    for (const call of ['create_partitions()', 'cleanup_partitions(approve => true)'])
      expect(await refusal(outside.query(`CALL partition_keeper.${call}`))).toMatchObject({
        message: expect.stringContaining('permission denied'),
      });
    expect(await catalogState(database)).toEqual(before);

    const inside = await database.connect({ role: member });
    await inside.query('CALL partition_keeper.create_partitions()');
    await inside.query('CALL partition_keeper.cleanup_partitions(approve => true)');
    expect(
      await column("SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname LIKE 'events%'"),
    ).toEqual([owner.name]);
    expect(await names()).not.toContain('of_old');
    expect((await inside.query('SELECT current_user AS me')).rows).toEqual([{ me: member.name }]);
  });

  test('does not depend on the session, nor on what others have put into its path', async () => {
    await createEvents();
    await install({ timeZone: 'America/New_York' });
    await database.query(`
      CREATE SCHEMA evil;
      CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2001-01-01' $$;
      CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
      CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same)`);
    const session = await database.connect();
    await session.query(`
      SET search_path = evil, pg_catalog; SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET quote_all_identifiers = on;
      SET default_transaction_isolation = serializable; SET standard_conforming_strings = off; SET IntervalStyle = 'sql_standard'; SET lock_timeout = '30s'`);
    await session.query('CALL partition_keeper.create_partitions()');
    expect(tableOf(await keeper(database, { timeZone: 'America/New_York' }).plan()).steps).toEqual([]);
    expect((await names()).length).toBe(4);
    expect((await session.query('SHOW search_path')).rows).toEqual([{ search_path: 'evil, pg_catalog' }]);
    expect((await session.query('SHOW lock_timeout')).rows).toEqual([{ lock_timeout: '30s' }]);
    await session.query(
      "SET default_transaction_isolation = 'read committed'; BEGIN ISOLATION LEVEL REPEATABLE READ",
    );
    const { rows } = await session.query<{ result: string }>(
      'SELECT result FROM partition_keeper.create_future_partitions(9)',
    );
    expect(rows.map(({ result }) => result)).toEqual([expect.stringContaining('READ COMMITTED')]);
    await session.query('ROLLBACK');
    await database.query('DROP SCHEMA evil CASCADE');
  });

  const createOne = async (date?: string): Promise<string> => {
    const call = `create_monthly_partition('app', 'events'${date === undefined ? '' : `, '${date}'`})`;
    for (;;) {
      const text = String((await column(`SELECT partition_keeper.${call}`))[0]);
      if (!text.includes('STOPPED')) return text;
    }
  };

  test('of the current partition is that of this hour, where intervals are hours', async () => {
    await createEvents();
    await install({ interval: 'hour', timeZone: 'Asia/Kolkata' });
    // One transaction, and so one moment.
    await database.query(`
      SELECT partition_keeper.create_monthly_partition('app', 'events');
      INSERT INTO app.events VALUES (now())`);
    expect(await names()).toHaveLength(1);
    await createOne();
    expect((await names()).length).toBeLessThanOrEqual(2);
  });

  test.each([
    ['timestamptz', '2026-03-29', 23, '2026-03-28 23:00:00', '2026-03-29 22:00:00'],
    // The hour that clocks show twice is one partition.
    ['timestamptz', '2026-10-25', 24, '2026-10-24 22:00:00', '2026-10-25 23:00:00'],
    ['timestamp', '2026-03-29', 24, '2026-03-29', '2026-03-30'],
  ])(
    'for a date is of all its hours, where intervals are hours: %s, %s',
    async (type, date, count, from, to) => {
      await createEvents(`at ${type} NOT NULL`);
      await install({ interval: 'hour', timeZone: 'Europe/Berlin' });
      await createOne(date);
      const bounds = Object.values(await partitionsOf(database)).map((text) => text.split(' .. '));
      expect(bounds).toHaveLength(count);
      expect([bounds[0]?.[0], ...bounds.map(([, end]) => end)]).toEqual([
        from,
        ...bounds.slice(1).map(([begin]) => begin),
        to,
      ]);
      expect(await createOne(date)).toContain('Nothing to create');
    },
  );

  test('of one partition that is not possible does not keep the others', async () => {
    await createEvents();
    await database.query(`
      CREATE TABLE app.events_${month(2).slice(0, 7).replace('-', '_')} (note text);
      CREATE TABLE app.rest PARTITION OF app.events DEFAULT;
      INSERT INTO app.rest VALUES ('${month(1)} 12:00+00')`);
    await install({ schema: 'app', table: 'gone' }, {});
    const { message } = await refusal(database.query('CALL partition_keeper.create_partitions()'));
    expect(message).toMatch(/app\.gone cannot be looked after as configured: There is no such table/);
    expect(message).toContain('holds rows of that stretch');
    expect(message).toContain('another relation is named');
    expect(await names()).toHaveLength(3);
    expect(await results('create_future_partitions()')).toEqual([
      expect.stringMatching(/^FAILED: app\.gone/),
      expect.stringMatching(/^FAILED: events_.* holds rows/),
      expect.stringMatching(/^FAILED: app\.events_.* another relation/),
    ]);
    expect(await column('SELECT status FROM partition_keeper.check_partition_health()')).toEqual([
      expect.stringContaining('no such table'),
      expect.stringMatching(/CRITICAL|partitions missing: [12],/),
    ]);
    expect(
      (await refusal(database.query('SELECT partition_keeper.require_partition_health()'))).message,
    ).toContain('app.gone');
  });

  test('is refused beside a default that is too large, foreign, or has partitions that are', async () => {
    await createEvents('at timestamptz NOT NULL, note text');
    // A row on each page.
    await database.query(`
      CREATE TABLE app.rest PARTITION OF app.events DEFAULT PARTITION BY RANGE (at);
      CREATE TABLE app.rest_of_rest PARTITION OF app.rest DEFAULT PARTITION BY RANGE (at);
      CREATE UNLOGGED TABLE app.leaf PARTITION OF app.rest_of_rest DEFAULT WITH (fillfactor = 10);
      INSERT INTO app.leaf SELECT '1999-01-01', repeat('a', 1000) FROM generate_series(1, 129 * 128)`);
    await install();
    const { message } = await refusal(database.query('CALL partition_keeper.create_partitions()'));
    expect(message).toContain('the default partition app.rest is larger than 128 MiB');
    expect(await names()).toEqual(['rest']);
    await database.query(`
      DROP TABLE app.leaf;
      CREATE FOREIGN DATA WRAPPER nowhere;
      CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
      CREATE FOREIGN TABLE app.leaf PARTITION OF app.rest_of_rest DEFAULT SERVER nowhere`);
    expect((await refusal(database.query('CALL partition_keeper.create_partitions()'))).message).toContain(
      'is a foreign table, or has one',
    );
    await database.query('DROP FOREIGN DATA WRAPPER nowhere CASCADE');
    expect(await names()).toEqual(['rest']);
  });

  test('goes on behind several that are not possible', async () => {
    await createEvents();
    // The first stands in the way of two partitions, on both sides of that of an hour.
    const blocked = [1, 2].map((from) => `events_${month(from).slice(0, 7).replace('-', '_')}`);
    await database.query(blocked.map((name) => `CREATE TABLE app.${name} (note text)`).join(';'));
    await database.query(`${partition('present', 0)} CREATE TABLE app.part PARTITION OF app.events
      FOR VALUES FROM ('${month(1)} 12:00+00') TO ('${month(1)} 13:00+00')`);
    await install({ premake: 4 });
    const { message } = await refusal(database.query('CALL partition_keeper.create_partitions()'));
    expect(message.match(/another relation/g)).toHaveLength(2);
    expect((await names()).toSorted()).toEqual(
      [
        'part',
        'present',
        ...[3, 4].map((from) => `events_${month(from).slice(0, 7).replace('-', '_')}`),
      ].toSorted(),
    );
  });

  test('by a function stops soon, says so, and goes on when it is called again', async () => {
    await createEvents();
    await install({ interval: 'day' }, { table: 'gone' });
    await database.query(
      `CREATE TABLE app.of_old PARTITION OF app.events FOR VALUES FROM ('${month(-3)} 00:00+00') TO ('${month(-2)} 00:00+00')`,
    );
    const [first = 0] = await database
      .query<{ result: string }>('SELECT result FROM partition_keeper.create_future_partitions()')
      .then((rows) => {
        expect(rows.at(-1)?.result).toMatch(
          /^STOPPED: app\.events, app\.gone: .* CALL partition_keeper\.create_partitions\(\);$/,
        );
        return [rows.length];
      });
    expect(first).toBeGreaterThan(2);
    // One row says that it has stopped, one partition was there.
    expect((await names()).length).toBe(first);
    await results('create_future_partitions()');
    expect(tableOf(await keeper(database, { interval: 'day' }).plan()).steps).toEqual([]);
  });

  test('takes the number of months of the document, for longer intervals as for months', async () => {
    await createEvents();
    await database.query(`
      CREATE TABLE app.quarters (at date NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.days (at timestamp NOT NULL) PARTITION BY RANGE (at)`);
    await install(
      {},
      { table: 'quarters', interval: 'quarter' },
      { table: 'days', interval: 'day', premake: 2 },
    );
    await results('create_future_partitions(4)');
    expect(await names()).toHaveLength(5);
    expect(await names('app.quarters')).toHaveLength(3);
    expect(await names('app.days')).toHaveLength(3);
  });
});

describe('health', () => {
  test('is not said to be good where the default partition cannot be looked into', async () => {
    await createEvents();
    const watcher = await database.createRole();
    await install();
    await database.query('CALL partition_keeper.create_partitions()');
    await database.query(`
      CREATE TABLE app.rest PARTITION OF app.events DEFAULT;
      INSERT INTO app.rest VALUES ('1999-01-01');
      GRANT USAGE ON SCHEMA app, partition_keeper TO ${watcher.name}`);
    const client = await database.connect({ role: watcher });
    const status = async (): Promise<string> =>
      (await client.query<{ status: string }>('SELECT status FROM partition_keeper.check_partition_health()'))
        .rows[0]?.status ?? '';
    const unseen = /^WARNING: the default partition app\.rest could not be looked into: /;
    expect(await status()).toMatch(unseen);
    await expect(client.query('SELECT partition_keeper.require_partition_health()')).rejects.toThrow(
      'looked into',
    );
    await database.query(`GRANT SELECT ON app.rest TO ${watcher.name}`);
    expect(await status()).toBe('WARNING: the default partition app.rest holds rows');
    // Rows that a policy hides are rows.
    await database.query('ALTER TABLE app.rest ENABLE ROW LEVEL SECURITY');
    expect(await status()).toMatch(unseen);
    await database.query('ALTER TABLE app.rest DISABLE ROW LEVEL SECURITY');
    await database.query('BEGIN; LOCK TABLE ONLY app.rest IN ACCESS EXCLUSIVE MODE');
    expect(await status()).toMatch(unseen);
    await database.query('COMMIT');
  });
});

describe('what is wrong with one table', () => {
  test('hides nothing of the others', async () => {
    await createEvents();
    await database.query(`
      CREATE TABLE app.plain (at timestamptz NOT NULL);
      CREATE TABLE app.zoned (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      ${partition('of_old', -9)} ${partition('present', 0)}`);
    const retention = { months: 3 };
    const tables = [
      { table: 'gone' },
      { table: 'plain' },
      { table: 'zoned', timeZone: 'Europe/Lisbon', retention },
      { retention },
    ];
    // A server of older time zones.
    await database.query(scriptFor(tables).replaceAll("'Europe/Lisbon'", "'Europe/Nowhere'"));
    const problems = [
      ['gone', expect.stringContaining('no such table')],
      ['plain', expect.stringContaining('not a partitioned table')],
      ['zoned', expect.stringContaining('Europe/Nowhere')],
    ];
    const rows = async (query: string): Promise<unknown[]> =>
      (await database.query(query)).map((row) => Object.values(row));
    expect(
      await rows('SELECT table_name, problem FROM partition_keeper.partition_gaps() WHERE missing IS NULL'),
    ).toEqual(problems);
    expect(
      await column('SELECT DISTINCT table_name FROM partition_keeper.partition_gaps() WHERE problem IS NULL'),
    ).toEqual(['events']);
    expect(
      await rows('SELECT table_name, kept_because, partition FROM partition_keeper.partition_removals()'),
    ).toEqual([...problems.map((problem) => [...problem, null]), ['events', null, 'app.of_old']]);
    expect(
      await rows(
        `SELECT table_name, status FROM partition_keeper.check_partition_health() WHERE status <> 'OK'`,
      ),
    ).toEqual([...problems, ['events', expect.stringContaining('see partition_gaps()')]]);
    expect(
      await column('SELECT partition FROM partition_keeper.partition_sizes() ORDER BY partition'),
    ).toEqual(['app.of_old', 'app.present']);
  });
});

describe('names of any kind', () => {
  test('are names', async () => {
    const schema = `we"ird $check$ \\ 'x'; DROP`;
    const table = `${'ä'.repeat(20)} "\n'b`;
    const config = { schema, table, partitionKey: 'at"\\', retention: { months: 6 } };
    const functions = `fun"c $check$ \\ '\n`;
    const quoted = (name: string) => pg.escapeIdentifier(name);
    expect(Buffer.byteLength(`${table}_9999_12`)).toBeLessThanOrEqual(63);
    await database.query(`
      CREATE SCHEMA ${quoted(schema)};
      CREATE TABLE ${quoted(schema)}.${quoted(table)} (${quoted(config.partitionKey)} timestamptz NOT NULL) PARTITION BY RANGE (${quoted(config.partitionKey)});
      CREATE TABLE ${quoted(schema)}."old ""one" PARTITION OF ${quoted(schema)}.${quoted(table)} FOR VALUES FROM ('2001-01-01') TO ('2002-01-01')`);
    await database.query(scriptFor([config], { schema: functions }));
    await database.query(`CALL ${quoted(functions)}.create_partitions()`);
    await database.query(`CALL ${quoted(functions)}.cleanup_partitions(approve => true)`);
    expect(tableOf(await keeper(database, config).plan()).steps).toEqual([]);
    expect(await column(`SELECT status FROM ${quoted(functions)}.check_partition_health()`)).toEqual(['OK']);
    expect(await names(`${quoted(schema)}.${quoted(table)}`)).toHaveLength(10);
    await database.query(uninstallScript({ schema: functions }));
    expect(await database.query('SELECT FROM pg_namespace WHERE nspname = $1', [functions])).toEqual([]);
    await database.query(`DROP SCHEMA ${quoted(schema)} CASCADE`);
  });
});

describe('removal', () => {
  const RETENTION = { retention: { months: 6 } };
  const cleanup = (options = ''): Promise<unknown> =>
    database.query(`CALL partition_keeper.cleanup_partitions(${options})`);

  test('goes by bounds, to the hour, and never by names', async () => {
    await createEvents();
    await database.query(
      `
      ${partition('events_2001_01', -1)} ${partition('events_2099_01', -9)} ${partition('quite_new', -3, 1)} ${partition('next', 1)}
      ${partition('straddling', -7, -3)}
      CREATE TABLE app.events_2002_01 (at timestamptz); CREATE TABLE app.legal_hold_events_2019_01 (at timestamptz)`.replace(
        partition('events_2001_01', -1),
        '',
      ),
    );
    await install(RETENTION);
    expect(
      await database.query('SELECT partition, kept_because FROM partition_keeper.partition_removals()'),
    ).toEqual([{ partition: 'app.events_2099_01', kept_because: null }]);
    expect(await results('cleanup_old_partitions()')).toEqual([
      expect.stringContaining('Dropped partition: events_2099_01 of app.events'),
    ]);
    expect((await names()).toSorted()).toEqual(['next', 'quite_new', 'straddling']);
    expect(
      await column(
        "SELECT count(*)::int FROM pg_class WHERE relname IN ('events_2002_01', 'legal_hold_events_2019_01')",
      ),
    ).toEqual([2]);
    expect(await results('cleanup_old_partitions()')).toEqual([]);
  });

  test('begins at the very moment at which all of a partition is past retention, and not before', async () => {
    await createEvents();
    await database.query(`${partition('old', -9)} ${partition('present', 0)} ${partition('next', 1)}`);
    await install(RETENTION);
    const at = (moment: string) =>
      column(`SELECT partition FROM partition_keeper.partition_removals(timestamptz '${moment}')`);
    expect(await at(`${month(-2)} 00:00:00+00`)).toEqual(['app.old']);
    const [before] = await column(
      `SELECT (timestamptz '${month(-2)} 00:00:00+00' - interval '1 microsecond')::text`,
    );
    expect(await at(String(before))).toEqual([]);
  });

  test('tells partitions of one name in several schemas apart', async () => {
    await createEvents('id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)');
    await database.query(`DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA aside;
      ${partition('one', -20)} ${partition('one', -19).replace('app.one', 'aside.one')} ${partition('present', 0)}
      CREATE VIEW app.view AS SELECT * FROM app.one`);
    await install({ ...RETENTION, maxExpiredShare: 1 });
    expect((await refusal(cleanup())).message).toContain('cannot drop table app.one');
    expect(await names()).toEqual(['one', 'present']);
    expect(await column("SELECT to_regclass('aside.one')")).toEqual([null]);
    await database.query('DROP SCHEMA aside CASCADE');
  });

  test('is not to be had for what may not be removed', async () => {
    await createEvents();
    await database.query(`${partition('young', -1)} ${partition('present', 0)}`);
    await install(RETENTION);
    const drop = database.query(
      "SELECT partition_keeper._drop_partition('app', 'events', 'app.young'::regclass)",
    );
    expect(await refusal(drop)).toMatchObject({ code: 'PKCHG' });
    expect(await names()).toEqual(['young', 'present']);
  });

  test.each([
    ['-05:00', ''],
    ['CET', ''],
    ['Etc/GMT+5', ''],
    ['MSK', 'reads the time zone MSK of the config in another way'],
    ['Abc5', 'reads the time zone Abc5 of the config in another way'],
  ])(
    'keeps what is inside retention by the zone %s of the config, or does nothing',
    async (timeZone, against) => {
      // As the config would not have it, but another version might.
      const script = scriptFor([
        { interval: 'day', retention: { hours: 46 }, timeZone: against === '' ? timeZone : 'Asia/Tokyo' },
      ]);
      await database.query(`CREATE TABLE app.events (at timestamp NOT NULL) PARTITION BY RANGE (at)`);
      const start = Temporal.Now.plainDateISO('UTC');
      const hours = Array.from({ length: 96 }, (_, hour) =>
        start.toPlainDateTime().subtract({ hours: hour }),
      );
      await database.query(
        hours
          .map(
            (from, hour) =>
              `CREATE TABLE app.hour_${hour} PARTITION OF app.events FOR VALUES FROM ('${from}') TO ('${from.add({ hours: 1 })}')`,
          )
          .join(';'),
      );
      await database.query(script.replaceAll("'Asia/Tokyo'", `'${timeZone}'`));
      const removals = database.query(
        'SELECT partition, kept_because, refusal FROM partition_keeper.partition_removals()',
      );
      if (against !== '') {
        expect(await removals).toEqual([
          { partition: null, kept_because: expect.stringContaining(against), refusal: null },
        ]);
        expect(
          (await refusal(database.query('CALL partition_keeper.create_partitions()'))).message,
        ).toContain(against);
        expect(await names()).toHaveLength(96);
        return;
      }
      const plan = tableOf(
        await keeper(database, {
          interval: 'day',
          retention: { hours: 46 },
          timeZone,
          maxExpiredShare: 1,
        }).plan(),
      );
      const kept = plan.steps.flatMap((step) => (step.kind === 'drop' ? [step.partition] : []));
      expect(kept.length).toBeGreaterThan(20);
      const removed = (await removals).map(({ partition }) => partition);
      // It may be an hour later by now.
      expect(kept).toEqual(expect.arrayContaining(removed));
      expect(removed.length).toBeGreaterThanOrEqual(kept.length - 1);
    },
  );

  test('is judged once more under the locks', async () => {
    await createEvents();
    await database.query(`${partition('one', -20)} ${partition('two', 0)}`);
    await install(RETENTION);
    const other = await database.connect();
    const session = await database.connect();
    const pid = await pidOf(session);
    const attach = partition('one', -20).replace(
      'CREATE TABLE app.one PARTITION OF app.events',
      'ALTER TABLE app.events ATTACH PARTITION app.one',
    );
    let code: string | undefined;
    // Somebody detaches it while the function waits for the lock; until that is seen before the wait has ended.
    while (code !== 'PKCHG') {
      await other.query('BEGIN; ALTER TABLE app.events DETACH PARTITION app.one');
      let over = false;
      const dropping = refusal(
        session.query("SELECT partition_keeper._drop_partition('app', 'events', 'app.one'::regclass)"),
      ).finally(() => {
        over = true;
      });
      let waits = false;
      while (!over && !waits)
        waits =
          (await database.query('SELECT FROM pg_locks WHERE pid = $1 AND NOT granted', [pid])).length > 0;
      await other.query('COMMIT');
      code = (await dropping).code;
      expect(['55P03', 'PKCHG']).toContain(code);
      expect(await column("SELECT to_regclass('app.one') IS NOT NULL")).toEqual([true]);
      await other.query(attach);
    }
  });

  test('waits for approval when it would be too much', async () => {
    await createEvents();
    await database.query(`${partition('one', -20)} ${partition('two', -19)} ${partition('three', 0)}`);
    await install(RETENTION);
    const refused =
      '2 of its 3 partitions are past retention, more than the share of 0.5 allowed by maxExpiredShare';
    expect((await refusal(cleanup())).message).toContain(refused);
    expect(await results('cleanup_old_partitions()')).toEqual([
      expect.stringContaining(`REFUSED: app.events: Nothing of app.events is removed: ${refused}`),
    ]);
    expect(await names()).toHaveLength(3);
    await cleanup("'app.events', approve => true");
    expect(await names()).toEqual(['three']);
    expect((await refusal(cleanup("'app.others'"))).message).toContain('not in the config');
  });

  test.each([{ expired: 'detach' as const }, { grace: { days: 1 } }])(
    'is left to a run where the config says %j',
    async (settings) => {
      await createEvents();
      await database.query(`${partition('one', -20)} ${partition('three', 0)}`);
      await install({ ...RETENTION, ...settings });
      expect(scriptFor([{ ...RETENTION, ...settings }])).toContain('grace period: app.events.');
      await cleanup('approve => true');
      await database.query('SELECT partition_keeper.cleanup_old_partitions()');
      expect(await names()).toHaveLength(2);
      expect(await column('SELECT kept_because FROM partition_keeper.partition_removals()')).toEqual([
        expect.stringContaining('CONCURRENTLY'),
      ]);
    },
  );

  test('keeps what is referred to, what others depend on, the last one and the default', async () => {
    await createEvents('id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)');
    await database.query(`
      ${partition('referenced', -20)} ${partition('looked_at', -19)} ${partition('free', -18)} ${partition('last', -17)}
      CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
      CREATE TABLE app.referring (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES app.referenced);
      CREATE VIEW app.view AS SELECT * FROM app.looked_at`);
    await install({ ...RETENTION, maxExpiredShare: 1 });
    expect((await refusal(cleanup())).message).toContain(
      'looked_at of app.events: cannot drop table app.looked_at',
    );
    expect(await names()).toEqual(['referenced', 'looked_at', 'last', 'events_default']);
  });

  test('takes no instant from anybody', async () => {
    await install(RETENTION);
    expect(
      await column(`SELECT proname::text FROM pg_proc WHERE pronamespace = 'partition_keeper'::regnamespace AND proname ~ 'cleanup' AND proname !~ '^_'
        AND 'timestamptz'::regtype = ANY (proargtypes)`),
    ).toEqual([]);
  });
});

describe('others', () => {
  const RETENTION = { retention: { months: 6 }, maxExpiredShare: 1 };
  /** Somebody who has read from the table, or written to it, and goes on for a while. */
  async function busyWith(statement: string): Promise<pg.Client> {
    const client = await database.connect();
    await client.query('BEGIN');
    await client.query(statement);
    await waitUntilLong(database, await pidOf(client));
    return client;
  }

  /** Calls the procedure and sees it wait, in one transaction after another, while nobody has to wait behind it. */
  async function callThatWaits(procedure: string): Promise<{ readonly end: Promise<unknown> }> {
    const session = await database.connect();
    const pid = await pidOf(session);
    let over = false;
    const running = session.query(`CALL partition_keeper.${procedure}`).finally(() => {
      over = true;
    });
    const transactions = new Set<string>();
    await waitUntil(
      async () => {
        const [look] = await database.query<{ began: string; waiting: number }>(
          `SELECT (SELECT xact_start::text FROM pg_stat_activity WHERE pid = $1) AS began,
                  (SELECT count(*)::int FROM pg_locks WHERE pid = $1 AND NOT granted) AS waiting`,
          [pid],
        );
        expect(look?.waiting).toBe(0);
        transactions.add(look?.began ?? '');
        return transactions.size > 6 || over;
      },
      { what: 'the procedure waits', timeoutMs: 60_000 },
    );
    expect(over).toBe(false);
    return { end: running };
  }

  test('who hold a lock for long are waited for where nobody waits behind it', async () => {
    await createEvents();
    await database.query(`${partition('one', -20)} ${partition('two', 0)}`);
    await install(RETENTION);
    const reader = await busyWith('SELECT * FROM app.events');
    const call = await callThatWaits('cleanup_partitions()');
    // A function does not wait.
    expect(await results('cleanup_old_partitions()')).toEqual([
      expect.stringContaining('LOCKED: one of app.events'),
    ]);
    await reader.query('COMMIT');
    await call.end;
    expect(await names()).toEqual(['two']);
  });

  test('who write to a table that foreign keys refer to do not have others wait behind them', async () => {
    await database.query('CREATE TABLE app.users (id int PRIMARY KEY)');
    await createEvents('at timestamptz NOT NULL, by int REFERENCES app.users');
    await install();
    const writer = await busyWith('INSERT INTO app.users VALUES (1)');
    const call = await callThatWaits('create_partitions()');
    await writer.query('COMMIT');
    await call.end;
    expect(await names()).toHaveLength(4);
  });

  test('who follow each other without a gap do not keep it from trying, again and again', async () => {
    await database.query('CREATE TABLE app.users (id int)');
    await database.query('ALTER TABLE app.users ADD PRIMARY KEY (id)');
    await createEvents('at timestamptz NOT NULL, by int REFERENCES app.users');
    await install({ premake: 1 });
    let [one, other] = [await database.connect(), await database.connect()];
    let last = 0;
    const write = async (client: pg.Client): Promise<unknown> => {
      last += 1;
      return await client.query(`BEGIN; INSERT INTO app.users VALUES (${last}); SELECT pg_sleep(0.2)`);
    };
    let busy = true;
    await write(one);
    const traffic = (async () => {
      while (busy) {
        await write(other);
        await one.query('COMMIT');
        [one, other] = [other, one];
      }
      await one.query('COMMIT');
    })();
    const session = await database.connect();
    const pid = await pidOf(session);
    let over = false;
    const creating = session.query('CALL partition_keeper.create_partitions()').finally(() => {
      over = true;
    });
    let attempts = 0;
    let waited = false;
    const until = performance.now() + 40_000;
    while (attempts < 2 && !over && performance.now() < until) {
      const waits =
        (await database.query('SELECT FROM pg_locks WHERE pid = $1 AND NOT granted', [pid])).length > 0;
      if (waits && !waited) attempts += 1;
      waited = waits;
    }
    const hasTried = over || attempts === 2;
    busy = false;
    await traffic;
    await creating;
    expect(hasTried).toBe(true);
    expect(await names()).toHaveLength(2);
  }, 120_000);

  test('who work on another partition are not waited for', async () => {
    await createEvents();
    await database.query(`${partition('one', -20)} ${partition('two', 0)}`);
    await install(RETENTION);
    const writer = await busyWith('SELECT * FROM app.two');
    await database.query('SET statement_timeout = 20000');
    await database.query('CALL partition_keeper.cleanup_partitions()');
    await database.query('RESET statement_timeout');
    expect(await names()).toEqual(['two']);
    await writer.query('COMMIT');
  });

  test('are not waited for when there is nothing to do', async () => {
    await createEvents();
    await install(RETENTION);
    await database.query('CALL partition_keeper.create_partitions()');
    const reader = await busyWith('LOCK app.events IN ROW EXCLUSIVE MODE');
    await database.query('SET lock_timeout = 100');
    await database.query('CALL partition_keeper.cleanup_partitions()');
    await database.query('RESET lock_timeout');
    await reader.query('COMMIT');
  });

  test('who work on the table as a run of Partition Keeper does are left alone, and leave alone', async () => {
    await createEvents();
    await database.query(`${partition('one', -20)} ${partition('two', 0)}`);
    await install(RETENTION);
    const run = await database.connect();
    expect(await takeTableLocks(run, [{ schema: 'app', table: 'events' }])).toEqual([true]);
    const before = await catalogState(database);
    await database.query('CALL partition_keeper.create_partitions(); ');
    await database.query('CALL partition_keeper.cleanup_partitions(); ');
    expect(await results('create_future_partitions()')).toEqual([
      expect.stringContaining('another run is working on it'),
    ]);
    expect(await catalogState(database)).toEqual(before);
    await run.end();

    const session = await database.connect();
    await session.query('BEGIN');
    await results('create_future_partitions()', async (sql) => (await session.query(sql)).rows);
    expect(tableOf(await keeper(database, RETENTION).create())).toMatchObject({
      status: 'skipped',
      steps: [],
    });
    await session.query('COMMIT');
    expect(tableOf(await keeper(database, RETENTION).create())).toMatchObject({ status: 'ok', steps: [] });
  });
});

describe('installing', () => {
  test('takes the place of the functions of the document, and of an older version', async () => {
    await createEvents();
    await database.query(`
      CREATE SCHEMA partition_keeper;
      CREATE FUNCTION partition_keeper.create_monthly_partition(schema_name text, table_name text, partition_date date DEFAULT CURRENT_DATE) RETURNS text LANGUAGE sql AS $$ SELECT '' $$;
      CREATE FUNCTION partition_keeper.create_future_partitions(months_ahead integer DEFAULT 12) RETURNS TABLE (result text) LANGUAGE sql AS $$ SELECT '' $$;
      CREATE FUNCTION partition_keeper.cleanup_old_partitions() RETURNS TABLE (result text) LANGUAGE sql AS $$ SELECT '' $$;
      CREATE FUNCTION partition_keeper.check_partition_health() RETURNS TABLE (schema_name text, table_name text, partition_count integer,
        total_size text, largest_partition text, largest_size text, status text) LANGUAGE sql AS $$ SELECT '', '', 1, '', '', '', '' $$;
      CREATE FUNCTION partition_keeper.partition_sizes(days int) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
      COMMENT ON FUNCTION partition_keeper.partition_sizes(int) IS 'Partition Keeper: an older one';
      CREATE FUNCTION partition_keeper.partition_gaps(at timestamptz DEFAULT now()) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
      COMMENT ON FUNCTION partition_keeper.partition_gaps(timestamptz) IS 'Partition Keeper: an older one, which returned something else';
      CREATE FUNCTION partition_keeper.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$`);
    await install();
    await database.query(
      'SELECT * FROM partition_keeper.partition_gaps(); SELECT * FROM partition_keeper.partition_sizes()',
    );
    expect(await results('create_future_partitions()')).toHaveLength(4);
    // What is somebody else's, and the schema that holds it, remain.
    await database.query(uninstallScript());
    expect(
      await column("SELECT proname::text FROM pg_proc WHERE pronamespace = 'partition_keeper'::regnamespace"),
    ).toEqual(['mine']);
  });

  test.each([
    ['month', 'year', '0 2 1 * *'],
    ['month', 'week', '0 2 * * *'],
    ['day', 'month', '0 2 * * *'],
    ['day', 'hour', '0 * * * *'],
  ] as const)('schedules creation for %s and %s as often as %s needs it', (one, other, schedule) => {
    const script = scriptFor([{ interval: one }, { table: 'others', interval: other }], { pgCron: true });
    expect(script).toContain(`SELECT cron.schedule('create-monthly-partitions', '${schedule}', `);
    expect(script).toContain(
      `cron.schedule_in_database('create-monthly-partitions@DATABASE', '${schedule}', 'CALL partition_keeper.create_partitions();', 'DATABASE', 'ROLE');`,
    );
  });

  test('is refused as a whole without pg_cron, and where everybody may make functions', async () => {
    expect((await refusal(database.query(scriptFor([], { pgCron: true })))).message).toContain(
      'pg_cron is not installed',
    );
    await database.query('ROLLBACK');
    expect(await database.query("SELECT FROM pg_namespace WHERE nspname = 'partition_keeper'")).toEqual([]);
    await database.query('GRANT CREATE ON SCHEMA app TO PUBLIC');
    expect((await refusal(database.query(scriptFor([], { schema: 'app' })))).message).toContain(
      'Everybody may create functions in schema app',
    );
    await database.query('ROLLBACK');
  });

  test('is refused where somebody else could change the functions', async () => {
    await using stranger = await createNamedRole(database, 'stranger_');
    const installer = await database.createRole();
    const trusted = await database.connect({ role: installer });
    for (const [statement, message] of [
      [`ALTER SCHEMA app OWNER TO ${stranger.quoted}`, `Schema app belongs to role ${stranger.name}`],
      [
        `ALTER SCHEMA app OWNER TO ${installer.name}; GRANT CREATE ON SCHEMA app TO ${stranger.quoted}`,
        `In schema app, role ${stranger.name} may create functions`,
      ],
      [
        `REVOKE CREATE ON SCHEMA app FROM ${stranger.quoted};
         CREATE FUNCTION app._earlier(timestamp, text) RETURNS timestamptz LANGUAGE sql AS 'SELECT now()';
         ALTER FUNCTION app._earlier OWNER TO ${stranger.quoted}`,
        `a function that has the name of one of these belongs to role ${stranger.name}`,
      ],
    ] as const) {
      await database.query(statement);
      expect((await refusal(trusted.query(scriptFor([], { schema: 'app' })))).message).toContain(message);
      await trusted.query('ROLLBACK');
    }
    // Also to a superuser, who would lend most.
    expect((await refusal(database.query(scriptFor([], { schema: 'app' })))).message).toContain(
      `Schema app belongs to role ${installer.name}`,
    );
    await database.query('ROLLBACK');
    await database.query('DROP FUNCTION app._earlier');
    await trusted.query(scriptFor([], { schema: 'app' }));
    await trusted.query(scriptFor([], { schema: 'app' }));
    await database.query('DROP SCHEMA app CASCADE; CREATE SCHEMA app');
  });
});
