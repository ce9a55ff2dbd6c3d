import { expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  at,
  configFile,
  describeSchema,
  done,
  findingsOf,
  keeper,
  partitionsOf,
  tableOf,
} from '../support/keeper.ts';
import { createNamedRole } from '../support/roles.ts';
import { splitStatements } from '../support/statements.ts';

const NOW = at('2026-11-22T13:00:00Z');

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

const HOSTILE = {
  schema: `S'ch"e; $$ \\ $check$`,
  table: `T "a"; DROP TABLE x; -- '\\ $check$ %I`,
  partitionKey: `At "tz"; \\' $check1$ --`,
};
const SCHEMA = quote(HOSTILE.schema);
const PARENT = `${SCHEMA}.${quote(HOSTILE.table)}`;
const KEY = quote(HOSTILE.partitionKey);
const COMMENT = `'; DROP TABLE x; -- "\\" $check$ $check1$ */ {"partition-keeper": 1}\nnext line`;

async function hostileDatabase(owner: string, reader: string): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA ${SCHEMA};
    CREATE TABLE ${SCHEMA}."x""y" (id int PRIMARY KEY);
    CREATE TABLE ${PARENT} (
      "i'd" int GENERATED ALWAYS AS IDENTITY, "X""y" int REFERENCES ${SCHEMA}."x""y", ${KEY} timestamptz NOT NULL, PRIMARY KEY ("i'd", ${KEY})
    ) PARTITION BY RANGE (${KEY});
    CREATE TABLE ${SCHEMA}."De""fault; --" PARTITION OF ${PARENT} DEFAULT;
    COMMENT ON TABLE ${PARENT} IS ${literal(COMMENT)};
    ALTER TABLE ${PARENT} ALTER COLUMN "X""y" SET STATISTICS 7;
    ALTER TABLE ${PARENT} REPLICA IDENTITY USING INDEX ${quote(`${HOSTILE.table}_pkey`)};
    ALTER TABLE ${PARENT} ENABLE ROW LEVEL SECURITY;
    CREATE POLICY "po""l; '\\$$" ON ${PARENT} TO ${reader} USING ("i'd" > 0 AND current_user <> '\\''; $check$');
    GRANT USAGE, CREATE ON SCHEMA ${SCHEMA} TO ${owner};
    GRANT TEMPORARY ON DATABASE ${database.name} TO ${owner};
    ALTER TABLE ${PARENT} OWNER TO ${owner};
    ALTER TABLE ${SCHEMA}."De""fault; --" OWNER TO ${owner};
    GRANT SELECT (${KEY}), UPDATE ("i'd") ON ${PARENT} TO ${reader};
    INSERT INTO ${PARENT} (${KEY}) VALUES ('2026-11-05'), ('2026-12-24'), ('2011-01-01')`);
  return database;
}

test('names that would break out of their quotes are names like others', async () => {
  await using anchor = await createTestDatabase();
  await using owner = await createNamedRole(anchor, `Ow"n'er; \\ $$ $check$ --`);
  await using reader = await createNamedRole(anchor, `Re"a'd, PUBLIC; \\`);
  await using database = await hostileDatabase(owner.quoted, reader.quoted);
  const jobs = keeper(database, HOSTILE);

  const report = await jobs.create({ now: NOW });
  expect(done(report).map((step) => step.replace(/ .*_(?=2)/, ' '))).toEqual([
    'move-rows 2026_11"',
    'move-rows 2026_12"',
    'create 2027_01"',
    'create 2027_02"',
  ]);
  const names = [
    `De"fault; --`,
    ...['2026_11', '2026_12', '2027_01', '2027_02'].map((month) => `${HOSTILE.table}_${month}`),
  ];
  expect(Object.keys(await partitionsOf(database, PARENT)).toSorted()).toEqual(names.toSorted());
  const relations = await database.query(
    `SELECT DISTINCT pg_get_userbyid(relowner) AS owner, obj_description(oid, 'pg_class') AS comment, relreplident AS replica,
            (SELECT attstattarget FROM pg_attribute WHERE attrelid = c.oid AND attname = 'X"y') AS target,
            (SELECT count(*)::int FROM pg_policy WHERE polrelid = c.oid) AS policies,
            (SELECT count(*)::int FROM pg_attribute WHERE attrelid = c.oid AND attacl IS NOT NULL) AS granted
     FROM pg_class c WHERE relname LIKE '%\\_20%' AND relkind = 'r'`,
  );
  expect(relations).toEqual([
    { owner: owner.name, comment: COMMENT, replica: 'i', target: 7, policies: 1, granted: 2 },
  ]);
  expect(
    await database.query(
      `SELECT tableoid::regclass::text LIKE '%2026%' AS moved, count(*)::int AS rows FROM ${PARENT} GROUP BY 1 ORDER BY 1`,
    ),
  ).toEqual([
    { moved: false, rows: 1 },
    { moved: true, rows: 2 },
  ]);
  expect(done(await jobs.create({ now: NOW }))).toEqual([]);
  expect(findingsOf(await jobs.health({ now: NOW }))).toEqual(['default-rows', 'foreign-key']);

  // The same as a script, and with a table named on the command line.
  await using scripted = await hostileDatabase(owner.quoted, reader.quoted);
  const options = { config: configFile(HOSTILE), url: scripted.url };
  const table = `${HOSTILE.schema}.${HOSTILE.table}`;
  const plan = await runCli(
    ['plan', 'create', '--now', NOW.toString(), '--format', 'sql', '--table', table],
    options,
  );
  expect(plan).toMatchObject({ code: 0 });
  const client = await scripted.connect();
  for (const statement of splitStatements(plan.stdout)) await client.query(statement);
  expect(await describeSchema(scripted, HOSTILE.schema)).toEqual(
    await describeSchema(database, HOSTILE.schema),
  );
  expect((await runCli(['status', '--table', `${SCHEMA}.${quote(HOSTILE.table)}`], options)).code).toBe(0);
});

test('names that would break out of their quotes can be detached and dropped', async () => {
  await using anchor = await createTestDatabase();
  await using owner = await createNamedRole(anchor, `Ow"n'er; \\ $$ $check$ --`);
  await using reader = await createNamedRole(anchor, `Re"a'd, PUBLIC; \\`);
  await using database = await hostileDatabase(owner.quoted, reader.quoted);
  const old = (name: string, from: string, to: string) => `
    CREATE TABLE ${SCHEMA}.${quote(name)} PARTITION OF ${PARENT} FOR VALUES FROM ('${from}') TO ('${to}');
    ALTER TABLE ${SCHEMA}.${quote(name)} OWNER TO ${owner.quoted}; COMMENT ON TABLE ${SCHEMA}.${quote(name)} IS ${literal(COMMENT)}`;
  await database.query(`DELETE FROM ${PARENT}`);
  await database.query(old(`1999 'one' "\\" $check$;`, '1999-01-01', '1999-02-01'));
  await database.query(old(`1999 'two' "\\" $check$;`, '1999-02-01', '1999-03-01'));
  await database.query(old('current', '1999-03-01', '2999-01-01'));
  const settings = { ...HOSTILE, retention: { years: 20 }, maxExpiredShare: 1 };

  expect(
    done(await keeper(database, { ...settings, grace: { hours: 1 } }).cleanup()).map((step) =>
      step.slice(0, 6),
    ),
  ).toEqual(['detach', 'detach']);
  expect(Object.keys(await partitionsOf(database, PARENT))).toEqual(['current', `De"fault; --`]);
  await database.query(`DROP TABLE ${SCHEMA}."De""fault; --"`);
  expect(done(await keeper(database, settings).cleanup())).toHaveLength(2);

  await database.query(old(`1999 'one' "\\" $check$;`, '1999-01-01', '1999-02-01'));
  await database.query(old(`1999 'two' "\\" $check$;`, '1999-02-01', '1999-03-01'));
  const concurrently = await keeper(database, { ...settings, expired: 'detach' }).cleanup();
  expect(done(concurrently)).toHaveLength(2);
  expect(tableOf(concurrently).steps[0]?.statements).toContainEqual(expect.stringMatching(/ CONCURRENTLY$/));
  expect(done(await keeper(database, settings).cleanup()).map((step) => step.slice(0, 4))).toEqual([
    'drop',
    'drop',
  ]);
  await database.query(old(`1999 'one' "\\" $check$;`, '1999-01-01', '1999-02-01'));
  expect(done(await keeper(database, settings).cleanup()).map((step) => step.slice(0, 4))).toEqual(['drop']);
  expect(await database.query("SELECT 1 FROM pg_class WHERE relname LIKE '1999%' AND relkind = 'r'")).toEqual(
    [],
  );
});

test.each([
  { schema: 'App', table: 'Events', partitionKey: 'createdAt', prefix: 'Events' },
  { schema: 'my schema', table: 'audit log', partitionKey: 'happened at', prefix: 'audit log' },
  { schema: 'select', table: 'table', partitionKey: 'user', prefix: 'table' },
  {
    schema: 'überwachung',
    table: 'ereignisse_日本語_🕰',
    partitionKey: 'zeit_é',
    prefix: 'ereignisse_日本語_🕰',
  },
  // 55 bytes, 37 characters; with the suffix as long as a name can be.
  {
    schema: 'app',
    table: `${'ü'.repeat(18)}${'x'.repeat(19)}`,
    partitionKey: 'at',
    prefix: `${'ü'.repeat(18)}${'x'.repeat(19)}`,
  },
])('works with the table $table', async ({ prefix, ...settings }) => {
  await using database = await createTestDatabase();
  const parent = `${quote(settings.schema)}.${quote(settings.table)}`;
  const key = quote(settings.partitionKey);
  await database.query(`
    CREATE SCHEMA ${quote(settings.schema)};
    CREATE TABLE ${parent} (id int, ${key} timestamptz, PRIMARY KEY (id, ${key})) PARTITION BY RANGE (${key});
    CREATE TABLE ${quote(settings.schema)}.old PARTITION OF ${parent} FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')`);
  const jobs = keeper(database, { ...settings, premake: 1, retention: { years: 20 } });
  expect(done(await jobs.create({ now: NOW, from: NOW }))).toHaveLength(2);
  expect(Object.keys(await partitionsOf(database, parent))).toEqual([
    'old',
    `${prefix}_2026_11`,
    `${prefix}_2026_12`,
  ]);
  await database.query(`INSERT INTO ${parent} VALUES (1, '2026-12-31 23:59:59')`);
  expect(done(await jobs.create({ now: NOW, from: NOW }))).toEqual([]);
  expect(done(await jobs.cleanup())).toHaveLength(1);
  expect(Object.keys(await partitionsOf(database, parent))).toEqual([
    `${prefix}_2026_11`,
    `${prefix}_2026_12`,
  ]);
});

test('tables of one name in two schemas are kept apart', async () => {
  await using database = await createTestDatabase();
  for (const schema of ['one', 'two']) {
    await database.query(`
      CREATE SCHEMA ${schema};
      CREATE TABLE ${schema}.events (at timestamptz) PARTITION BY RANGE (at);
      CREATE TABLE ${schema}.ancient PARTITION OF ${schema}.events FOR VALUES FROM ('1999-01-01') TO ('1999-02-01');
      CREATE TABLE ${schema}.now PARTITION OF ${schema}.events FOR VALUES FROM ('1999-02-01') TO ('2026-11-01')`);
  }
  const settings = { premake: 1 };
  const jobs = keeper(
    database,
    { ...settings, schema: 'one' },
    { ...settings, schema: 'two', retention: { years: 20 } },
  );
  const report = await jobs.create({ now: NOW, tables: ['two.events'] });
  expect(report.tables.map(({ schema, steps }) => [schema, steps.map(({ partition }) => partition)])).toEqual(
    [['two', ['two.events_2026_11', 'two.events_2026_12']]],
  );
  expect((await jobs.create({ now: NOW })).tables.map(({ schema, steps }) => [schema, steps.length])).toEqual(
    [
      ['one', 2],
      ['two', 0],
    ],
  );
  expect((await jobs.cleanup()).tables.map(({ steps }) => steps.map(({ partition }) => partition))).toEqual([
    [],
    ['two.ancient'],
  ]);
  expect(Object.keys(await partitionsOf(database, 'one.events'))).toContain('ancient');
  await expect(jobs.cleanup({ tables: ['three.events'] })).rejects.toMatchObject({
    code: 'table-unknown',
    exitCode: 2,
  });
});

test('partitions may live in another schema', async () => {
  await using database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app; CREATE SCHEMA "Old parts";
    CREATE TABLE app.events (at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE "Old parts".events_1999_01 PARTITION OF app.events FOR VALUES FROM ('1999-01-01') TO ('1999-02-01');
    CREATE TABLE app.events_1999_01 (id int);
    CREATE TABLE "Old parts".events_2026_12 PARTITION OF app.events FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')`);
  const jobs = keeper(database, { premake: 1, retention: { years: 20 } });
  expect(done(await jobs.create({ now: NOW, from: NOW }))).toEqual(['create app.events_2026_11']);
  expect(done(await jobs.cleanup())).toEqual(['drop "Old parts".events_1999_01']);
  expect(await database.query("SELECT to_regclass('app.events_1999_01')::text AS kept")).toEqual([
    { kept: 'app.events_1999_01' },
  ]);
});
