import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../../lib/cli/exit-code.ts';
import { EXIT } from '../../../lib/contract.ts';
import { runCli } from '../../support/cli.ts';
import {
  expectRefused,
  makeApp,
  PARTITIONED,
  PLAIN,
  type Refusal,
  SETTINGS,
} from '../../support/convert/refusal.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import {
  catalogState,
  configFile,
  type Keeper,
  keeper,
  type Settings,
  stepsOf,
  tableOf,
} from '../../support/keeper.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});

const NOTHING = `CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`;

/** What reads the table itself, and cannot be made to read another. */
const dependents: readonly Refusal[] = [
  {
    what: 'a materialized view',
    sql: 'CREATE MATERIALIZED VIEW app.totals AS SELECT account, count(*) FROM app.events GROUP BY account',
    message: 'materialized view app.totals',
    followed: 'DROP MATERIALIZED VIEW app.totals',
  },
  {
    what: 'a rule of the table',
    sql: 'CREATE RULE kept AS ON DELETE TO app.events WHERE old.account = 1 DO INSTEAD NOTHING',
    message: 'rule kept on table app.events',
    followed: 'DROP RULE kept ON app.events',
  },
  {
    what: 'a rule of another table',
    sql: 'CREATE TABLE app.others (at timestamptz); CREATE RULE too AS ON INSERT TO app.others DO ALSO INSERT INTO app.events (at) VALUES (new.at)',
    message: 'rule too on app.others',
    followed: 'DROP RULE too ON app.others',
  },
  {
    what: 'a function that returns its rows',
    sql: `CREATE FUNCTION app.all_of(wanted int) RETURNS SETOF app.events LANGUAGE sql AS 'SELECT * FROM app.events WHERE account = wanted'`,
    message: 'function app.all_of(integer)',
    followed: 'DROP FUNCTION app.all_of',
  },
  {
    what: 'a column of the type of its rows',
    sql: 'CREATE TABLE app.others (event app.events)',
    message: 'column event of table app.others',
    followed: 'DROP TABLE app.others',
  },
  {
    what: 'a policy of another table',
    sql: 'CREATE TABLE app.others (id int); CREATE POLICY known ON app.others USING (id IN (SELECT account FROM app.events))',
    message: 'policy known on table app.others',
    followed: 'DROP POLICY known ON app.others',
  },
].map(({ message, ...dependent }) => ({
  ...dependent,
  code: 'dependent',
  message: `${message} depends on app.events itself and cannot be made to follow the partitioned table.`,
  remedy: 'Drop it and make it anew after the conversion.',
}));

const nameTaken = (name: string, of: NonNullable<Refusal['of']>): Refusal => ({
  what: `a table called ${name}`,
  sql: `CREATE TABLE app.${name} ()`,
  of,
  code: 'name-taken',
  message: `The name app.${name}, which the conversion needs, is taken.`,
  remedy: 'Rename that relation.',
  followed: `ALTER TABLE app.${name} RENAME TO other`,
});

const RESTRICTED = 'ALTER TABLE app.events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY';

describe('a plain table is not converted with', () => {
  test.each<Refusal>([
    {
      what: 'no log of its changes',
      sql: 'ALTER TABLE app.events SET UNLOGGED',
      code: 'unlogged',
      message: 'app.events is unlogged; a partitioned table cannot be.',
      remedy: 'ALTER TABLE "app"."events" SET LOGGED;',
    },
    {
      what: 'a table that it inherits from',
      sql: 'CREATE TABLE app.base (note text); ALTER TABLE app.events INHERIT app.base',
      code: 'inheritance',
      message: 'app.events takes part in inheritance, or is of a type: app.base.',
      remedy: 'ALTER TABLE app.events NO INHERIT app.base;',
    },
    {
      what: 'a table that inherits from it',
      sql: 'CREATE TABLE app."a child" () INHERITS (app.events)',
      code: 'inheritance',
      message: 'app.events takes part in inheritance, or is of a type: app."a child".',
      remedy: 'ALTER TABLE app."a child" NO INHERIT app.events;',
    },
    {
      what: 'a table that it is a partition of',
      sql: `ALTER TABLE app.events ALTER id DROP IDENTITY;
            CREATE TABLE app.whole (LIKE app.events) PARTITION BY LIST (account);
            ALTER TABLE app.whole ATTACH PARTITION app.events FOR VALUES IN (1, 2, 3)`,
      code: 'inheritance',
      message: 'app.events takes part in inheritance, or is of a type: app.whole.',
      remedy: 'ALTER TABLE app.whole DETACH PARTITION app.events;',
    },
    {
      what: 'a type that it is of',
      sql: 'CREATE TYPE app.event AS (id int, at timestamptz, account int, note text); ALTER TABLE app.events OF app.event',
      code: 'inheritance',
      message: 'app.events takes part in inheritance, or is of a type: app.event.',
      remedy: 'ALTER TABLE app.events NOT OF;',
    },
    {
      what: 'a key that is generated',
      sql: `ALTER TABLE app.events RENAME at TO happened;
            ALTER TABLE app.events ADD at timestamptz GENERATED ALWAYS AS (happened) STORED`,
      code: 'key-generated',
      message: 'at is a generated column, which no table can be partitioned by.',
      remedy: 'Choose another column as partitionKey.',
      config: { partitionKey: 'happened' },
    },
    {
      what: 'rows without a key',
      sql: 'ALTER TABLE app.events ALTER at DROP NOT NULL; UPDATE app.events SET at = NULL WHERE id = 2',
      code: 'key-null',
      message: 'Rows of app.events have no at: only a default partition could hold them.',
      remedy: 'Give them one: UPDATE "app"."events" SET "at" = ... WHERE "at" IS NULL;',
      followed: 'UPDATE app.events SET at = now() WHERE at IS NULL',
    },
    {
      what: 'rows of the distant future',
      sql: "UPDATE app.events SET at = '2999-12-31 12:00+00' WHERE id = 2",
      code: 'keys-ahead',
      message:
        'Rows of app.events are dated further ahead than the partitions kept ready: the newest is of 2999-12-31T12:00:00Z.',
      remedy:
        /^Correct or remove them: SELECT \* FROM "app"\."events" WHERE "at" >= '\d{4}-01-01T00:00:00Z'; or raise premake/,
      followed: 'DELETE FROM app.events WHERE at > now()',
    },
    {
      what: 'rows of the end of time',
      sql: "UPDATE app.events SET at = 'infinity' WHERE id = 2",
      code: 'keys-ahead',
      message:
        'Rows of app.events are dated further ahead than the partitions kept ready: the newest is of infinity.',
      remedy:
        /^Correct or remove them: SELECT \* FROM "app"\."events" WHERE "at" >= '\d{4}-01-01T00:00:00Z';/,
      followed: 'DELETE FROM app.events WHERE at > now()',
    },
    {
      what: 'rows of the beginning of time',
      sql: "UPDATE app.events SET at = '-infinity' WHERE id = 2",
      of: ['copy'],
      code: 'key-endless',
      message: '1 row of app.events is dated -infinity, before any partition that there could be.',
      remedy: `Give them a date: UPDATE "app"."events" SET "at" = ... WHERE "at" = '-infinity'; or use --strategy attach.`,
      followed: "UPDATE app.events SET at = now() - interval '9 days' WHERE at = '-infinity'",
    },
    {
      what: 'a foreign key of another table',
      sql: 'CREATE TABLE app.notes (event int CONSTRAINT of_event REFERENCES app.events)',
      code: 'referenced',
      message:
        'app.notes (of_event) refers to app.events: a foreign key cannot refer to a partitioned table without its partition key.',
      remedy:
        'Drop that foreign key, or give the other table the partition key as a column and refer to both once this one is converted.',
      followed: 'ALTER TABLE app.notes DROP CONSTRAINT of_event',
    },
    {
      what: 'a foreign key to itself',
      sql: 'ALTER TABLE app.events ADD cause int CONSTRAINT of_cause REFERENCES app.events',
      code: 'referenced',
      message: /^app\.events \(of_cause\) refers to app\.events: /,
      remedy: /^Drop that foreign key, /,
      followed: 'ALTER TABLE app.events DROP CONSTRAINT of_cause',
    },
    {
      what: 'an exclusion constraint',
      sql: 'ALTER TABLE app.events ADD CONSTRAINT "just once" EXCLUDE USING btree (note WITH =)',
      code: 'exclusion',
      message: 'The exclusion constraint "just once" cannot be had across partitions.',
      remedy: 'ALTER TABLE "app"."events" DROP CONSTRAINT "just once";',
    },
    {
      what: 'a foreign key that is not validated',
      sql: `CREATE TABLE app.accounts (id int PRIMARY KEY); INSERT INTO app.accounts VALUES (1), (2), (3);
            ALTER TABLE app.events ADD CONSTRAINT of_account FOREIGN KEY (account) REFERENCES app.accounts NOT VALID`,
      code: 'not-valid',
      message: 'The foreign key of_account is not validated, which those of partitioned tables must be.',
      remedy: 'ALTER TABLE "app"."events" VALIDATE CONSTRAINT "of_account";',
    },
    {
      what: 'a check that is not inherited',
      sql: `ALTER TABLE app.events ADD CONSTRAINT "says so" CHECK (note <> '') NO INHERIT`,
      code: 'no-inherit',
      message: 'The check "says so" is NO INHERIT, which those of partitioned tables cannot be.',
      remedy: 'Add it anew without NO INHERIT, NOT VALID first, then VALIDATE CONSTRAINT "says so".',
      followed: `ALTER TABLE app.events DROP CONSTRAINT "says so", ADD CONSTRAINT "says so" CHECK (note <> '') NOT VALID;
             ALTER TABLE app.events VALIDATE CONSTRAINT "says so"`,
    },
    {
      what: 'a row trigger with transition tables',
      sql: `${NOTHING}; CREATE TRIGGER counts AFTER INSERT ON app.events REFERENCING NEW TABLE AS added FOR EACH ROW EXECUTE FUNCTION app.nothing()`,
      code: 'trigger',
      message:
        'The trigger counts is FOR EACH ROW with transition tables, which partitioned tables cannot have.',
      remedy: 'Write it FOR EACH STATEMENT.',
      followed:
        'DROP TRIGGER counts ON app.events; CREATE TRIGGER counts AFTER INSERT ON app.events REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION app.nothing()',
    },
    ...dependents,
    {
      what: 'a type of a name that it is to get',
      sql: "CREATE TYPE app.events_partitioned AS ENUM ('one')",
      code: 'name-taken',
      message: 'The name app.events_partitioned, which the conversion needs, is taken.',
      remedy: 'Rename that relation.',
      followed: 'ALTER TYPE app.events_partitioned RENAME TO other',
    },
    ...['events_replaced', 'events_changes', 'events_pkey_replaced', 'events_id_seq_partitioned'].map(
      (name) => nameTaken(name, name.endsWith('_partitioned') ? ['attach', 'copy'] : ['copy']),
    ),
    {
      what: 'nothing that tells its rows apart',
      sql: 'ALTER TABLE app.events DROP CONSTRAINT events_pkey, ADD UNIQUE (note, at)',
      of: ['copy'],
      code: 'no-identity',
      message: /^Nothing tells the rows of app\.events apart: it has neither a primary key nor a unique /,
      remedy:
        'Give it one: ALTER TABLE "app"."events" ADD PRIMARY KEY (...); or use --strategy attach, which needs none.',
      followed: 'ALTER TABLE app.events ADD PRIMARY KEY (id)',
    },
    {
      what: 'row security that is forced upon its owner',
      sql: RESTRICTED,
      of: ['copy'],
      code: 'row-security-forced',
      message:
        'Row security is forced upon the owner of app.events, from whom it would hide rows that are to be copied.',
      remedy:
        'ALTER TABLE "app"."events" NO FORCE ROW LEVEL SECURITY; and force it again when the conversion is finished.',
      followed: 'ALTER TABLE app.events NO FORCE ROW LEVEL SECURITY',
    },
  ])('$what', async (refusal) => {
    await expectRefused(database, PLAIN, refusal);
  });
});

describe('a partitioned table is not given other partitions, nor made plain, with', () => {
  test.each<Refusal>([
    {
      what: 'a default partition',
      sql: 'CREATE TABLE app."the rest" PARTITION OF app.events DEFAULT',
      code: 'default-partition',
      message:
        'app.events has a default partition, app."the rest", for which the new table has no counterpart.',
      remedy:
        'Move its rows into partitions with partition-keeper create, then detach it; make one again after the conversion if you need one.',
      followed: 'ALTER TABLE app.events DETACH PARTITION app."the rest"',
    },
    {
      what: 'a partition that is partitioned',
      sql: "CREATE TABLE app.later PARTITION OF app.events FOR VALUES FROM ('2100-01-01 00:00+00') TO (MAXVALUE) PARTITION BY LIST (id)",
      code: 'partition-kind',
      message: 'The partition app.later is partitioned itself, which cannot be copied block by block.',
      remedy: 'Detach it first.',
      followed: 'ALTER TABLE app.events DETACH PARTITION app.later',
    },
    {
      what: 'a partition elsewhere',
      sql: `ALTER TABLE app.events DROP CONSTRAINT events_pkey;
            CREATE EXTENSION file_fdw SCHEMA app; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
            CREATE FOREIGN TABLE app.later PARTITION OF app.events FOR VALUES FROM ('2100-01-01 00:00+00') TO (MAXVALUE) SERVER files OPTIONS (program 'true', format 'csv')`,
      code: 'partition-kind',
      message: 'The partition app.later is a foreign table, which cannot be copied block by block.',
      remedy: 'Detach it first.',
      besides: ['no-identity'],
      followed:
        'ALTER TABLE app.events DETACH PARTITION app.later; ALTER TABLE app.events ADD PRIMARY KEY (id, at)',
    },
    {
      what: 'rows without a key',
      sql: `ALTER TABLE app.events DROP CONSTRAINT events_pkey; ALTER TABLE app.events ALTER at DROP NOT NULL;
            CREATE TABLE app.rest PARTITION OF app.events DEFAULT; INSERT INTO app.events (note) VALUES ('some day')`,
      code: 'key-null',
      message: 'Rows of app.events have no at: only a default partition could hold them.',
      remedy: 'Give them one: UPDATE "app"."events" SET "at" = ... WHERE "at" IS NULL;',
      besides: ['default-partition', 'no-identity'],
      followed:
        'UPDATE app.events SET at = now() WHERE at IS NULL; ALTER TABLE app.events DETACH PARTITION app.rest; ALTER TABLE app.events ADD PRIMARY KEY (id, at)',
    },
    {
      what: 'rows of the distant future',
      sql: "UPDATE app.events SET at = '2099-12-31 12:00+00' WHERE id = 2",
      of: ['split'],
      code: 'keys-ahead',
      message:
        'Rows of app.events are dated further ahead than the partitions kept ready: the newest is of 2099-12-31T12:00:00Z.',
      remedy: /^Correct or remove them: SELECT \* FROM "app"\."events" WHERE "at" >= '/,
      followed: 'DELETE FROM app.events WHERE at > now()',
    },
    {
      what: 'rows of the beginning of time',
      sql: "UPDATE app.events SET at = '-infinity' WHERE id = 2",
      of: ['split'],
      code: 'key-endless',
      message: '1 row of app.events is dated -infinity, before any partition that there could be.',
      remedy: `Give them a date: UPDATE "app"."events" SET "at" = ... WHERE "at" = '-infinity';`,
      followed: "UPDATE app.events SET at = now() - interval '9 days' WHERE at = '-infinity'",
    },
    {
      what: 'a foreign key of another table',
      sql: 'CREATE TABLE app.notes (event int, at timestamptz, CONSTRAINT of_event FOREIGN KEY (event, at) REFERENCES app.events)',
      code: 'referenced',
      message:
        'app.notes (of_event) refers to app.events or one of its partitions, and would go on referring to what is replaced.',
      remedy: 'Drop that foreign key, and add it again when the conversion is finished.',
      followed: 'ALTER TABLE app.notes DROP CONSTRAINT of_event',
    },
    ...dependents,
    {
      what: 'a foreign key to one of its partitions',
      sql: 'CREATE TABLE app.notes (event int, at timestamptz, CONSTRAINT of_event FOREIGN KEY (event, at) REFERENCES app.events_legacy)',
      code: 'referenced',
      message: /^app\.notes \(of_event\) refers to app\.events or one of its partitions, /,
      remedy: /^Drop that foreign key, /,
      followed: 'ALTER TABLE app.notes DROP CONSTRAINT of_event',
    },
    {
      what: 'a table called events_replaced',
      sql: 'CREATE TABLE app.events_replaced ()',
      code: 'name-taken',
      message: 'The name app.events_replaced, which the conversion needs, is taken.',
      remedy: 'Rename that relation.',
      followed: 'ALTER TABLE app.events_replaced RENAME TO other',
    },
    ...(['events_partitioned', 'events_plain'] as const).map((name) =>
      nameTaken(name, [name === 'events_plain' ? 'unconvert' : 'split']),
    ),
    {
      what: 'nothing that tells its rows apart',
      sql: 'ALTER TABLE app.events DROP CONSTRAINT events_pkey',
      code: 'no-identity',
      message: /^Nothing tells the rows of app\.events apart: /,
      remedy: 'Give it one: ALTER TABLE "app"."events" ADD PRIMARY KEY (...);',
      followed: 'ALTER TABLE app.events ADD PRIMARY KEY (id, at)',
    },
    {
      what: 'row security that is forced upon its owner',
      sql: RESTRICTED,
      code: 'row-security-forced',
      message: /^Row security is forced upon the owner of app\.events, /,
      remedy: /^ALTER TABLE "app"\."events" NO FORCE ROW LEVEL SECURITY; /,
      followed: 'ALTER TABLE app.events NO FORCE ROW LEVEL SECURITY',
    },
  ])('$what', async (refusal) => {
    await expectRefused(database, PARTITIONED, refusal);
  });
});

test.each(['attach', 'copy'] as const)(
  'a table is not converted by %s where another has the name of a partition that it is to get',
  async (strategy) => {
    await makeApp(database, PLAIN.sql);
    const { convert } = keeper(database, SETTINGS);
    const planned = stepsOf(await convert({ strategy, dryRun: true }));
    const name = planned.findLast(({ kind }) => kind === 'create')?.partition;
    await database.query(`CREATE TABLE ${name} ()`);
    const before = await catalogState(database);
    const report = await convert({ strategy, approve: true });
    expect(exitCodeOf(report)).toBe(EXIT.refused);
    expect(tableOf(report).error).toEqual({
      code: 'name-taken',
      message: `Partition ${name} cannot be created: another relation has that name and is no partition of app.events.`,
      hint: 'Rename that relation, then repeat the command.',
    });
    expect(await catalogState(database)).toEqual(before);
    await database.query(`ALTER TABLE ${name} RENAME TO other`);
    stepsOf(await convert({ strategy, dryRun: true }));
  },
);

test('all that is in the way is told at once, by a command that ends as refused', async () => {
  await makeApp(
    database,
    `${PLAIN.sql}; ALTER TABLE app.events SET UNLOGGED; CREATE UNLOGGED TABLE app.notes (event int REFERENCES app.events)`,
  );
  const before = await catalogState(database);
  const { code, stdout } = await runCli(['convert', 'app.events'], {
    config: configFile(SETTINGS),
    url: database.url,
  });
  expect(code).toBe(EXIT.refused);
  expect(stdout).toContain(
    'app.events is unlogged; a partitioned table cannot be. And 1 more, see the findings.',
  );
  expect(stdout).toContain('remedy: ALTER TABLE "app"."events" SET LOGGED;');
  expect(stdout).toContain('app.notes (notes_event_fkey) refers to app.events: ');
  expect(await catalogState(database)).toEqual(before);
});

test.each<{
  readonly what: string;
  /** Instead of a plain table. */
  readonly sql?: string;
  readonly options?: Parameters<Keeper['convert']>[0];
  readonly config?: Settings;
  readonly code: string;
  readonly message: string;
}>([
  {
    what: 'a view',
    sql: 'CREATE VIEW app.events AS SELECT 1 AS id, now() AS at',
    code: 'not-a-table',
    message: 'app.events is no ordinary table.',
  },
  {
    what: 'a materialized view',
    sql: 'CREATE MATERIALIZED VIEW app.events AS SELECT 1 AS id, now() AS at',
    code: 'not-a-table',
    message: 'app.events is no ordinary table.',
  },
  {
    what: 'a key that the table does not have',
    config: { partitionKey: 'moment' },
    code: 'wrong-key',
    message: 'app.events has no column moment, which the config says it is to be partitioned by.',
  },
  {
    what: 'a key of a type that has no order in time',
    config: { partitionKey: 'note' },
    code: 'wrong-key',
    message:
      'The column note of app.events is of type text; a partition key may be timestamptz, timestamp, date, or uuid with UUIDv7 values.',
  },
  {
    what: 'partitions to split that there are none of',
    options: { strategy: 'split' },
    code: 'not-partitioned',
    message: 'app.events is not partitioned, so there are no partitions to split.',
  },
  {
    what: 'a plain table to be made plain',
    options: { strategy: 'unconvert' },
    code: 'not-partitioned',
    message: 'app.events is not partitioned.',
  },
  {
    what: 'nothing to finish',
    options: { finish: true },
    code: 'nothing-to-finish',
    message: 'app.events has no table that it has replaced.',
  },
  {
    what: 'going back and going on at once',
    options: { undo: true, finish: true },
    code: 'undo-and-finish',
    message: 'A conversion is either undone or finished.',
  },
])('$what is an error of usage', async ({ sql = PLAIN.sql, options, config, code, message }) => {
  await makeApp(database, sql);
  const before = await catalogState(database);
  const converted = keeper(database, { ...SETTINGS, ...config }).convert(options);
  await expect(converted).rejects.toMatchObject({ code, message, exitCode: EXIT.usage });
  expect(await catalogState(database)).toEqual(before);
});

test('a conversion that was begun in one way is not gone on with in another', async () => {
  await makeApp(database, PLAIN.sql);
  const { convert } = keeper(database, SETTINGS);
  stepsOf(await convert({ strategy: 'copy', until: 'prepare' }));
  const before = await catalogState(database);
  await expect(convert({ strategy: 'attach' })).rejects.toMatchObject({
    code: 'other-strategy',
    message: 'A conversion of app.events by copy has been begun, and attach was asked for.',
    exitCode: EXIT.usage,
  });
  expect(await catalogState(database)).toEqual(before);
});

test('a table is not put back once its removal has begun, which can be completed', async () => {
  await makeApp(database, PLAIN.sql);
  const { convert } = keeper(database, SETTINGS);
  stepsOf(await convert({ strategy: 'copy' }));
  const end = new AbortController();
  await convert({
    finish: true,
    signal: end.signal,
    onStep: ({ step }) => {
      if (step.kind === 'discard') end.abort();
    },
  });
  const before = await catalogState(database);
  const report = await convert({ undo: true });
  expect(exitCodeOf(report)).toBe(EXIT.refused);
  expect(tableOf(report).error).toMatchObject({
    code: 'undo-too-late',
    message: 'app.events_replaced does not follow app.events any more: it has begun to be removed.',
    hint: 'Complete that with --finish; to go back, use unconvert.',
  });
  expect(await catalogState(database)).toEqual(before);
  stepsOf(await convert({ finish: true }));
});
