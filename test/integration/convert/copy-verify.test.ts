import { describe, expect, test } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import { preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears, copyUntil } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, partitionsOf, stepsOf, tableOf } from '../../support/keeper.ts';

const COPY = { strategy: 'copy' } as const;

const kinds = (report: Report): string[] => stepsOf(report).map(({ kind }) => kind);

const rowsOf = (database: TestDatabase, table = 'app.events') => contents(database, table, { rows: true });

/** Whatever the run was, the application works on the table, which is what it was. */
async function expectPlainAndInUse(database: TestDatabase): Promise<void> {
  const [table] = await database.query(`
    WITH added AS (INSERT INTO app.events (at, account) VALUES (now(), 1) RETURNING id)
    SELECT relkind AS kind, (SELECT count(*)::int FROM added) AS added FROM pg_class WHERE oid = 'app.events'::regclass`);
  expect(table).toEqual({ kind: 'r', added: 1 });
}

/** What the findings tell of rows that differed. */
const differences = (report: Report): { readonly message: string; readonly facts: object }[] =>
  tableOf(report).findings.filter(
    ({ finding, severity }) => finding === 'conversion' && severity === 'warning',
  );

describe('rows of the copy that are not those of the table', () => {
  test('are told, taken over anew, and equal when the copy takes the place', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, { ...COPY, until: 'copy' }));
    const rows = await rowsOf(database);
    await database.query(`
      DELETE FROM app.events_partitioned WHERE id BETWEEN 10 AND 12;
      UPDATE app.events_partitioned SET note = 'by hand' WHERE id BETWEEN 20 AND 24;
      INSERT INTO app.events_partitioned (id, at, account, note) VALUES (9999, now(), 1, 'by hand')`);
    const report = await convertByYears(database.url, COPY);
    expect(kinds(report)).toEqual(['analyze', 'verify', 'mirror', 'verify', 'switch']);
    const [told, ...others] = differences(report);
    expect(others).toEqual([]);
    expect(told).toMatchObject({ facts: { differences: 9 } });
    for (const example of [/\(10,[^)]*\) missing/, /\(22,[^)]*\) different/, /\(9999,[^)]*\) too much/])
      expect(told?.message).toMatch(example);
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
    expect(contentsDifference(rows, await rowsOf(database, 'app.events_replaced'))).toEqual([]);
  });

  test('keep it from taking the place as long as something changes them on their way', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, { ...COPY, until: 'prepare' }));
    const partitions = Object.keys(await partitionsOf(database, 'app.events_partitioned'));
    await database.query(
      `CREATE FUNCTION app.censor() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id % 50 = 0 THEN NEW.note := ''censored''; END IF; RETURN NEW; END'`,
    );
    for (const name of partitions)
      await database.query(
        `CREATE TRIGGER censor BEFORE INSERT ON app.${name} FOR EACH ROW EXECUTE FUNCTION app.censor()`,
      );
    for (const _ of ['once', 'and once more']) {
      const report = tableOf(await convertByYears(database.url, COPY));
      expect(report).toMatchObject({ status: 'refused', error: { code: 'verification-failed' } });
      expect(report.error?.message).toMatch(
        /^4 rows of app\.events_partitioned differ.*\(50,[^)]*\) different/,
      );
      expect(report.steps.find(({ kind }) => kind === 'switch')?.status).toBe('not-run');
      await expectPlainAndInUse(database);
    }
    for (const name of partitions) await database.query(`DROP TRIGGER censor ON app.${name}`);
    const rows = await rowsOf(database);
    expect(kinds(await convertByYears(database.url, COPY))).toContain('switch');
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });

  test('are looked for by each run anew, as nobody knows what has been done to the copy since', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    expect(kinds(await convertByYears(database.url, { ...COPY, until: 'verify' }))).toContain('verify');
    await database.query("UPDATE app.events_partitioned SET note = 'by hand' WHERE id = 20");
    expect(kinds(await convertByYears(database.url, { ...COPY, until: 'verify' }))).toEqual([
      'verify',
      'mirror',
      'verify',
    ]);
    expect(kinds(await convertByYears(database.url, COPY))).toEqual(['verify', 'switch']);
  });
});

test('a table that was replaced is not removed as long as its rows are not those of the table in use', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  stepsOf(await convertByYears(database.url, COPY));
  await database.query(`
    CREATE FUNCTION app.censor() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := ''censored''; RETURN NEW; END';
    CREATE TRIGGER censor BEFORE INSERT ON app.events_replaced FOR EACH ROW EXECUTE FUNCTION app.censor();
    UPDATE app.events SET note = 'later' WHERE id < 4`);
  const refused = tableOf(await convertByYears(database.url, { finish: true }));
  expect(refused).toMatchObject({ status: 'refused', error: { code: 'verification-failed' } });
  expect((await rowsOf(database, 'app.events_replaced')).count).toBe(200);
  await database.query('DROP TRIGGER censor ON app.events_replaced');
  expect(kinds(await convertByYears(database.url, { finish: true })).at(-1)).toBe('drop');
});

test('what is written after the comparison is in the copy when it takes the place', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  stepsOf(await convertByYears(database.url, { ...COPY, until: 'verify' }));
  await database.query(`
    DELETE FROM app.events WHERE id BETWEEN 10 AND 12;
    UPDATE app.events SET note = 'later' WHERE id BETWEEN 20 AND 24;
    UPDATE app.events SET at = at - interval '1 year', id = id + 1000 WHERE id BETWEEN 30 AND 34;
    INSERT INTO app.events (at, account) SELECT now(), 1 FROM generate_series(1, 10)`);
  const rows = await rowsOf(database);
  expect(kinds(await convertByYears(database.url, COPY))).toContain('switch');
  expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
});

describe('TRUNCATE', () => {
  const truncate = (database: TestDatabase) =>
    database.query(
      "TRUNCATE app.events; INSERT INTO app.events (at, account, note) VALUES (now(), 1, 'new')",
    );

  test('while changes are noted makes the copy begin anew', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    await copyUntil(database.url, 'copy');
    await truncate(database);
    expect(kinds(await convertByYears(database.url, COPY))).toEqual(
      expect.arrayContaining(['discard', 'drop', 'prepare', 'switch']),
    );
    expect((await rowsOf(database)).count).toBe(1);
  });

  test('is followed by the copy, and by the table that was replaced', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, { ...COPY, until: 'verify' }));
    await truncate(database);
    expect((await rowsOf(database, 'app.events_partitioned')).count).toBe(1);
    expect(kinds(await convertByYears(database.url, COPY))).toEqual(['verify', 'switch']);
    expect((await rowsOf(database)).count).toBe(1);
    await truncate(database);
    expect((await rowsOf(database, 'app.events_replaced')).count).toBe(1);
    stepsOf(await convertByYears(database.url, { undo: true }));
    expect((await rowsOf(database)).count).toBe(1);
  });
});

describe('a column that is added', () => {
  const ADD = "ADD COLUMN extra text DEFAULT 'as ever'";

  test('while the copy is made is in it: it is begun anew', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, { ...COPY, until: 'copy' }));
    await database.query(`ALTER TABLE app.events ${ADD}; UPDATE app.events SET extra = 'own' WHERE id < 10`);
    await expectPlainAndInUse(database);
    const rows = await rowsOf(database);
    expect(kinds(await convertByYears(database.url, COPY))).toEqual(
      expect.arrayContaining(['discard', 'drop', 'prepare', 'switch']),
    );
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });

  /** The table has been converted, and has a column that the one it has replaced has not. */
  async function addedAfterwards(database: TestDatabase) {
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, COPY));
    await database.query(`ALTER TABLE app.events ${ADD}; UPDATE app.events SET extra = 'own' WHERE id < 10`);
    expect(stepsOf(await convertByYears(database.url, COPY))).toEqual([]);
    await database.query("INSERT INTO app.events (at, account, extra) VALUES (now(), 1, 'new')");
    return await rowsOf(database);
  }

  test('afterwards is not lost: nothing is undone until the replaced table has it, too, with its values', async () => {
    await using database = await createTestDatabase();
    const rows = await addedAfterwards(database);
    const refused = tableOf(await convertByYears(database.url, { undo: true }));
    expect(refused).toMatchObject({ status: 'refused', error: { code: 'columns-differ' } });
    expect(refused.error?.message).toContain('no column extra');
    expect(refused.error?.hint).toContain('ALTER TABLE "app"."events_replaced" ADD COLUMN "extra" text;');
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);

    await database.query('ALTER TABLE app.events_replaced ADD COLUMN extra text');
    expect(kinds(await convertByYears(database.url, { undo: true }))).toContain('switch');
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
    await expectPlainAndInUse(database);
  });

  test('afterwards does not keep the conversion from being finished', async () => {
    await using database = await createTestDatabase();
    const rows = await addedAfterwards(database);
    expect(kinds(await convertByYears(database.url, { finish: true }))).toEqual([
      'verify',
      'discard',
      'discard',
      'drop',
    ]);
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });
});

describe('a trigger by which a table follows', () => {
  const DISABLE = 'ALTER TABLE app.events DISABLE TRIGGER ALL';
  const CHANGE = "UPDATE app.events SET note = 'unseen' WHERE id < 10";
  const ENABLE = 'ALTER TABLE app.events ENABLE TRIGGER ALL';

  test('and that was disabled for a while makes the copy begin anew', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, { ...COPY, until: 'verify' }));
    await database.query(`${DISABLE}; ${CHANGE}; ${ENABLE}`);
    const rows = await rowsOf(database);
    expect(kinds(await convertByYears(database.url, COPY))).toEqual(
      expect.arrayContaining(['discard', 'switch']),
    );
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });

  test('and that is disabled keeps the conversion from being undone until it is back', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, COPY));
    await database.query(`${DISABLE}; ${CHANGE}; ${ENABLE}`);
    const rows = await rowsOf(database);
    const refused = tableOf(await convertByYears(database.url, { undo: true }));
    expect(refused).toMatchObject({ status: 'refused', error: { code: 'not-following' } });
    await database.query(/\((.*)\)/.exec(refused.error?.hint ?? '')?.[1] ?? '');
    expect(kinds(await convertByYears(database.url, { undo: true }))).toContain('switch');
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });
});

test.each<[string, string]>([
  ['the table has been given an index', 'CREATE INDEX ON app.events (note)'],
  ['the table has been given a column', 'ALTER TABLE app.events ADD COLUMN extra int'],
  ['the table has had a trigger disabled', 'ALTER TABLE app.events DISABLE TRIGGER stamp'],
  ['the table has been granted to somebody', 'GRANT SELECT ON app.events TO PUBLIC'],
  ['the table has been emptied', 'TRUNCATE app.events'],
  [
    'the table is another one by now',
    'ALTER TABLE app.events RENAME TO before; CREATE TABLE app.events (LIKE app.before INCLUDING ALL)',
  ],
  ['the copy is another one by now', "COMMENT ON TABLE app.events_partitioned IS 'mine'"],
  ['the copy belongs to somebody else', 'ALTER TABLE app.events_partitioned OWNER TO pg_monitor'],
  [
    'the copy has been given a partition',
    "CREATE TABLE app.older PARTITION OF app.events_partitioned FOR VALUES FROM ('2000-01-01') TO ('2001-01-01')",
  ],
  [
    'the copy has not followed for a while',
    `ALTER TABLE app.events DISABLE TRIGGER ALL; UPDATE app.events SET account = account WHERE id = 7;
     ALTER TABLE app.events ENABLE TRIGGER ALL`,
  ],
  ['a change has only been noted', 'INSERT INTO app.events_changes (id, at) VALUES (7, now())'],
  [
    'the copy follows since another moment',
    'COMMENT ON FUNCTION app.events_mirror() IS \'{"partition-keeper-mirror": {"since": "7"}}\'',
  ],
])('when %s after the look, nothing is switched', async (_, change) => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  stepsOf(await convertByYears(database.url, { ...COPY, until: 'verify' }));
  const planned = stepsOf(await convertByYears(database.url, { ...COPY, dryRun: true }));
  const exchange = planned.find(({ kind }) => kind === 'switch');

  await database.query(change);
  const before = await catalogState(database);
  const client = await database.connect();
  await expect(async () => {
    for (const statement of exchange?.statements ?? []) await client.query(statement);
  }).rejects.toMatchObject({ code: 'PKCHG' });
  await client.end();
  expect(await catalogState(database)).toEqual(before);
});
