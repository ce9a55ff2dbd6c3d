import { expect, test } from 'vitest';
import { convert, convertUntil, prepared, preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { createTestDatabase } from '../../support/database.ts';
import { catalogState, stepsOf, tableOf } from '../../support/keeper.ts';

test.each<[string, string]>([
  ['has been given an index', 'CREATE INDEX ON app.events (note)'],
  ['has had a trigger disabled', 'ALTER TABLE app.events DISABLE TRIGGER stamp'],
  ['has been granted to somebody', 'GRANT SELECT ON app.events TO PUBLIC'],
  [
    'may hold rows beyond the boundary',
    `DO $$ BEGIN
       EXECUTE (SELECT format('ALTER TABLE app.events DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I %2$s NOT VALID', conname, pg_get_constraintdef(oid))
                FROM pg_constraint WHERE conname = 'partition_keeper_boundary');
     END $$`,
  ],
  ['may hold rows without a key', 'ALTER TABLE app.events ALTER COLUMN at DROP NOT NULL'],
  [
    'is another one by now',
    'ALTER TABLE app.events RENAME TO before; CREATE TABLE app.events (LIKE app.before INCLUDING ALL)',
  ],
  ['has got another one to be replaced by', "COMMENT ON TABLE app.events_partitioned IS 'mine'"],
])('a table that %s after it was looked at is not switched', async (_, change) => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await convertUntil(database.url, prepared);
  const planned = stepsOf(await convert(database.url, { dryRun: true }));
  expect(planned.map(({ kind }) => kind)).toEqual(['switch']);

  await database.query(change);
  const before = await catalogState(database);
  const client = await database.connect();
  await expect(async () => {
    for (const statement of planned[0]?.statements ?? []) await client.query(statement);
  }).rejects.toMatchObject({ code: 'PKCHG' });
  await client.end();
  expect(await catalogState(database)).toEqual(before);
});

test('a table that was changed while it was being converted is converted as it is then', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await convertUntil(database.url, prepared);
  await database.query('CREATE INDEX events_note ON app.events (note)');
  const report = await convert(database.url);
  expect(tableOf(report).steps[0]?.kind).toBe('discard');
  stepsOf(report);
  expect(
    await database.query("SELECT relkind FROM pg_class WHERE oid = 'app.events_note'::regclass"),
  ).toEqual([{ relkind: 'I' }]);
});
