import { describe, expect, test } from 'vitest';
import type { Report } from '../../lib/index.ts';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import {
  at,
  catalogState,
  configFile,
  done,
  findingsOf,
  keeper,
  partitionsOf,
  type Settings,
  stepsOf,
  tableOf,
} from '../support/keeper.ts';
import { recordStatements, splitStatements, transactionsOf } from '../support/statements.ts';

/** The server's clock judges a real cleanup, so what is past retention is so whenever the tests are run. */
const OLD = { retention: { years: 20 }, maxExpiredShare: 1 } satisfies Settings;

const partition = (name: string, from: string, to: string, rest = '') =>
  `CREATE TABLE app.${name} PARTITION OF app.events FOR VALUES FROM (${from}) TO (${to}) ${rest};`;

const JANUARY = partition('events_1999_01', "'1999-01-01'", "'1999-02-01'");
const FEBRUARY = partition('events_1999_02', "'1999-02-01'", "'1999-03-01'");
const LATER = partition('events_later', "'1999-03-01'", 'MAXVALUE');

async function databaseWith(...statements: readonly string[]): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
    CREATE UNIQUE INDEX events_id ON app.events (id, at)`);
  for (const statement of statements) await database.query(statement);
  return database;
}

const names = async (database: TestDatabase): Promise<string[]> => Object.keys(await partitionsOf(database));

const exists = async (database: TestDatabase, name: string): Promise<boolean> =>
  (await database.query('SELECT 1 WHERE to_regclass($1) IS NOT NULL', [name])).length === 1;

const commentOf = async (database: TestDatabase, name: string): Promise<string | null> =>
  (
    await database.query<{ comment: string | null }>(
      "SELECT obj_description($1::regclass, 'pg_class') AS comment",
      [name],
    )
  )[0]?.comment ?? null;

/** Makes a detach look as if it had been done an hour earlier than it was. */
async function ageByAnHour(database: TestDatabase, name: string): Promise<void> {
  const comment = (await commentOf(database, name)) ?? '';
  const aged = comment.replace(/(?<="detachedAt":")[^"]*/, (time) =>
    at(time).subtract({ hours: 1 }).toString(),
  );
  expect(aged).not.toBe(comment);
  await database.query(`COMMENT ON TABLE ${name} IS '${aged.replaceAll("'", "''")}'`);
}

/** Leaves the partition pending, as an interrupted DETACH .. CONCURRENTLY does. */
async function interruptDetach(database: TestDatabase, name: string): Promise<void> {
  const reader = await database.connect();
  await reader.query('BEGIN; LOCK TABLE ONLY app.events IN ACCESS SHARE MODE');
  const other = await database.connect();
  await other.query("SET lock_timeout = '20ms'");
  await expect(
    other.query(`ALTER TABLE app.events DETACH PARTITION ${name} CONCURRENTLY`),
  ).rejects.toMatchObject({
    code: '55P03',
  });
  await reader.end();
  await other.end();
}

describe('what is removed', () => {
  test('is what lies before the cutoff as a whole, judged by the upper bound', async () => {
    await using database = await databaseWith(
      partition('events_2020_08', "'2020-08-01'", "'2020-09-01'"),
      partition('events_2020_09', "'2020-09-01'", "'2020-10-01'"),
      partition('events_2020_10', "'2020-10-01'", "'2020-11-01'"),
      partition('events_2020_11', "'2020-11-01'", "'2020-12-01'"),
    );
    const { cleanup } = keeper(database, { retention: { months: 1 }, maxExpiredShare: 1 });
    const removedAt = async (now: string) => done(await cleanup({ now: at(now), dryRun: true }));

    expect(await removedAt('2020-10-31T23:59:59.999999Z')).toEqual(['drop app.events_2020_08']);
    expect(await removedAt('2020-11-01T00:00:00Z')).toEqual([
      'drop app.events_2020_08',
      'drop app.events_2020_09',
    ]);
    expect(await removedAt('2020-11-30T23:59:59.999999Z')).toEqual([
      'drop app.events_2020_08',
      'drop app.events_2020_09',
    ]);
  });

  test('is never the default, an open-ended, the current or the last partition', async () => {
    await using database = await databaseWith(
      partition('events_ever', 'MINVALUE', "'1999-01-01'"),
      JANUARY,
      partition('events_wide', "'1999-02-01'", "'2999-01-01'"),
      'CREATE TABLE app.events_default PARTITION OF app.events DEFAULT',
    );
    const report = await keeper(database, OLD).cleanup();
    expect(done(report)).toEqual(['drop app.events_ever', 'drop app.events_1999_01']);
    expect(await names(database)).toEqual(['events_wide', 'events_default']);
    expect(done(await keeper(database, OLD).cleanup())).toEqual([]);

    await using abandoned = await databaseWith(JANUARY, FEBRUARY);
    expect(done(await keeper(abandoned, OLD).cleanup())).toEqual(['drop app.events_1999_01']);
    expect(done(await keeper(abandoned, OLD).cleanup())).toEqual([]);
    expect(await names(abandoned)).toEqual(['events_1999_02']);
  });

  test('goes in one transaction each while attached, with the statements the dry run has printed', async () => {
    await using database = await databaseWith(JANUARY, FEBRUARY, LATER);
    const dry = await keeper(database, OLD).cleanup({ dryRun: true });
    const printed = stepsOf(dry).flatMap(({ statements }) => statements);
    expect(printed.filter((statement) => statement === 'COMMIT')).toHaveLength(2);
    expect(await names(database)).toEqual(['events_1999_01', 'events_1999_02', 'events_later']);

    using recorder = recordStatements();
    const real = await keeper(database, OLD).cleanup();

    expect(transactionsOf(recorder.sent).within).toEqual(printed);
    expect(stepsOf(real).map(({ kind, status, statements }) => [kind, status, statements])).toEqual(
      stepsOf(dry).map(({ kind, statements }) => [kind, 'done', statements]),
    );
    expect(await names(database)).toEqual(['events_later']);
    expect(await exists(database, 'app.events_1999_01')).toBe(false);
    expect(tableOf(real).gauges).toMatchObject({ partitions: 1, expired: 0 });
  });

  test('is a table with partitions of its own, or a foreign table, too', async () => {
    await using database = await databaseWith(
      partition('events_1999_01', "'1999-01-01'", "'1999-02-01'", 'PARTITION BY LIST (id)'),
      "CREATE TABLE app.ones PARTITION OF app.events_1999_01 FOR VALUES IN (1); INSERT INTO app.events VALUES (1, '1999-01-05')",
      LATER,
    );
    expect(done(await keeper(database, OLD).cleanup())).toEqual(['drop app.events_1999_01']);
    expect(await exists(database, 'app.ones')).toBe(false);
    expect(await names(database)).toEqual(['events_later']);

    await using foreign = await databaseWithForeign();
    expect(done(await keeper(foreign, OLD).cleanup())).toEqual(['drop app.events_1999_01']);
    expect(await names(foreign)).toEqual(['events_later']);
    expect(await exists(foreign, 'app.events_1999_01')).toBe(false);
  });
});

/** January is a foreign table. Those have no unique indexes, so the table has none either. */
const databaseWithForeign = () =>
  databaseWith(
    'DROP INDEX app.events_id',
    "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE app.events_1999_01 PARTITION OF app.events FOR VALUES FROM ('1999-01-01') TO ('1999-02-01') SERVER files OPTIONS (filename '/nowhere')",
    LATER,
  );

describe('with `expired: detach`', () => {
  const DETACH = { ...OLD, expired: 'detach' } satisfies Settings;

  test('a partition is detached concurrently, kept with its rows and marked', async () => {
    await using database = await databaseWith(
      JANUARY,
      LATER,
      "INSERT INTO app.events VALUES (1, '1999-01-01'); COMMENT ON TABLE app.events_1999_01 IS 'It''s mine'",
    );
    const report = await keeper(database, DETACH).cleanup();

    expect(done(report)).toEqual(['detach app.events_1999_01']);
    expect(stepsOf(report).flatMap(({ statements }) => statements)).toContain(
      'ALTER TABLE "app"."events" DETACH PARTITION "app"."events_1999_01" CONCURRENTLY',
    );
    expect(await names(database)).toEqual(['events_later']);
    expect(await database.query('SELECT id, at::text FROM app.events_1999_01')).toEqual([
      { id: 1, at: '1999-01-01 00:00:00+00' },
    ]);
    const [parent] = await database.query<{ oid: number }>("SELECT 'app.events'::regclass::oid AS oid");
    expect(JSON.parse((await commentOf(database, 'app.events_1999_01')) ?? '')).toEqual({
      'partition-keeper': {
        parentOid: parent?.oid,
        parent: 'app.events',
        bounds: "FOR VALUES FROM ('1999-01-01 00:00:00+00') TO ('1999-02-01 00:00:00+00')",
        detachedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/),
        by: expect.any(String),
        runId: report.runId,
        comment: "It's mine",
      },
    });

    const before = await catalogState(database);
    expect(done(await keeper(database, DETACH).cleanup())).toEqual([]);
    expect(await catalogState(database)).toEqual(before);
    expect(findingsOf(await keeper(database, DETACH).health())).not.toContain('stranded');
  });

  test('a foreign table is detached and marked as well', async () => {
    await using database = await databaseWithForeign();
    expect(done(await keeper(database, DETACH).cleanup())).toEqual(['detach app.events_1999_01']);
    expect(await names(database)).toEqual(['events_later']);
    // Once it is to go after all, it is known as ours, and dropped as what it is.
    expect(done(await keeper(database, OLD).cleanup())).toEqual(['drop app.events_1999_01']);
    expect(await exists(database, 'app.events_1999_01')).toBe(false);
  });

  test('a table with partitions of its own is detached with them', async () => {
    await using database = await databaseWith(
      partition('events_1999_01', "'1999-01-01'", "'1999-02-01'", 'PARTITION BY LIST (id)'),
      "CREATE TABLE app.ones PARTITION OF app.events_1999_01 FOR VALUES IN (1); INSERT INTO app.events VALUES (1, '1999-01-05')",
      LATER,
    );
    expect(done(await keeper(database, DETACH).cleanup())).toEqual(['detach app.events_1999_01']);
    expect(await database.query('SELECT count(*)::int AS rows FROM app.events_1999_01')).toEqual([
      { rows: 1 },
    ]);
    expect(done(await keeper(database, OLD).cleanup())).toEqual(['drop app.events_1999_01']);
    expect(await exists(database, 'app.ones')).toBe(false);
  });

  test('a default partition makes the detach a short blocking one, and the plan says so', async () => {
    await using database = await databaseWith(
      JANUARY,
      LATER,
      'CREATE TABLE app.events_default PARTITION OF app.events DEFAULT',
    );
    const report = await keeper(database, DETACH).cleanup();
    expect(done(report)).toEqual(['detach app.events_1999_01']);
    const [step] = stepsOf(report);
    expect(step?.reason).toMatch(/not concurrently, because there is a default partition$/);
    expect(step?.hazards[0]).toMatch(
      /^an ACCESS EXCLUSIVE lock on app.events .* forbids a concurrent detach$/,
    );
    expect(step?.statements).toContain('ALTER TABLE "app"."events" DETACH PARTITION "app"."events_1999_01"');
    expect(await names(database)).toEqual(['events_later', 'events_default']);
    expect(await commentOf(database, 'app.events_1999_01')).toContain(report.runId);
  });

  test('the script that plan prints does the same', async () => {
    await using database = await databaseWith(JANUARY, LATER);
    const { code, stdout } = await runCli(['plan', 'cleanup', '--format', 'sql'], {
      config: configFile(DETACH),
      url: database.url,
    });
    expect(code).toBe(0);
    const client = await database.connect();
    for (const statement of splitStatements(stdout)) await client.query(statement);
    expect(await names(database)).toEqual(['events_later']);
    // It is known as ours: where detached tables are to be dropped, it is.
    expect(done(await keeper(database, OLD).cleanup())).toEqual(['drop app.events_1999_01']);
  });
});

describe('with a grace', () => {
  const GRACE = { ...OLD, grace: { hours: 1 } } satisfies Settings;

  test('a partition is detached first, and dropped when its time has come', async () => {
    await using database = await databaseWith(JANUARY, LATER);
    expect(done(await keeper(database, GRACE).cleanup())).toEqual(['detach app.events_1999_01']);
    expect(done(await keeper(database, GRACE).cleanup())).toEqual([]);
    expect(findingsOf(await keeper(database, GRACE).health())).not.toContain('stranded');

    await ageByAnHour(database, 'app.events_1999_01');
    expect(findingsOf(await keeper(database, GRACE).health())).toContain('stranded');
    expect(await exists(database, 'app.events_1999_01')).toBe(true);
    expect(done(await keeper(database, GRACE).cleanup())).toEqual(['drop app.events_1999_01']);
    expect(await exists(database, 'app.events_1999_01')).toBe(false);
    expect(await names(database)).toEqual(['events_later']);
  });

  test('statements are those the dry run has printed, but for run and moment', async () => {
    await using database = await databaseWith(JANUARY, LATER);
    const neutral = (report: Report) =>
      stepsOf(report)
        .flatMap(({ statements }) => statements)
        .map((statement) => statement.replace(/"(detachedAt|runId)":"[^"]*"/g, '"$1":""'));
    const dry = await keeper(database, GRACE).cleanup({ dryRun: true });
    using recorder = recordStatements();
    const real = await keeper(database, GRACE).cleanup();
    expect(neutral(real)).toEqual(neutral(dry));
    const executed = stepsOf(real).flatMap(({ statements }) => statements);
    expect(recorder.sent.filter((statement) => executed.includes(statement))).toEqual(
      expect.arrayContaining(executed),
    );
  });

  test('a table with a marker is not dropped once it is attached, another’s, or not past retention', async () => {
    await using database = await databaseWith(JANUARY, FEBRUARY, LATER);
    const role = await database.createRole();
    expect(done(await keeper(database, GRACE).cleanup())).toHaveLength(2);
    await ageByAnHour(database, 'app.events_1999_01');
    await ageByAnHour(database, 'app.events_1999_02');
    const planned = async (settings: Settings) =>
      done(await keeper(database, settings).cleanup({ dryRun: true }));
    expect(await planned(GRACE)).toEqual(['drop app.events_1999_01', 'drop app.events_1999_02']);
    expect(await planned({ ...GRACE, retention: { years: 1000 } })).toEqual([]);

    await database.query(`ALTER TABLE app.events_1999_01 OWNER TO ${role.name}`);
    await database.query(
      "ALTER TABLE app.events ATTACH PARTITION app.events_1999_02 FOR VALUES FROM ('1999-02-01') TO ('1999-03-01')",
    );
    expect(done(await keeper(database, GRACE).cleanup())).toEqual(['detach app.events_1999_02']);
    expect(await exists(database, 'app.events_1999_01')).toBe(true);
  });
});

describe('a detached table whose marker has the name of one table and the oid of another', () => {
  const NAME = 'app.events_1999_01';

  /** Two tables of one kind; of the first, a partition was detached long ago. */
  async function detached(): Promise<TestDatabase> {
    const database = await databaseWith(
      JANUARY,
      LATER,
      `CREATE TABLE app.others (LIKE app.events) PARTITION BY RANGE (at);
       CREATE TABLE app.others_1 PARTITION OF app.others FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)`,
    );
    expect(done(await keeper(database, { ...OLD, expired: 'detach' }).cleanup())).toEqual([`detach ${NAME}`]);
    return database;
  }

  /** Writes the oid into the marker that would be there if oids had been given anew. */
  async function restoredWith(database: TestDatabase, parentOid: string): Promise<number> {
    const [row] = await database.query<{ oid: number }>(`SELECT ${parentOid}::oid::int AS oid`);
    const comment = (await commentOf(database, NAME)) ?? '';
    const changed = comment.replace(/(?<="parentOid":)\d+/, String(row?.oid));
    expect(changed).not.toBe(comment);
    await database.query(`COMMENT ON TABLE ${NAME} IS '${changed.replaceAll("'", "''")}'`);
    return row?.oid ?? 0;
  }

  const both = (database: TestDatabase) => keeper(database, OLD, { ...OLD, table: 'others' });

  async function expectKept(database: TestDatabase): Promise<void> {
    const report = await both(database).cleanup({ approve: true });
    expect(report.tables.map(({ status, steps }) => [status, steps])).toEqual([
      ['ok', []],
      ['ok', []],
    ]);
    expect(await exists(database, NAME)).toBe(true);
  }

  test.each([
    ['of none', '4000000', ['events']],
    ['of another table of the config', "'app.others'::regclass", ['events', 'others']],
  ])('%s is kept, and health tells how to decide', async (_name, oid, tellers) => {
    await using database = await detached();
    const parentOid = await restoredWith(database, oid);
    await expectKept(database);
    const health = await both(database).health();
    const told = health.tables.filter(({ findings }) =>
      findings.some(({ finding }) => finding === 'stranded'),
    );
    expect(told.map(({ table }) => table)).toEqual(tellers);
    for (const { findings } of told) {
      expect(findings.find(({ finding }) => finding === 'stranded')).toMatchObject({
        severity: 'warning',
        partition: NAME,
        facts: { parent: 'app.events', parentOid },
        remedy: expect.stringContaining(`DROP TABLE ${NAME};`),
      });
    }
    // What the remedy says ends it, either way.
    await database.query(`COMMENT ON TABLE ${NAME} IS NULL`);
    expect(findingsOf(await both(database).health())).not.toContain('stranded');
  });

  test('is not told of before its grace is over, nor where detached tables are to stay', async () => {
    await using database = await detached();
    await restoredWith(database, '4000000');
    for (const settings of [{ grace: { hours: 1 } }, { expired: 'detach' }] satisfies Settings[])
      expect(findingsOf(await keeper(database, { ...OLD, ...settings }).health())).not.toContain('stranded');
  });

  test('is one thing, a parent that was renamed is another: its tables stay its own', async () => {
    await using database = await detached();
    await database.query(`
      ALTER TABLE app.events RENAME TO log;
      CREATE VIEW app.events AS SELECT * FROM app.log`);
    expect(done(await keeper(database, { ...OLD, table: 'log' }).cleanup())).toEqual([`drop ${NAME}`]);
  });

  test('is kept where another partitioned table has taken the name of the one that was renamed', async () => {
    await using database = await detached();
    await database.query(`
      ALTER TABLE app.events RENAME TO log;
      ALTER TABLE app.others RENAME TO events`);
    const renamed = keeper(database, { ...OLD, table: 'log' }, OLD);
    expect((await renamed.cleanup()).tables.flatMap(({ steps }) => steps)).toEqual([]);
    const health = await renamed.health();
    expect(findingsOf(health, 'log')).toContain('stranded');
    expect(findingsOf(health, 'events')).toContain('stranded');
  });

  test('is not told of where somebody else owns it, and no name in a marker stops the inspection', async () => {
    await using database = await detached();
    await restoredWith(database, '4000000');
    const role = await database.createRole();
    await database.query(`ALTER TABLE ${NAME} OWNER TO ${role.name}`);
    const comment = ((await commentOf(database, NAME)) ?? '').replaceAll("'", "''");
    for (const name of ['app.events', '', 'app', 'app.\\"a\\u0000\\"', '\\ud800.x', '"']) {
      const forged = comment.replace(/(?<="parent":)"[^"]*"/, () => `"${name.replace(/^"$/, '\\"')}"`);
      await database.query(`COMMENT ON TABLE ${NAME} IS '${forged}'`);
      expect(findingsOf(await both(database).health()), name).not.toContain('stranded');
    }
  });
});

describe('an unfinished detach', () => {
  test('of ours is finished and the table dropped', async () => {
    await using database = await databaseWith(JANUARY, FEBRUARY, LATER);
    // A reader of the parent lets the detach get as far as pending, an old snapshot keeps it from being finished.
    const reader = await database.connect();
    await reader.query(
      'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; LOCK TABLE ONLY app.events IN ACCESS SHARE MODE',
    );
    const DETACH = { ...OLD, expired: 'detach' } satisfies Settings;
    const first = await keeper(database, DETACH).cleanup({ maxWaitMs: 400 });

    expect(tableOf(first)).toMatchObject({ status: 'failed', error: { code: 'lock-not-available' } });
    expect(tableOf(first).steps.map(({ kind, partition: name, status }) => [kind, name, status])).toEqual([
      ['detach', 'app.events_1999_01', 'done'],
      ['finalize-detach', 'app.events_1999_01', 'failed'],
      ['detach', 'app.events_1999_02', 'not-run'],
    ]);
    expect(tableOf(first).gauges?.detachPending).toBe(1);
    const health = tableOf(await keeper(database, DETACH).health());
    expect(health.findings.find(({ finding }) => finding === 'detach-pending')).toMatchObject({
      partition: 'app.events_1999_01',
      facts: { ours: true },
      remedy: 'npx partition-keeper cleanup --table app.events',
    });
    await reader.query('ROLLBACK');

    const second = await keeper(database, OLD).cleanup();
    expect(done(second)).toEqual([
      'finalize-detach app.events_1999_01',
      'drop app.events_1999_01',
      'drop app.events_1999_02',
    ]);
    expect(await names(database)).toEqual(['events_later']);
    expect(await exists(database, 'app.events_1999_01')).toBe(false);
  });

  test('of somebody else is left alone', async () => {
    await using database = await databaseWith(JANUARY, FEBRUARY, LATER);
    await interruptDetach(database, 'app.events_1999_01');

    expect(done(await keeper(database, OLD).cleanup())).toEqual(['drop app.events_1999_02']);
    expect(await names(database)).toEqual(['events_1999_01', 'events_later']);
    const health = tableOf(await keeper(database, OLD).health());
    expect(health.findings.find(({ finding }) => finding === 'detach-pending')).toMatchObject({
      partition: 'app.events_1999_01',
      facts: { ours: false },
      remedy: 'ALTER TABLE app.events DETACH PARTITION app.events_1999_01 FINALIZE;',
    });
    // Neither is its range taken for a hole.
    expect(
      done(
        await keeper(database, { ...OLD, retention: { years: 1000 } }).create({
          now: at('1999-02-05T00:00:00Z'),
        }),
      ),
    ).toEqual(['create app.events_1999_02']);
  });
});

describe('what others depend on stays', () => {
  test.each([
    ['its parent', 'app.events'],
    ['it', 'app.events_1999_01'],
  ])('when foreign keys refer to %s', async (_, referenced) => {
    await using database = await databaseWith(
      JANUARY,
      LATER,
      `CREATE TABLE app.notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES ${referenced} (id, at))`,
    );
    const report = await keeper(database, OLD).cleanup();
    expect(done(report)).toEqual([]);
    expect(tableOf(report).findings).toMatchObject([
      {
        finding: 'referenced',
        severity: 'warning',
        partition: 'app.events_1999_01',
        facts: { referencedBy: ['app.notes'] },
      },
    ]);
    expect(findingsOf(await keeper(database, OLD).health())).toContain('referenced');
    expect(await names(database)).toEqual(['events_1999_01', 'events_later']);
  });

  test('when a view is made from it: that table fails, others do not, and the view stays', async () => {
    await using database = await databaseWith(
      JANUARY,
      FEBRUARY,
      LATER,
      'CREATE VIEW app.january AS SELECT * FROM app.events_1999_01',
      `CREATE TABLE app.others (at timestamptz) PARTITION BY RANGE (at);
       CREATE TABLE app.others_1 PARTITION OF app.others FOR VALUES FROM ('1999-01-01') TO ('1999-02-01');
       CREATE TABLE app.others_2 PARTITION OF app.others FOR VALUES FROM ('1999-02-01') TO (MAXVALUE)`,
    );
    const report = await keeper(database, OLD, { ...OLD, table: 'others' }).cleanup();

    expect(report.ok).toBe(false);
    expect(tableOf(report, 'events')).toMatchObject({ status: 'failed', error: { code: '2BP01' } });
    expect(tableOf(report, 'events').error?.message).toContain('january');
    expect(tableOf(report, 'others')).toMatchObject({ status: 'ok' });
    expect(await exists(database, 'app.others_1')).toBe(false);
    expect(await database.query('SELECT count(*)::int AS rows FROM app.january')).toEqual([{ rows: 0 }]);
    expect(await names(database)).toContain('events_1999_01');
  });
});

describe('a guard', () => {
  test('refuses to remove more than the share allowed, until somebody approves', async () => {
    await using database = await databaseWith(JANUARY, FEBRUARY, LATER);
    const settings = { retention: { years: 20 } } satisfies Settings;
    const before = await catalogState(database);
    const refused = await keeper(database, settings).cleanup();
    expect(refused.ok).toBe(false);
    expect(tableOf(refused)).toMatchObject({
      status: 'refused',
      error: { code: 'expired-share' },
      steps: [{ status: 'not-run' }, { status: 'not-run' }],
    });
    expect(await catalogState(database)).toEqual(before);

    const options = { config: configFile(settings), url: database.url };
    const byCommand = await runCli(['cleanup'], options);
    expect(byCommand.code).toBe(4);
    expect(await catalogState(database)).toEqual(before);
    const script = await runCli(['plan', 'cleanup', '--format', 'sql'], options);
    expect(script.code).toBe(4);
    expect(script.stdout).not.toContain('DROP');

    expect(byCommand.stdout + byCommand.stderr).toContain('--approve');
    expect(await runCli(['cleanup', '--table', 'app.events', '--approve'], options)).toMatchObject({
      code: 0,
    });
    expect(await names(database)).toEqual(['events_later']);
  });

  test('takes no time from outside, and warns of one in the future', async () => {
    await using database = await databaseWith(JANUARY, LATER);
    const now = at('2999-01-01T00:00:00Z');
    await expect(keeper(database, OLD).cleanup({ now })).rejects.toMatchObject({
      code: 'now-in-cleanup',
      exitCode: 2,
    });
    expect(tableOf(await keeper(database, OLD).cleanup({ now, dryRun: true }))).toMatchObject({
      status: 'refused',
      error: { code: 'future-now' },
    });
    expect(await names(database)).toEqual(['events_1999_01', 'events_later']);
  });
});

describe('a plan that is out of date changes nothing', () => {
  const DETACH = { ...OLD, expired: 'detach' } satisfies Settings;
  const GRACE = { ...OLD, grace: { hours: 1 } } satisfies Settings;
  const reattach = (bounds: string) =>
    `ALTER TABLE app.events DETACH PARTITION app.events_1999_01; ALTER TABLE app.events ATTACH PARTITION app.events_1999_01 FOR VALUES ${bounds}`;

  const changes: readonly (readonly [string, string])[] = [
    ['has other bounds', reattach("FROM ('1999-01-01') TO ('1999-01-31')")],
    ['is detached', 'ALTER TABLE app.events DETACH PARTITION app.events_1999_01'],
    [
      'is referred to',
      'CREATE TABLE app.notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES app.events_1999_01 (id, at))',
    ],
    ['was made anew', `DROP TABLE app.events_1999_01; ${JANUARY}`],
    [
      'has changed names with another',
      'ALTER TABLE app.events_1999_01 RENAME TO aside; ALTER TABLE app.events_1999_02 RENAME TO events_1999_01; ALTER TABLE app.aside RENAME TO events_1999_02',
    ],
    [
      'belongs to another parent',
      "CREATE TABLE app.others (LIKE app.events) PARTITION BY RANGE (at); ALTER TABLE app.events DETACH PARTITION app.events_1999_01; ALTER TABLE app.others ATTACH PARTITION app.events_1999_01 FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')",
    ],
  ];

  /** Runs the statements of a plan's first step after something has changed, and says how it ended. */
  async function outcome(database: TestDatabase, plan: Report, change: string): Promise<unknown> {
    const [step] = stepsOf(plan);
    await database.query(change);
    const before = await catalogState(database);
    const client = await database.connect();
    try {
      for (const statement of step?.statements ?? []) await client.query(statement);
      return 'done';
    } catch (error) {
      await client.query('ROLLBACK');
      expect(await catalogState(database)).toEqual(before);
      return error;
    }
  }

  test.each(changes)('when the partition to be dropped %s', async (_, change) => {
    await using database = await databaseWith(JANUARY, FEBRUARY, LATER);
    const plan = await keeper(database, OLD).cleanup({ dryRun: true });
    expect(await outcome(database, plan, change)).toMatchObject({ code: 'PKCHG' });
    await using control = await databaseWith(JANUARY, FEBRUARY, LATER);
    expect(await outcome(control, await keeper(control, OLD).cleanup({ dryRun: true }), 'SELECT 1')).toBe(
      'done',
    );
  });

  test.each(changes)('when the partition to be detached %s', async (_, change) => {
    await using database = await databaseWith(JANUARY, FEBRUARY, LATER);
    const plan = await keeper(database, DETACH).cleanup({ dryRun: true });
    expect(await outcome(database, plan, change)).toMatchObject({ code: 'PKCHG' });
  });

  test.each([
    [
      'is attached again',
      "ALTER TABLE app.events ATTACH PARTITION app.events_1999_01 FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')",
    ],
    ['has another comment', "COMMENT ON TABLE app.events_1999_01 IS 'keep'"],
    ['has another owner', 'ALTER TABLE app.events_1999_01 OWNER TO pg_monitor'],
    [
      'is referred to',
      'CREATE TABLE app.notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES app.events_1999_01 (id, at))',
    ],
    ['was made anew', 'DROP TABLE app.events_1999_01; CREATE TABLE app.events_1999_01 (id int)'],
  ])('when the detached table to be dropped %s', async (_, change) => {
    await using database = await databaseWith(JANUARY, LATER);
    await keeper(database, GRACE).cleanup();
    const plan = await keeper(database, OLD).cleanup({ dryRun: true });
    expect(done(plan)).toEqual(['drop app.events_1999_01']);
    expect(await outcome(database, plan, change)).toMatchObject({ code: 'PKCHG' });
    expect(await exists(database, 'app.events_1999_01')).toBe(true);
  });
});
