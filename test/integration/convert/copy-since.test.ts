import { describe, expect, test } from 'vitest';
import type { TableReport } from '../../../lib/index.ts';
import { convert, preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears } from '../../support/convert/copy-scenario.ts';
import { describeTable, descriptionDifference } from '../../support/convert/describe.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, done, stepsOf, tableOf } from '../../support/keeper.ts';
import { createNamedRole } from '../../support/roles.ts';

const rowsOf = (database: TestDatabase) => contents(database, 'app.events', { rows: true });

/** Undoes, which is refused and changes nothing. */
async function refusedUndo(database: TestDatabase, code: string, approve = false): Promise<TableReport> {
  const before = await catalogState(database);
  const rows = await rowsOf(database);
  const report = tableOf(await convertByYears(database.url, { undo: true, approve }));
  expect(report).toMatchObject({ status: 'refused', error: { code } });
  expect(await catalogState(database)).toEqual(before);
  expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  return report;
}

/** Carries out the statements, which are in parentheses or come first. */
async function follow(database: TestDatabase, { error }: TableReport): Promise<void> {
  const statements = /\((.*)\) and repeat|^(.*;) Then repeat/s.exec(error?.hint ?? '');
  for (const statement of (statements?.[1] ?? statements?.[2] ?? '').split(/(?<=;) /))
    await database.query(statement);
}

test.each([
  [
    'a foreign key of another table',
    `CREATE TABLE app."their receipts" (event int, at timestamptz, CONSTRAINT "an event" FOREIGN KEY (event, at) REFERENCES app.events (id, at))`,
    'app."their receipts" ("an event") refers to app.events',
    'ALTER TABLE app."their receipts" DROP CONSTRAINT "an event";',
  ],
  [
    'a materialized view',
    'CREATE MATERIALIZED VIEW app.daily AS SELECT at::date AS day, count(*) AS events FROM app.events GROUP BY 1',
    'materialized view app.daily depends on app.events itself',
    'DROP MATERIALIZED VIEW app.daily;',
  ],
])('%s that depends on a converted table keeps it from being undone', async (_, made, what, statement) => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  stepsOf(await convertByYears(database.url, { strategy: 'copy' }));
  await database.query(made);
  for (const approve of [false, true]) {
    const refused = await refusedUndo(database, 'depended-on', approve);
    expect(refused.error?.message).toContain(what);
    expect(refused.error?.hint).toMatch(statement);
    expect(refused.findings[0]?.message).toContain(`it cannot be undone as long as ${what}`);
  }
  await follow(database, await refusedUndo(database, 'depended-on'));
  expect(done(await convertByYears(database.url, { undo: true }))).toContain('switch app.events_replaced');
});

describe('what a table has been given since it was converted', () => {
  async function converted(database: TestDatabase, role: string): Promise<void> {
    await preparePlainTable(database);
    await database.query(`
      GRANT SELECT, UPDATE (note) ON app.events TO ${role} WITH GRANT OPTION;
      ALTER TABLE app.events ENABLE ROW LEVEL SECURITY;
      CREATE POLICY same ON app.events USING (EXISTS (SELECT FROM app.accounts AS a WHERE a.id = events.account));
      CREATE POLICY other ON app.events FOR SELECT TO ${role} USING (note <> '');
      CREATE POLICY gone ON app.events FOR DELETE USING (true)`);
    stepsOf(await convertByYears(database.url, { strategy: 'copy' }));
    await database.query(`
      CREATE INDEX events_note ON app.events (note) WHERE id > 7;
      CREATE UNIQUE INDEX "once, and no more" ON app.events (account, at, id);
      ALTER TABLE app.events ADD CONSTRAINT positive CHECK (id > 0);
      ALTER TABLE app.events ADD CONSTRAINT once_more FOREIGN KEY (account) REFERENCES app.accounts (id) ON DELETE CASCADE;
      GRANT DELETE ON app.events TO ${role};
      GRANT INSERT (note, account) ON app.events TO PUBLIC;
      REVOKE UPDATE (note) ON app.events FROM ${role};
      DROP POLICY gone ON app.events;
      ALTER POLICY other ON app.events USING (EXISTS (SELECT FROM app.accounts AS a WHERE a.id = events.account AND events.note <> ''));
      CREATE POLICY added ON app.events AS RESTRICTIVE FOR UPDATE USING (true) WITH CHECK (id > 0)`);
  }

  test('is asked for before it is undone, with the statements that give it', async () => {
    await using database = await createTestDatabase();
    await using role = await createNamedRole(database, 'a "reader" ');
    await converted(database, role.quoted);
    const after = await describeTable(database, 'app', 'events');
    const refused = await refusedUndo(database, 'changed-since');
    const of = `for ${role.quoted}`;
    expect(refused.error?.message).toBe(
      `app.events_replaced has ${[
        'no index events_note',
        'no index "once, and no more"',
        'no check positive',
        'no foreign key once_more',
        `no DELETE ${of}`,
        'no INSERT ("account") for PUBLIC',
        'no INSERT ("note") for PUBLIC',
        `still UPDATE ("note") with grant option ${of}`,
        'no policy added like it',
        'no policy other like it',
        'still a policy gone',
      ].join(', and ')}, unlike app.events.`,
    );
    await follow(database, refused);
    expect(done(await convertByYears(database.url, { undo: true }))).toContain('switch app.events_replaced');
    const back = await describeTable(database, 'app', 'events');
    expect(
      descriptionDifference(after.kept, back.kept, {
        except: ['columns.at.notNull', 'triggers.partition_keeper_'],
      }),
    ).toEqual([]);
  });

  test('is done without where that is approved', async () => {
    await using database = await createTestDatabase();
    await using role = await createNamedRole(database, 'reader');
    await converted(database, role.quoted);
    const rows = await rowsOf(database);
    expect(done(await convertByYears(database.url, { undo: true, approve: true }))).toContain(
      'switch app.events_replaced',
    );
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });

  test('is asked for as well when it was turned into a plain one', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convert(database.url));
    stepsOf(await convertByYears(database.url, { strategy: 'unconvert' }));
    await database.query(`
      CREATE INDEX events_note ON app.events (note);
      ALTER TABLE app.events ADD CONSTRAINT once_more FOREIGN KEY (account) REFERENCES app.accounts (id) ON DELETE CASCADE;
      ALTER TABLE app.events ENABLE ROW LEVEL SECURITY`);
    await follow(database, await refusedUndo(database, 'changed-since'));
    const after = await describeTable(database, 'app', 'events');
    expect(done(await convertByYears(database.url, { undo: true }))).toContain('switch app.events_replaced');
    const back = await describeTable(database, 'app', 'events');
    expect(descriptionDifference(after.kept, back.kept, { except: ['triggers.partition_keeper_'] })).toEqual(
      [],
    );
  });
});
