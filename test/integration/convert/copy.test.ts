import { describe, expect, test } from 'vitest';
import { type Application, startApplication } from '../../support/convert/application.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { describeTable, descriptionDifference } from '../../support/convert/describe.ts';
import { createRichTable, type RichOptions, type RichTable } from '../../support/convert/rich-table.ts';
import { fill } from '../../support/convert/rows.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type Keeper, keeper, partitionsOf, stepsOf, tableOf } from '../../support/keeper.ts';
import { waitUntil } from '../../support/wait.ts';

const DAY = 24 * 60 * 60 * 1000;

async function prepare(
  database: TestDatabase,
  options: RichOptions = {},
  rows = 2000,
): Promise<{ readonly table: RichTable; readonly keep: Keeper }> {
  const table = await createRichTable(database, options);
  const now = Date.now();
  await fill(database, table, {
    rows,
    from: new Date(now - 400 * DAY).toISOString(),
    to: new Date(now - DAY).toISOString(),
  });
  const { schema, table: name, key } = table;
  return { table, keep: keeper(table.keeper, { schema, table: name, partitionKey: key, premake: 2 }) };
}

type Options = Parameters<Keeper['convert']>[0];

const convert = (keep: Keeper, table: RichTable, options: Options = {}) =>
  keep.convert({ table: `${table.schema}.${table.table}`, ...options });

/** What the conversion leaves beside the table, by name. */
const beside = async (database: TestDatabase, { schema, table }: RichTable): Promise<string[]> =>
  (
    await database.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND c.relname ~ '(_partitioned|_plain|_replaced|_changes)$' AND c.relkind IN ('r', 'p') AND c.relname LIKE $2
       UNION ALL SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND p.proname LIKE '%\\_mirror'
       UNION ALL SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND t.tgname LIKE 'partition_keeper_%' ORDER BY 1`,
      [schema, `${table}%`],
    )
  ).map(({ name }) => name);

describe.each<RichOptions & { readonly what: string }>([
  { what: 'a timestamptz key' },
  { what: 'a timestamp key', keyType: 'timestamp' },
  { what: 'a date key', keyType: 'date' },
  { what: 'a key of UUIDs', keyType: 'uuid' },
  { what: 'a key that may be null', nullableKey: true },
  { what: 'an identity that is always generated', ids: 'always' },
  { what: 'a serial', ids: 'serial' },
  {
    what: 'odd names',
    schema: 'Some "schema".x 100%s',
    table: 'it\'s a "table"; 50%I --',
    key: 'the "key" $1 %',
  },
  { what: 'full replica identity', replicaIdentity: 'full' },
  { what: 'an index for replica identity', replicaIdentity: 'index' },
  { what: 'a constraint trigger', constraintTrigger: true },
])('a copy of a table with $what', ({ what: _, ...options }) => {
  test('is the same, row by row and in all that belongs to it; and so is the table when it is back', async () => {
    await using database = await createTestDatabase();
    const { table, keep } = await prepare(database, options);
    const before = await describeTable(database, table.schema, table.table);
    const rows = await contents(database, table.names.table, { rows: true });

    stepsOf(await convert(keep, table, { strategy: 'copy' }));

    const after = await describeTable(database, table.schema, table.table);
    expect(after.kind).toBe('partitioned');
    expect(contentsDifference(rows, await contents(database, table.names.table, { rows: true }))).toEqual([]);
    const nowFilled = options.nullableKey === true ? ['columns.at.notNull: false -> true'] : [];
    expect(
      descriptionDifference(before.kept, after.kept, { except: ['triggers.partition_keeper_'] }),
    ).toEqual(nowFilled);
    expect(Object.keys(after.keys)).toEqual(Object.keys(before.keys));
    expect(after.storage).toEqual(before.storage.map((one) => Object.assign({}, one, { clusteredOn: null })));
    stepsOf(await keep.create());
    expect(stepsOf(await convert(keep, table))).toEqual([]);

    await database.query(`DELETE FROM ${table.names.table} WHERE id % 7 = 0`);
    await database.query(`UPDATE ${table.names.table} SET amount = 5 WHERE id % 5 = 0`);
    const changed = await contents(database, table.names.table, { rows: true });
    stepsOf(await convert(keep, table, { undo: true }));

    const back = await describeTable(database, table.schema, table.table);
    expect(contentsDifference(changed, await contents(database, table.names.table, { rows: true }))).toEqual(
      [],
    );
    expect(descriptionDifference(before, back)).toEqual([]);
    expect(await beside(database, table)).toEqual([]);
  });
});

test.each<Options>([{ undo: true }, { finish: true }])(
  'what a plan of %o shows is what is done, whatever goes with it',
  async (options) => {
    await using database = await createTestDatabase();
    const { table, keep } = await prepare(database, {}, 200);
    stepsOf(await convert(keep, table, { strategy: 'copy' }));
    // Of a run of its own, the comparison has another id.
    const shown = (report: Parameters<typeof stepsOf>[0]) =>
      stepsOf(report).map(({ kind, partition, statements }) => [
        kind,
        partition,
        statements.map((statement) => statement.replaceAll(report.runId, 'run')),
      ]);
    const planned = shown(await convert(keep, table, { ...options, dryRun: true }));
    expect(planned.filter(([kind]) => kind === 'drop')).not.toEqual([]);
    expect(shown(await convert(keep, table, options))).toEqual(planned);
  },
);

test('finishing removes the table that was replaced, and nothing else', async () => {
  await using database = await createTestDatabase();
  const { table, keep } = await prepare(database);
  const rows = await contents(database, table.names.table, { rows: true });
  stepsOf(await convert(keep, table, { strategy: 'copy' }));
  expect(await beside(database, table)).toContain(`${table.table}_replaced`);
  const told = async () =>
    tableOf(await keep.health()).findings.filter(({ finding }) => finding === 'conversion');
  expect(await told()).toMatchObject([{ severity: 'info', remedy: expect.stringContaining('--finish') }]);
  stepsOf(await convert(keep, table, { finish: true }));
  expect(await told()).toEqual([]);
  expect(await beside(database, table)).toEqual([]);
  expect(contentsDifference(rows, await contents(database, table.names.table, { rows: true }))).toEqual([]);
  stepsOf(await keep.create());
});

/** Waits until every way to write has come about once more. */
async function untilBusy({ journals, failures }: Application, more = 6): Promise<void> {
  const { reader: _, ...writers } = journals;
  const began = Object.values(writers).map(({ turns }) => turns());
  await waitUntil(
    () =>
      failures.length > 0 ||
      Object.values(writers).every(({ turns }, index) => turns() >= (began[index] ?? 0) + more),
    { what: 'all clients have written', timeoutMs: 60_000 },
  );
}

describe('an application at work', () => {
  test('does not notice a copy, nor that it is undone, and loses nothing', async () => {
    await using database = await createTestDatabase();
    const { table, keep } = await prepare(database);
    const application = await startApplication(database, table);
    stepsOf(await convert(keep, table, { strategy: 'copy' }));
    await untilBusy(application);
    stepsOf(await convert(keep, table, { undo: true }));
    await untilBusy(application);
    await application.expectNothingLost();
  });

  test('nor a copy that is finished', async () => {
    await using database = await createTestDatabase();
    const { table, keep } = await prepare(database);
    const application = await startApplication(database, table);
    stepsOf(await convert(keep, table, { strategy: 'copy' }));
    await untilBusy(application);
    stepsOf(await convert(keep, table, { finish: true }));
    await untilBusy(application);
    await application.expectNothingLost();
  });

  test('nor that a first partition is split, and that the table becomes plain again', async () => {
    await using database = await createTestDatabase();
    const { table, keep } = await prepare(database);
    const application = await startApplication(database, table);
    stepsOf(await convert(keep, table));
    stepsOf(await convert(keep, table, { strategy: 'split' }));
    expect(Object.keys(await partitionsOf(database, table.names.table)).length).toBeGreaterThan(12);
    await untilBusy(application);
    stepsOf(await convert(keep, table, { finish: true }));
    stepsOf(await convert(keep, table, { strategy: 'unconvert' }));
    await untilBusy(application);
    stepsOf(await convert(keep, table, { finish: true, strategy: 'unconvert' }));
    await application.expectNothingLost();
    expect((await describeTable(database, table.schema, table.table)).kind).toBe('plain');
    expect(await beside(database, table)).toEqual([]);
  });
});
