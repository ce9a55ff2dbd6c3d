import { describe, expect, test } from 'vitest';
import { startApplication } from '../../support/convert/application.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { describeTable, descriptionDifference } from '../../support/convert/describe.ts';
import { createRichTable, type RichOptions, type RichTable } from '../../support/convert/rich-table.ts';
import { fill } from '../../support/convert/rows.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type Keeper, keeper, partitionsOf, stepsOf } from '../../support/keeper.ts';

const DAY = 24 * 60 * 60 * 1000;

async function prepare(
  database: TestDatabase,
  options: RichOptions = {},
): Promise<{ readonly table: RichTable; readonly keep: Keeper }> {
  const table = await createRichTable(database, options);
  const now = Date.now();
  await fill(database, table, {
    rows: 2000,
    from: new Date(now - 400 * DAY).toISOString(),
    to: new Date(now - DAY).toISOString(),
  });
  const { schema, table: name, key } = table;
  const settings = { schema, table: name, partitionKey: key, premake: 2 };
  return { table, keep: keeper(table.keeper, settings) };
}

const convert = (keep: Keeper, table: RichTable, approve = false) =>
  keep.convert({ table: `${table.schema}.${table.table}`, approve });

describe.each<RichOptions & { readonly what: string }>([
  { what: 'a timestamptz key' },
  { what: 'a timestamp key', keyType: 'timestamp' },
  { what: 'a date key', keyType: 'date' },
  { what: 'a key of UUIDs', keyType: 'uuid' },
  { what: 'an identity that is always generated', ids: 'always' },
  { what: 'a serial', ids: 'serial' },
  { what: 'odd names', schema: 'Some "schema".x', table: 'it\'s a "table"; --', key: 'the "key" $1' },
  { what: 'full replica identity', replicaIdentity: 'full' },
  { what: 'an index for replica identity', replicaIdentity: 'index' },
  { what: 'a constraint trigger', constraintTrigger: true },
  { what: 'policies that are not in force', rowSecurityOff: true },
])('a table with $what', ({ what: _, ...options }) => {
  test('is the same afterwards, as far as it can be, row by row and in all that belongs to it', async () => {
    await using database = await createTestDatabase();
    const { table, keep } = await prepare(database, options);
    const before = await describeTable(database, table.schema, table.table);
    const rows = await contents(database, table.names.table, { rows: true });

    stepsOf(await convert(keep, table));

    const after = await describeTable(database, table.schema, table.table);
    expect(contentsDifference(rows, await contents(database, table.names.table, { rows: true }))).toEqual([]);
    expect(descriptionDifference(before.kept, after.kept)).toEqual([]);
    expect(Object.keys(after.keys)).toEqual(Object.keys(before.keys));
    // What a table was last clustered on is of the old one alone.
    const unclustered = before.storage.map((one) => Object.assign({}, one, { clusteredOn: null }));
    expect(after.storage).toEqual([...before.storage, ...unclustered]);
    expect(Object.keys(await partitionsOf(database, table.names.table))).toContain(`${table.table}_legacy`);
    stepsOf(await keep.create());
    expect(stepsOf(await convert(keep, table))).toEqual([]);
  });
});

test('an application at work does not notice, and nothing of what it was told is stored is lost', async () => {
  await using database = await createTestDatabase();
  const { table, keep } = await prepare(database);
  const application = await startApplication(database, table);
  stepsOf(await convert(keep, table));
  await application.expectNothingLost();
  expect(application.failures).toEqual([]);
});
