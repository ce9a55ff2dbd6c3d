import { beforeAll, describe, expect, inject, test } from 'vitest';
import { type KeyType, parseKeyText } from '../../lib/partition/key-type.ts';
import { countRowsByRange } from '../../lib/postgres/inspect/default-rows.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  at,
  catalogState,
  done,
  findingsOf,
  keeper,
  partitionsOf,
  stepsOf,
  tableOf,
} from '../support/keeper.ts';
import { beforeStatement } from '../support/statements.ts';
import { pidOf, runThatWaits, waitUntilLong } from '../support/transactions.ts';
import { uuid7 } from '../support/uuid.ts';
import { defaultPartition, tableOf as modelOf } from '../unit/support/tables.ts';

const NOW = at('2026-11-22T13:00:00Z');

/** A table with a default partition, where all rows are so far. */
async function databaseWith(columns: string, ...statements: readonly string[]): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (${columns}) PARTITION BY RANGE (at);
    CREATE TABLE app.events_default PARTITION OF app.events DEFAULT`);
  for (const statement of statements) await database.query(statement);
  return database;
}

/** How many rows each partition has. */
async function rowsByPartition(database: TestDatabase): Promise<Record<string, number>> {
  const rows = await database.query<{ name: string; rows: number }>(
    'SELECT tableoid::regclass::text AS name, count(*)::int AS rows FROM app.events GROUP BY 1 ORDER BY 1',
  );
  return Object.fromEntries(rows.map(({ name, rows: count }) => [name.replace('app.', ''), count]));
}

const ROWS = `INSERT INTO app.events (id, at) SELECT n, '2026-10-25'::timestamptz + n * interval '1 day' FROM generate_series(1, 60) AS n`;

describe('a default partition', () => {
  test('without rows hinders nobody', async () => {
    await using database = await databaseWith('id int, at timestamptz');
    const report = await keeper(database).create({ now: NOW });
    expect(done(report)).toEqual(
      ['2026_11', '2026_12', '2027_01', '2027_02'].map((month) => `create app.events_${month}`),
    );
    expect(Object.values(await partitionsOf(database))).toContain('DEFAULT');
    expect(tableOf(report).gauges?.defaultRows).toBe(0);
    expect(findingsOf(await keeper(database).health({ now: NOW }))).toEqual([]);
  });

  test('keeps the rows that no new partition takes', async () => {
    await using database = await databaseWith(
      'id int, at timestamptz',
      "INSERT INTO app.events VALUES (1, NULL), (2, '2011-01-01'), (3, 'infinity'), (4, '2026-10-31 23:59:59.999999+00'), (5, '2027-03-01 00:00+00')",
    );
    const report = await keeper(database).create({ now: NOW });
    expect(stepsOf(report).map(({ kind }) => kind)).toEqual(Array(4).fill('create'));
    expect(await rowsByPartition(database)).toEqual({ events_default: 5 });
    expect(tableOf(report).gauges?.defaultRows).toBe(5);
    expect(findingsOf(await keeper(database).health({ now: NOW }))).toEqual(['default-rows']);
  });

  test('keeps its rows where a column was added since the plan was made', async () => {
    await using database = await databaseWith('id int, at timestamptz', ROWS);
    const [step] = stepsOf(await keeper(database).create({ now: NOW, dryRun: true }));
    await database.query('ALTER TABLE app.events ADD COLUMN note int; UPDATE app.events SET note = id');
    const client = await database.connect();
    const run = async () => {
      for (const statement of step?.statements ?? []) await client.query(statement);
    };
    await expect(run()).rejects.toMatchObject({ code: 'PKCHG' });
    await client.query('ROLLBACK');

    await keeper(database).create({ now: NOW });
    expect(await database.query('SELECT id FROM app.events WHERE note IS DISTINCT FROM id')).toEqual([]);
    expect(Object.keys(await rowsByPartition(database))).toContain('events_2026_11');
  });

  test('gives up its rows also where there was not the time to count them', async () => {
    await using database = await databaseWith(
      'id int, at timestamptz',
      ROWS,
      "INSERT INTO app.events SELECT n, '2011-01-01' FROM generate_series(1, 200000) AS n",
    );
    using _ = beforeStatement(/width_bucket/, (client) =>
      client.query("SET LOCAL statement_timeout = '1ms'"),
    );
    const report = await keeper(database).create({ now: NOW });
    expect(stepsOf(report).map(({ kind, partition, status }) => [kind, partition, status])).toEqual(
      expect.arrayContaining([
        ['move-rows', 'app.events_2026_11', 'done'],
        ['move-rows', 'app.events_2026_12', 'done'],
        ['create', 'app.events_2027_01', 'done'],
        ['create', 'app.events_2027_02', 'done'],
      ]),
    );
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      events_default: 200_006,
    });
  });

  test('gives up the rows that belong into new partitions, each in the transaction that creates its partition', async () => {
    await using database = await databaseWith('id int, at timestamptz', ROWS);
    const content = () => database.query('SELECT id, at::text FROM app.events ORDER BY id');
    const before = await content();
    const report = await keeper(database).create({ now: NOW });

    expect(done(report)).toEqual([
      'move-rows app.events_2026_11',
      'move-rows app.events_2026_12',
      'create app.events_2027_01',
      'create app.events_2027_02',
    ]);
    for (const { statements } of stepsOf(report)) {
      expect(statements.filter((statement) => statement === 'COMMIT')).toEqual(['COMMIT']);
      expect(statements.at(-1)).toBe('COMMIT');
    }
    expect(await content()).toEqual(before);
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      events_default: 6,
    });
    // Of what it takes along, nothing is left.
    expect(await database.query("SELECT 1 FROM pg_class WHERE relname = 'partition_keeper_copied'")).toEqual(
      [],
    );
    expect(done(await keeper(database).create({ now: NOW }))).toEqual([]);

    // Older rows are fetched by naming the stretch they lie in.
    const older = await keeper(database).create({ now: NOW, from: at('2026-10-01T00:00:00Z') });
    expect(done(older)).toEqual(['move-rows app.events_2026_10']);
    expect(await content()).toEqual(before);
    expect(await rowsByPartition(database)).toEqual({
      events_2026_10: 6,
      events_2026_11: 30,
      events_2026_12: 24,
    });
  });

  test('gives up rows by the statements that a dry run prints', async () => {
    await using database = await databaseWith('id int, at timestamptz', ROWS);
    const before = await catalogState(database);
    const dry = await keeper(database).create({ now: NOW, dryRun: true });
    expect(await catalogState(database)).toEqual(before);
    expect(await rowsByPartition(database)).toEqual({ events_default: 60 });

    const client = await database.connect();
    await client.query("SET search_path = pg_catalog; SET TimeZone = 'UTC'");
    for (const { statements } of stepsOf(dry))
      for (const statement of statements) await client.query(statement);
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      events_default: 6,
    });
    expect(done(await keeper(database).create({ now: NOW }))).toEqual([]);
  });

  test('gives up rows of every kind unchanged', async () => {
    const virtual = inject('serverVersion') >= 18 ? 'next int GENERATED ALWAYS AS (id + 1) VIRTUAL,' : '';
    await using database = await databaseWith(
      `"a ""column"" $1" text DEFAULT 'not this', id int GENERATED ALWAYS AS IDENTITY, dropped int, at timestamptz,
       double int GENERATED ALWAYS AS (length("a ""column"" $1") * 2) STORED, ${virtual} big text, many int[], doc jsonb, d text`,
      'ALTER TABLE app.events DROP COLUMN dropped',
      `INSERT INTO app.events ("a ""column"" $1", at, big, many, doc, d)
       VALUES (NULL, '2026-11-30 23:59:59.999999+00', repeat('toasted', 100000), '{1,NULL,3}', '{"a": null}', ''),
              ('; DROP', '2026-12-01 00:00+00', NULL, '{}', '[]', NULL), ('\\', '2026-11-01 00:00+00', '', NULL, NULL, 'd')`,
    );
    const content = () =>
      database.query(
        'SELECT md5(e::text) AS digest, e.*, e.at::text AS moment FROM app.events AS e ORDER BY id',
      );
    const before = await content();
    await keeper(database).create({ now: NOW });
    expect(await content()).toEqual(before);
    expect(await rowsByPartition(database)).toEqual({ events_2026_11: 2, events_2026_12: 1 });
    await database.query("INSERT INTO app.events (at) VALUES ('2026-11-02')");
    expect(await database.query('SELECT id FROM app.events ORDER BY id')).toEqual([
      { id: 1 },
      { id: 2 },
      { id: 3 },
      { id: 4 },
    ]);
  });

  test.each([
    ['date', "'2026-10-31'", "'2026-11-01'", "'2026-11-30'", "'2026-12-01'"],
    [
      'timestamp',
      "'2026-10-31 23:59:59.999999'",
      "'2026-11-01'",
      "'2026-11-30 23:59:59.999999'",
      "'2026-12-01'",
    ],
    [
      'uuid',
      `'${uuid7(at('2026-10-31T23:59:59.999Z'), 'last')}'`,
      `'${uuid7(at('2026-11-01T00:00:00Z'), 'first')}'`,
      `'${uuid7(at('2026-11-30T23:59:59.999Z'), 'last')}'`,
      `'${uuid7(at('2026-12-01T00:00:00Z'), 'first')}'`,
    ],
  ])('gives up rows by a key of type %s at their exact bounds', async (type, before, first, last, after) => {
    await using database = await databaseWith(
      `id int, at ${type}`,
      `INSERT INTO app.events VALUES (1, ${before}), (2, ${first}), (3, ${last}), (4, ${after}), (5, NULL)`,
    );
    await keeper(database, { premake: 1 }).create({ now: NOW });
    expect(
      await database.query('SELECT id, tableoid::regclass::text AS partition FROM app.events ORDER BY id'),
    ).toEqual([
      { id: 1, partition: 'app.events_default' },
      { id: 2, partition: 'app.events_2026_11' },
      { id: 3, partition: 'app.events_2026_11' },
      { id: 4, partition: 'app.events_2026_12' },
      { id: 5, partition: 'app.events_default' },
    ]);
  });

  test('may have partitions of its own', async () => {
    await using database = await createTestDatabase();
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.events (id int, at timestamptz) PARTITION BY RANGE (at);
      CREATE TABLE app.rest PARTITION OF app.events DEFAULT PARTITION BY LIST (id);
      CREATE TABLE app.rest_one PARTITION OF app.rest FOR VALUES IN (1);
      CREATE TABLE app.rest_others PARTITION OF app.rest DEFAULT`);
    await database.query(ROWS);
    await keeper(database).create({ now: NOW });
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      rest_one: 1,
      rest_others: 5,
    });
  });

  test.each(['read committed', 'serializable'])(
    'gives up rows that were written while others were copied, where transactions are %s',
    async (isolation) => {
      await using database = await databaseWith('id int, at timestamptz', ROWS);
      await database.query(
        `ALTER DATABASE ${database.name} SET default_transaction_isolation = '${isolation}'`,
      );
      const writer = await database.connect();
      await writer.query(
        "BEGIN ISOLATION LEVEL READ COMMITTED; INSERT INTO app.events VALUES (61, '2026-11-06'), (62, '2026-10-06')",
      );
      await writer.query(
        'UPDATE app.events SET id = id + 100 WHERE id IN (1, 10); DELETE FROM app.events WHERE id = 11',
      );
      await waitUntilLong(database, await pidOf(writer));
      const run = keeper(database).create({ now: NOW });
      // It has made its copy, has seen the writer, and looks again and again whether he is gone.
      await runThatWaits(database);
      await writer.query('COMMIT');
      const report = await run;
      expect(done(report)[0]).toBe('move-rows app.events_2026_11');
      expect(stepsOf(report)[0]?.waitedFor).toHaveLength(2);
      expect(await database.query('SELECT id FROM app.events WHERE id > 60 ORDER BY 1')).toEqual(
        [61, 62, 101, 110].map((id) => ({ id })),
      );
      expect(await rowsByPartition(database)).toEqual({
        events_2026_11: 30,
        events_2026_12: 24,
        events_default: 7,
      });
    },
  );

  test('has rows moved by a role without TEMPORARY not at all, and nothing is lost', async () => {
    await using database = await databaseWith('id int, at timestamptz', ROWS);
    const owner = await database.createRole();
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
      ALTER TABLE app.events OWNER TO ${owner.name};
      ALTER TABLE app.events_default OWNER TO ${owner.name};
      REVOKE TEMPORARY ON DATABASE ${database.name} FROM PUBLIC`);
    const report = await keeper(owner).create({ now: NOW });
    expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: 'permission' } });
    expect(tableOf(report).steps.map(({ kind, status }) => [kind, status])).toEqual([
      ['create', 'done'],
      ['create', 'done'],
    ]);
    expect(await rowsByPartition(database)).toEqual({ events_default: 60 });

    await database.query(`GRANT TEMPORARY ON DATABASE ${database.name} TO ${owner.name}`);
    expect(done(await keeper(owner).create({ now: NOW }))).toHaveLength(2);
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      events_default: 6,
    });
  });

  test('is counted and emptied by a role that inherits nothing from the owner, and counted by no stranger', async () => {
    await using database = await databaseWith('id int, at timestamptz', ROWS);
    const owner = await database.createRole();
    const member = await database.createRole({ inherit: false });
    const stranger = await database.createRole();
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
      GRANT TEMPORARY ON DATABASE ${database.name} TO ${owner.name};
      GRANT ${owner.name} TO ${member.name};
      ALTER TABLE app.events OWNER TO ${owner.name};
      ALTER TABLE app.events_default OWNER TO ${owner.name}`);
    const rowsSeenBy = async (role: { readonly url: string }) =>
      tableOf(await keeper(role).health({ now: NOW })).gauges?.defaultRows;
    expect(await rowsSeenBy(member)).toBe(60);
    expect(await rowsSeenBy(stranger)).toBeNull();
    expect(done(await keeper(member).create({ now: NOW }))).toHaveLength(4);
    expect(await rowsSeenBy(member)).toBe(6);
    expect(
      await database.query(
        "SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname = 'events_2026_11'",
      ),
    ).toEqual([{ owner: owner.name }]);
  });
});

describe('triggers', () => {
  const FIRED = `
    CREATE TABLE app.fired (trigger text, operation text, id int);
    CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO app.fired VALUES (TG_NAME, TG_OP, CASE WHEN TG_LEVEL = 'ROW' THEN CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END END);
      RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END $$`;
  const trigger = (name: string, when: string, table: string, level = 'ROW') =>
    `CREATE TRIGGER ${name} ${when} ON app.${table} FOR EACH ${level} EXECUTE FUNCTION app.note();`;
  const modesOf = (database: TestDatabase) =>
    database.query<{ table: string; trigger: string; mode: string }>(
      `SELECT tgrelid::regclass::text AS table, tgname AS trigger, tgenabled AS mode
       FROM pg_trigger WHERE tgname LIKE 't %' ORDER BY 2, 1`,
    );

  test('do not take a row that is moved for deleted or inserted, and keep their modes', async () => {
    await using database = await databaseWith(
      'id int, at timestamptz',
      FIRED,
      ROWS,
      [
        trigger('"t parent before"', 'BEFORE INSERT OR DELETE', 'events'),
        trigger('"t parent after"', 'AFTER INSERT OR UPDATE OR DELETE', 'events'),
        trigger('"t parent always"', 'AFTER DELETE', 'events'),
        trigger('"t ""own"" always; --"', 'AFTER DELETE', 'events_default'),
        trigger('"t own replica"', 'BEFORE DELETE', 'events_default'),
        trigger('"t own disabled"', 'AFTER DELETE', 'events_default'),
        trigger('"t own statement"', 'BEFORE DELETE', 'events_default', 'STATEMENT'),
        trigger('"t own insert"', 'BEFORE INSERT', 'events_default'),
        `CREATE CONSTRAINT TRIGGER "t own constraint" AFTER DELETE ON app.events_default DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note();`,
        `CREATE TRIGGER "t own gone" AFTER DELETE ON app.events_default REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION app.note();`,
        'ALTER TABLE app.events ENABLE ALWAYS TRIGGER "t parent always";',
        'ALTER TABLE app.events_default ENABLE ALWAYS TRIGGER "t ""own"" always; --";',
        'ALTER TABLE app.events_default ENABLE REPLICA TRIGGER "t own replica";',
        'ALTER TABLE app.events_default DISABLE TRIGGER "t own disabled";',
      ].join('\n'),
    );
    const before = await modesOf(database);
    expect(new Set(before.map(({ mode }) => mode))).toEqual(new Set(['O', 'A', 'R', 'D']));

    const report = await keeper(database).create({ now: NOW });

    expect(done(report).slice(0, 2)).toEqual([
      'move-rows app.events_2026_11',
      'move-rows app.events_2026_12',
    ]);
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      events_default: 6,
    });
    expect(await database.query('SELECT * FROM app.fired')).toEqual([]);
    const after = await modesOf(database);
    expect(after.filter(({ table }) => !/_20\d\d_/.test(table))).toEqual(before);
    // The new partitions have the parent's.
    expect(after.filter(({ table }) => table === 'app.events_2026_11')).toEqual(
      before
        .filter(({ table }) => table === 'app.events')
        .map((row) => ({ ...row, table: 'app.events_2026_11' })),
    );

    await database.query(
      "DELETE FROM app.events WHERE at < '2026-11-01' AND id = 1; DELETE FROM app.events_default WHERE id = 2",
    );
    const fired = await database.query<{ trigger: string }>(
      'SELECT DISTINCT trigger FROM app.fired ORDER BY 1',
    );
    expect(fired.map(({ trigger: name }) => name)).toEqual([
      't "own" always; --',
      't own constraint',
      't own gone',
      't own statement',
      't parent after',
      't parent always',
      't parent before',
    ]);
  });

  test('of the partitions of a default partition neither', async () => {
    await using database = await createTestDatabase();
    await database.query(`
      CREATE SCHEMA app; ${FIRED};
      CREATE TABLE app.events (id int, at timestamptz) PARTITION BY RANGE (at);
      CREATE TABLE app.rest PARTITION OF app.events DEFAULT PARTITION BY LIST (id);
      CREATE TABLE app.rest_others PARTITION OF app.rest DEFAULT;
      ${ROWS};
      ${trigger('"t parent"', 'AFTER DELETE', 'events')}
      ${trigger('"t rest"', 'AFTER DELETE', 'rest')}
      ${trigger('"t rest statement"', 'AFTER DELETE', 'rest', 'STATEMENT')}
      ${trigger('"t leaf"', 'BEFORE DELETE', 'rest_others')}
      ALTER TABLE app.rest_others ENABLE ALWAYS TRIGGER "t leaf";
      ALTER TABLE ONLY app.rest_others DISABLE TRIGGER "t rest"`);
    const before = await modesOf(database);
    await keeper(database).create({ now: NOW });
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      rest_others: 6,
    });
    expect(await database.query('SELECT * FROM app.fired')).toEqual([]);
    expect((await modesOf(database)).filter(({ table }) => !/_20\d\d_/.test(table))).toEqual(before);
  });

  test('keep their modes when the owner, who is no superuser, moves the rows', async () => {
    await using database = await databaseWith(
      'id int, at timestamptz',
      FIRED,
      ROWS,
      trigger('"t parent"', 'AFTER DELETE', 'events'),
    );
    const owner = await database.createRole();
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
      GRANT TEMPORARY ON DATABASE ${database.name} TO ${owner.name};
      ALTER TABLE app.events OWNER TO ${owner.name};
      ALTER TABLE app.events_default OWNER TO ${owner.name}`);
    expect(done(await keeper(owner).create({ now: NOW }))).toHaveLength(4);
    expect(await rowsByPartition(database)).toEqual({
      events_2026_11: 30,
      events_2026_12: 24,
      events_default: 6,
    });
    expect(await database.query('SELECT * FROM app.fired')).toEqual([]);
    expect((await modesOf(database)).map(({ mode }) => mode)).toEqual(Array(6).fill('O'));
  });
});

describe('rows of other tables that refer to rows of the default partition', () => {
  const keyed = 'id int, at timestamptz, PRIMARY KEY (id, at)';
  const notes = (rule: string) => `
    CREATE TABLE app.notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES app.events ON DELETE ${rule});
    INSERT INTO app.notes SELECT id, at FROM app.events WHERE id = 10`;

  test.each(['CASCADE', 'SET NULL', 'SET DEFAULT'])(
    'are not touched where the key says %s: the rows stay, and the report says why',
    async (rule) => {
      await using database = await databaseWith(keyed, ROWS, notes(rule));
      const report = await keeper(database).create({ now: NOW });

      expect(await database.query('SELECT id, at::text FROM app.notes')).toEqual([
        { id: 10, at: '2026-11-04 00:00:00+00' },
      ]);
      expect(await rowsByPartition(database)).toEqual({ events_default: 60 });
      expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: 'default-rows-referenced' } });
      expect(tableOf(report).error?.message).toContain('app.notes');
      // Partitions that no row waits for are created all the same.
      expect(tableOf(report).steps.map(({ partition, status }) => [partition, status])).toEqual([
        ['app.events_2027_01', 'done'],
        ['app.events_2027_02', 'done'],
      ]);
    },
  );

  test.each(['NO ACTION', 'RESTRICT', 'NO ACTION DEFERRABLE INITIALLY DEFERRED'])(
    'keep them in place where the key says %s',
    async (rule) => {
      // The trigger has to be muted and restored, which pending checks of the key would forbid.
      await using database = await databaseWith(
        keyed,
        ROWS,
        notes(rule),
        `CREATE FUNCTION app.veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
       CREATE TRIGGER veto BEFORE DELETE ON app.events FOR EACH ROW EXECUTE FUNCTION app.veto()`,
      );
      const report = await keeper(database).create({ now: NOW });
      expect(tableOf(report)).toMatchObject({
        status: 'failed',
        error: { code: rule === 'RESTRICT' && inject('serverVersion') >= 18 ? '23001' : '23503' },
      });
      expect(tableOf(report).error?.message).toContain('notes');
      expect(tableOf(report).error?.hint).toContain('foreign key');
      // The rows of December, which nobody refers to, are free to go.
      expect(await rowsByPartition(database)).toEqual({ events_2026_12: 24, events_default: 36 });

      await database.query('DELETE FROM app.notes');
      expect(done(await keeper(database).create({ now: NOW }))).toEqual(['move-rows app.events_2026_11']);
      expect(await rowsByPartition(database)).toEqual({
        events_2026_11: 30,
        events_2026_12: 24,
        events_default: 6,
      });
    },
  );
});

describe('rows of a default partition by range', () => {
  const uuid = (text: string) => uuid7(at(`${text}Z`), 'first');
  const asUuid = (moments: readonly string[]) =>
    moments.map((moment) => uuid(moment.replace(' ', 'T').replace('+00', '')));
  const MOMENTS = [
    '2025-12-31 23:59:59.999+00',
    '2026-01-01 00:00:00+00',
    '2026-01-31 23:59:59.999+00',
    '2026-02-01 00:00:00+00',
    '2026-02-15 12:00:00+00',
    '2026-03-01 00:00:00+00',
    '2026-04-30 00:00:00+00',
    '2026-05-01 00:00:00+00',
  ];
  const withoutZone = MOMENTS.map((moment) => moment.replace('+00', ''));
  const ENDLESS = ['infinity', '-infinity'];

  test.each<[KeyType, readonly string[], readonly number[]]>([
    ['timestamptz', [...MOMENTS, ...ENDLESS], [1, 2, 2]],
    ['timestamp', [...withoutZone, ...ENDLESS], [1, 2, 2]],
    ['date', [...withoutZone, ...ENDLESS], [1, 2, 2]],
    ['uuid', asUuid(MOMENTS), [1, 2, 2]],
  ])(
    'are counted with a key of type %s, whatever lies between the ranges and beyond',
    async (keyType, keys, counts) => {
      await using database = await databaseWith(
        `at ${keyType}`,
        `INSERT INTO app.events SELECT unnest('{${keys.join()}}'::${keyType}[]) UNION ALL SELECT NULL`,
      );
      const point = (day: string) =>
        keyType === 'uuid'
          ? parseKeyText('uuid', uuid(`${day}T00:00:00`))
          : parseKeyText(
              keyType,
              keyType === 'date' ? day : `${day} 00:00:00${keyType === 'timestamp' ? '' : '+00'}`,
            );
      const range = (from: string, to: string) => ({ from: point(from) ?? 0n, to: point(to) ?? 0n });
      const table = modelOf({
        keyColumn: 'at',
        keyType,
        defaultPartition: defaultPartition({ schema: 'app' }),
      });
      const client = await database.connect();
      // Not in order, and nothing between March and April.
      const ranges = [
        range('2026-04-01', '2026-05-01'),
        range('2026-01-01', '2026-02-01'),
        range('2026-02-01', '2026-03-01'),
      ];
      expect(await countRowsByRange(client, table, ranges)).toEqual(counts);
      expect(await countRowsByRange(client, table, [])).toEqual([]);
    },
  );
});

describe('row security', () => {
  let owner: Awaited<ReturnType<TestDatabase['createRole']>>;
  let database: TestDatabase;
  const own = async (name: string) => {
    await database.query(`
      CREATE TABLE app.${name} (id int, at timestamptz) PARTITION BY RANGE (at);
      CREATE TABLE app.${name}_default PARTITION OF app.${name} DEFAULT;
      INSERT INTO app.${name} VALUES (1, '2026-11-05'), (2, '2026-11-06');
      ALTER TABLE app.${name} ENABLE ROW LEVEL SECURITY;
      ALTER TABLE app.${name} FORCE ROW LEVEL SECURITY;
      CREATE POLICY odd ON app.${name} USING (id % 2 = 1);
      ALTER TABLE app.${name} OWNER TO ${owner.name};
      ALTER TABLE app.${name}_default OWNER TO ${owner.name}`);
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    owner = await database.createRole();
    await database.query(`
      CREATE SCHEMA app;
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
      GRANT TEMPORARY ON DATABASE ${database.name} TO ${owner.name}`);
    return database.drop;
  });

  test('of the table, though forced upon its owner, hides no row from the move', async () => {
    await own('forced');
    await keeper(owner, { table: 'forced' }).create({ now: NOW });
    expect(await database.query('SELECT id FROM app.forced_2026_11 ORDER BY 1')).toEqual([
      { id: 1 },
      { id: 2 },
    ]);
    expect(await database.query('SELECT id FROM app.forced_default')).toEqual([]);
    expect(
      await database.query(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'app.forced_2026_11'::regclass",
      ),
    ).toEqual([{ relrowsecurity: true, relforcerowsecurity: true }]);
  });

  test('of the default partition itself, forced upon its owner, fails the table and loses nothing', async () => {
    await own('hidden');
    await database.query(`
      ALTER TABLE app.hidden_default ENABLE ROW LEVEL SECURITY;
      ALTER TABLE app.hidden_default FORCE ROW LEVEL SECURITY;
      CREATE POLICY odd ON app.hidden_default USING (id % 2 = 1)`);
    const report = await keeper(owner, { table: 'hidden' }).create({ now: NOW });
    expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: '42501' } });
    expect(tableOf(report).error?.message).toContain('row-level security');
    expect(await database.query('SELECT id FROM app.hidden_default ORDER BY 1')).toEqual([
      { id: 1 },
      { id: 2 },
    ]);
  });
});
