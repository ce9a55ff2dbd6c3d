import { expect, test } from 'vitest';
import { convert, convertUntil, preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { convertByYears } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, describeSchema, partitionsOf, stepsOf, tableOf } from '../../support/keeper.ts';

const rowsOf = (database: TestDatabase, table: string) =>
  database.query(`SELECT count(*)::int AS rows FROM ${table}`);

test('what was prepared is taken back, and the table is as it was', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  const before = await describeSchema(database);
  await convertUntil(database.url, ({ step }) => step.kind === 'constrain');
  expect(await describeSchema(database)).not.toEqual(before);
  stepsOf(await convert(database.url, { undo: true }));
  expect(await describeSchema(database)).toEqual(before);
  expect(stepsOf(await convert(database.url, { undo: true }))).toEqual([]);
});

test.each(['prepare', 'copy', 'verify'] as const)(
  'a copy that was made until %s is taken back, and rows may lack a date again',
  async (until) => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    const before = await describeSchema(database);
    stepsOf(await convertByYears(database.url, { strategy: 'copy', until }));
    await expect(database.query('INSERT INTO app.events (at) VALUES (NULL)')).rejects.toMatchObject({
      code: '23502',
    });
    stepsOf(await convertByYears(database.url, { undo: true }));
    expect(await describeSchema(database)).toEqual(before);
  },
);

test('a key that has been given another use stays NOT NULL', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  stepsOf(await convert(database.url, { until: 'prepare' }));
  await database.query(
    'ALTER TABLE app.events DROP CONSTRAINT events_pkey, ADD CONSTRAINT events_pkey PRIMARY KEY (id, at)',
  );
  const steps = stepsOf(await convert(database.url, { undo: true }));
  expect(steps.map(({ kind }) => kind)).toContain('discard');
  await expect(database.query('INSERT INTO app.events (at) VALUES (NULL)')).rejects.toMatchObject({
    code: '23502',
  });
});

test.each([
  [
    'partitioned table',
    'PARTITION BY RANGE (at); CREATE TABLE app.theirs PARTITION OF app.events_partitioned DEFAULT',
  ],
  ['plain table', ''],
])('a %s of somebody else that has the name is left alone', async (_, form) => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await database.query(`
    CREATE TABLE app.events_partitioned (id int, at timestamptz NOT NULL) ${form};
    INSERT INTO app.events_partitioned VALUES (1, now())`);
  const before = await catalogState(database);
  const undone = await convert(database.url, { undo: true });
  expect(tableOf(undone)).toMatchObject({ status: 'refused', error: { code: 'name-taken' } });
  const converted = await convert(database.url);
  expect(tableOf(converted)).toMatchObject({ status: 'refused', error: { code: 'not-convertible' } });
  expect(tableOf(converted).findings).toContainEqual(
    expect.objectContaining({ finding: 'not-convertible', facts: { code: 'name-taken' } }),
  );
  expect(await catalogState(database)).toEqual(before);
  expect(await rowsOf(database, 'app.events_partitioned')).toEqual([{ rows: 1 }]);
});

test.each([
  ['rows', false],
  ['rows that row security hides from the owner', true],
])('%s that somebody has put into what was prepared are not thrown away with it', async (_, hidden) => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  if (hidden) {
    const owner = await database.createRole();
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name}; GRANT REFERENCES ON app.accounts TO ${owner.name};
      ALTER TABLE app.events OWNER TO ${owner.name}; ALTER VIEW app.newest OWNER TO ${owner.name};
      ALTER TABLE app.events ENABLE ROW LEVEL SECURITY; ALTER TABLE app.events FORCE ROW LEVEL SECURITY`);
  }
  const before = await describeSchema(database);
  await convertUntil(database.url, ({ step }) => step.kind === 'create');
  const [ahead = ''] = Object.values(await partitionsOf(database, 'app.events_partitioned'));
  await database.query('INSERT INTO app.events_partitioned (at, account) VALUES ($1, 1)', [
    ahead.split(' .. ')[0],
  ]);
  const prepared = await describeSchema(database);

  const undone = tableOf(await convert(database.url, { undo: true }));
  expect(undone).toMatchObject({ status: 'failed', error: { code: 'PKCHG' } });
  expect(undone.error?.message).toContain('app.events_partitioned holds rows');
  expect(await describeSchema(database)).toEqual(prepared);

  // A conversion that has to begin anew would discard it, too.
  await database.query('ALTER TABLE app.events ADD COLUMN added int');
  expect(tableOf(await convert(database.url))).toMatchObject({ status: 'failed', error: { code: 'PKCHG' } });
  expect(await rowsOf(database, 'app.events_partitioned')).toEqual([{ rows: 1 }]);

  await database.query('ALTER TABLE app.events DROP COLUMN added; DELETE FROM app.events_partitioned');
  stepsOf(await convert(database.url, { undo: true }));
  expect((await describeSchema(database)).length).toBe(before.length);
});
