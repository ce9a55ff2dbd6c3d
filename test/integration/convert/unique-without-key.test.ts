import { describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../../lib/cli/exit-code.ts';
import { EXIT } from '../../../lib/contract.ts';
import type { Report } from '../../../lib/index.ts';
import { runCli } from '../../support/cli.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { describeTable, descriptionDifference } from '../../support/convert/describe.ts';
import { makeApp, PLAIN, SETTINGS } from '../../support/convert/refusal.ts';
import { createRichTable } from '../../support/convert/rich-table.ts';
import { fill } from '../../support/convert/rows.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, configFile, keeper, stepsOf, tableOf } from '../../support/keeper.ts';

const DAY = 24 * 60 * 60 * 1000;

/** What is said to change about indexes. */
const changes = (report: Report) =>
  tableOf(report).findings.filter(
    ({ finding, facts }) => finding === 'changes' && facts['index'] !== undefined,
  );

const said = {
  finding: 'changes',
  severity: 'warning',
  message:
    'reference_once on (external_ref) stays as an index, but is no longer unique: across partitions the server keeps unique only what contains at.',
  remedy:
    'If the application relies on it, keep such values in a table of their own; otherwise go on with --approve.',
  facts: { index: 'reference_once', columns: 'external_ref', constraint: null },
};

/** The same reference at three moments, the last of which has a partition of its own. */
const addTwice = (database: TestDatabase) =>
  database.query(
    `INSERT INTO app.events (tenant, external_ref, at)
     SELECT 'tenant 1', 'twice', now() + n * interval '1 day' FROM unnest(ARRAY[-1, 0, 40]) AS n`,
  );

describe.each(['attach', 'copy'] as const)('by %s', (strategy) => {
  test('a table with an index that cannot stay unique is converted once that is approved, and the index stays', async () => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database, { uniqueWithoutKey: true });
    const now = Date.now();
    await fill(database, table, {
      rows: 500,
      from: new Date(now - 100 * DAY).toISOString(),
      to: new Date(now - DAY).toISOString(),
    });
    const { convert } = keeper(table.keeper, { premake: 2 });
    const before = await describeTable(database, 'app', 'events');
    const rows = await contents(database, 'app.events');

    const state = await catalogState(database);
    const refused = await convert({ strategy });
    expect(exitCodeOf(refused)).toBe(EXIT.refused);
    expect(tableOf(refused)).toMatchObject({
      status: 'refused',
      error: {
        code: 'uniqueness-lost',
        message: 'reference_once of app.events would no longer be unique.',
        hint: 'If the application can do without, repeat the command with --approve.',
      },
    });
    expect(changes(refused)).toContainEqual(said);
    expect(await catalogState(database)).toEqual(state);

    const report = await convert({ strategy, approve: true });
    expect(stepsOf(report).map(({ kind }) => kind)).toContain('switch');
    expect(changes(report).map(({ facts }) => facts['index'])).toEqual(['Events "PK"', 'reference_once']);
    expect(changes(report)).toContainEqual(said);

    if (strategy === 'copy') {
      // The table that was replaced follows, with its keys.
      await expect(addTwice(database)).rejects.toMatchObject({
        code: '23505',
        constraint: 'reference_once_replaced',
      });
      stepsOf(await convert({ finish: true }));
    }

    const after = await describeTable(database, 'app', 'events');
    expect(contentsDifference(rows, await contents(database, 'app.events'))).toEqual([]);
    expect(after.kind).toBe('partitioned');
    expect(Object.keys(after.keys)).toEqual(['Events "PK"', 'once per moment']);
    expect(descriptionDifference(before.kept, after.kept, { except: ['indexes.reference_once'] })).toEqual(
      [],
    );
    expect(after.kept.indexes['reference_once']).toMatchObject({
      definition: 'CREATE INDEX reference_once ON app.events USING btree (external_ref)',
      valid: true,
    });

    await addTwice(database);
    expect(
      await database.query(
        "SELECT count(*)::int AS rows, count(DISTINCT tableoid)::int >= 2 AS apart FROM app.events WHERE external_ref = 'twice'",
      ),
    ).toEqual([{ rows: 3, apart: true }]);
    expect(stepsOf(await convert())).toEqual([]);
  });

  test('each kind of uniqueness without the key is told, and is an index of that kind afterwards', async () => {
    await using database = await createTestDatabase();
    await makeApp(
      database,
      `${PLAIN.sql};
       ALTER TABLE app.events ADD CONSTRAINT "one note" UNIQUE (note), ADD CONSTRAINT later UNIQUE (account) DEFERRABLE INITIALLY DEFERRED;
       CREATE UNIQUE INDEX by_expression ON app.events (lower(note) DESC);
       CREATE UNIQUE INDEX partial ON app.events (account) INCLUDE (note) WHERE account > 1;
       CREATE UNIQUE INDEX with_key ON app.events (account, at)`,
    );
    const { convert } = keeper(database, SETTINGS);
    const { error } = tableOf(await convert({ strategy }));
    expect(error).toMatchObject({
      code: 'uniqueness-lost',
      message: 'by_expression, later, "one note", partial of app.events would no longer be unique.',
    });
    const report = await convert({ strategy, approve: true });
    stepsOf(report);
    expect(changes(report).map(({ facts }) => facts)).toEqual([
      { index: 'events_pkey', columns: 'id', constraint: 'primary key' },
      { index: 'by_expression', columns: 'an expression', constraint: null },
      { index: 'later', columns: 'account', constraint: 'unique' },
      { index: 'one note', columns: 'note', constraint: 'unique' },
      { index: 'partial', columns: 'account', constraint: null },
    ]);
    expect(
      await database.query(
        `SELECT c.relname AS name, pg_get_indexdef(c.oid) AS is, x.indisvalid AS valid,
                (SELECT count(*)::int FROM pg_inherits i WHERE i.inhparent = c.oid) = (SELECT count(*)::int FROM pg_inherits i WHERE i.inhparent = x.indrelid) AS everywhere
         FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = 'app.events'::regclass ORDER BY 1`,
      ),
    ).toEqual(
      [
        ['by_expression', 'CREATE INDEX by_expression ON ONLY app.events USING btree (lower(note) DESC)'],
        ['events_pkey', 'CREATE UNIQUE INDEX events_pkey ON ONLY app.events USING btree (id, at)'],
        ['later', 'CREATE INDEX later ON ONLY app.events USING btree (account)'],
        ['one note', 'CREATE INDEX "one note" ON ONLY app.events USING btree (note)'],
        [
          'partial',
          'CREATE INDEX partial ON ONLY app.events USING btree (account) INCLUDE (note) WHERE (account > 1)',
        ],
        ['with_key', 'CREATE UNIQUE INDEX with_key ON ONLY app.events USING btree (account, at)'],
      ].map(([name, is]) => ({ name, is, valid: true, everywhere: true })),
    );
  });
});

test('the command ends as refused until it is told to approve', async () => {
  await using database = await createTestDatabase();
  await makeApp(database, `${PLAIN.sql}; CREATE UNIQUE INDEX one_note ON app.events (note)`);
  const cli = (...args: string[]) =>
    runCli(['convert', 'app.events', '--plan', ...args], {
      config: configFile(SETTINGS),
      url: database.url,
    });
  const refused = await cli();
  expect(refused.code).toBe(EXIT.refused);
  expect(refused.stdout).toContain('refused: one_note of app.events would no longer be unique.');
  const approved = await cli('--approve');
  expect(approved.code).toBe(EXIT.ok);
  expect(approved.stdout).toContain('one_note on (note) stays as an index, but is no longer unique');
});
