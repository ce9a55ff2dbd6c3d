import { expect, test } from 'vitest';
import { convert, convertUntil, preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { createTestDatabase } from '../../support/database.ts';
import { catalogState, stepsOf, tableOf } from '../../support/keeper.ts';

test.each([
  ['the old table is to get', 'events_legacy'],
  ['an index of the old table is to get', 'events_account_legacy'],
  ['an index is to be made under', 'events_account_partitioned'],
  ['a sequence is to be made under', 'events_id_seq_partitioned'],
  ['an index is to be added under', 'events_pkey_partition_keeper'],
])('a name that %s and something else has is told before anything is done', async (_, name) => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await database.query(`CREATE TABLE app.other AS SELECT 1 AS one; CREATE INDEX ${name} ON app.other (one)`);
  const before = await catalogState(database);
  const refused = tableOf(await convert(database.url));
  expect(refused).toMatchObject({ status: 'refused', error: { code: 'not-convertible' } });
  expect(refused.findings).toContainEqual(
    expect.objectContaining({
      facts: { code: 'name-taken' },
      message: expect.stringContaining(`app.${name},`),
    }),
  );
  expect(stepsOf(await convert(database.url, { undo: true }))).toEqual([]);
  expect(await catalogState(database)).toEqual(before);
});

test('an index that is merely called like one of ours is neither taken for it nor removed', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await database.query('CREATE INDEX events_account_partition_keeper ON app.events (note)');
  const names = async () =>
    (
      await database.query<{ name: string }>(
        "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indrelid = 'app.events'::regclass ORDER BY 1",
      )
    ).map(({ name }) => name);
  const before = await names();
  await convertUntil(database.url, ({ step }) => step.kind === 'index');
  expect(await names()).toEqual([...before, 'app.events_pkey_partition_keeper'].toSorted());
  stepsOf(await convert(database.url, { undo: true }));
  expect(await names()).toEqual(before);
  stepsOf(await convert(database.url));
  expect(await names()).toEqual(before);
});
