import { expect, test } from 'vitest';
import { convert, preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { runIsOver } from '../../support/faults/expectations.ts';
import { type Fault, startFaultyServer } from '../../support/faults/proxy.ts';
import { describeSchema, stepsOf } from '../../support/keeper.ts';

/** A lock that is not to be had, a deadlock, a cancelled statement, a full disk, and what nobody has foreseen. */
const ERRORS = ['55P03', '40P01', '57014', '53100', 'XX000'];

/** With FAULTS=all every fault at every statement; else one of them at each, in its turn. */
const faultsAt = (at: number): readonly Fault[] => {
  const all: readonly Fault[] = [
    { at, kind: 'cut before' },
    { at, kind: 'cut during' },
    { at, kind: 'cut after' },
    { at, kind: 'fail', sqlstate: ERRORS[at % ERRORS.length] ?? '' },
  ];
  return process.env['FAULTS'] === 'all' ? all : all.slice(at % all.length, (at % all.length) + 1);
};

/** Looks change nothing; what breaks at one breaks at all of them. */
const changes = (statement: string): boolean =>
  !/^(SELECT|BEGIN ISOLATION|SET LOCAL statement_timeout = '0'|\s|RESET)/.test(statement);

/** What the application does all the time, whatever state the conversion is in. */
async function expectApplicationWorks(database: TestDatabase, told: string): Promise<void> {
  const [row] = await database.query<{ rows: number; newest: number }>(`
    WITH added AS (INSERT INTO app.events (at, account) VALUES (now(), 1) RETURNING id),
         changed AS (UPDATE app.events SET account = account WHERE id = 5 RETURNING id)
    SELECT (SELECT count(*)::int FROM app.events) AS rows, (SELECT count(*)::int FROM app.newest) AS newest, (SELECT id FROM added) AS added, (SELECT id FROM changed) AS changed`);
  expect(row, told).toMatchObject({ rows: 200, newest: 10, changed: 5 });
  await database.query('DELETE FROM app.events WHERE id > 200');
}

test('a conversion may break at any statement: the next run goes on, to the same end', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  let statements: readonly string[];
  {
    await using server = await startFaultyServer(database.url);
    // The look-ahead begins after the week to come, so how much of it is made depends on the day.
    expect(new Set(stepsOf(await convert(server.url)).map(({ kind }) => kind))).toEqual(
      new Set(['prepare', 'create', 'index', 'constrain', 'switch', 'analyze']),
    );
    statements = server.statements;
  }
  await runIsOver(database);
  const goal = await describeSchema(database);
  const places = statements.flatMap((statement, at) => (changes(statement) ? [at] : []));
  for (const fault of places.flatMap(faultsAt)) {
    const told = `${JSON.stringify(fault)} at ${statements[fault.at]}`;
    await preparePlainTable(database);
    {
      await using server = await startFaultyServer(database.url, fault);
      await convert(server.url).catch(() => undefined);
      expect(server.statements.length, told).toBeGreaterThan(fault.at);
    }
    await runIsOver(database);
    await expectApplicationWorks(database, told);
    stepsOf(await convert(database.url));
    await expectApplicationWorks(database, told);
    expect(await describeSchema(database), told).toEqual(goal);
  }
}, 900_000);
