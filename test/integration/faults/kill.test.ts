import { describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type Fault, startFaultyServer } from '../../support/faults/proxy.ts';
import {
  lifecycleOf,
  partition,
  prepare,
  runJob,
  SCENARIOS,
  type Scenario,
  type State,
  stateOf,
} from '../../support/faults/scenarios.ts';
import { stepsOf } from '../../support/keeper.ts';
import { waitUntil } from '../../support/wait.ts';

/** A lock that is not to be had, a deadlock, a cancelled statement, a full disk, and what nobody has foreseen. */
const ERRORS = ['55P03', '40P01', '57014', '53100', 'XX000'];

/** What goes wrong at a statement: the connection breaks, at three moments, or the server refuses; each in its turn. */
const faultsAt = (at: number): readonly Fault[] => [
  { at, kind: 'cut before' },
  { at, kind: 'cut during' },
  { at, kind: 'cut after' },
  { at, kind: 'fail', sqlstate: ERRORS[at % ERRORS.length] ?? '' },
];

/** The server notices late that a client is gone, and ends what it is doing first. */
const runIsOver = (database: TestDatabase): Promise<void> =>
  waitUntil(
    async () => {
      const sessions = await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper/%'",
      );
      return sessions.length === 0;
    },
    { what: 'the session of the run is gone' },
  );

/** INSERT and SELECT of the application, for now and across all partitions. */
async function expectApplicationWorks(database: TestDatabase): Promise<void> {
  await database.query(`
    BEGIN;
    INSERT INTO app.events VALUES (9999, now(), 1);
    SELECT count(*) FROM app.events;
    ROLLBACK`);
}

/** What an undisturbed run sends and leaves. */
async function undisturbed(
  database: TestDatabase,
  scenario: Scenario,
): Promise<{ statements: number; state: State }> {
  await prepare(database, scenario);
  await using server = await startFaultyServer(database.url);
  expect(stepsOf(await runJob(server.url, scenario)).length).toBeGreaterThan(0);
  await runIsOver(database);
  return { statements: server.statements.length, state: await stateOf(database) };
}

const total = ({ contents }: State): number => contents.reduce((sum, { rows }) => sum + rows, 0);

/** What is left behind by no run, whatever happened to it. */
async function expectNoLeftovers(database: TestDatabase): Promise<void> {
  const [left] = await database.query(`
    SELECT (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND database = d.oid) AS advisory,
           (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't') AS temporary,
           (SELECT count(*)::int FROM pg_prepared_xacts WHERE database = current_database()) AS prepared
    FROM pg_database d WHERE datname = current_database()`);
  expect(left).toEqual({ advisory: 0, temporary: 0, prepared: 0 });
}

describe.each(SCENARIOS)('$name', (scenario) => {
  test('can be broken at every statement: nothing is lost, and the next run completes it', async () => {
    await using database = await createTestDatabase();
    const goal = await undisturbed(database, scenario);
    await prepare(database, scenario);
    const before = { state: await stateOf(database), lifecycle: await lifecycleOf(database) };
    const removes = scenario.job === 'cleanup';

    for (let at = 0; at < goal.statements; at++) {
      for (const fault of faultsAt(at)) {
        const told = JSON.stringify(fault);
        await prepare(database, scenario);
        {
          await using server = await startFaultyServer(database.url, fault);
          // Whether it fails, or had nothing left to do, or tried again, is for the states to say.
          await runJob(server.url, scenario).catch(() => undefined);
          expect(server.statements.length, told).toBeGreaterThan(at);
        }
        await runIsOver(database);

        for (const [name, state] of Object.entries(await lifecycleOf(database))) {
          expect(state, `${name} after ${told}`).not.toBe('orphan');
          if (!removes) expect(state, `${name} after ${told}`).toBe('attached');
        }
        const present = await stateOf(database);
        if (!removes) expect(total(present), told).toBe(total(before.state));
        for (const one of present.contents.filter(({ name }) => name !== 'events_default')) {
          const same = before.state.contents.find(({ name }) => name === one.name);
          if (same !== undefined) expect(one, told).toEqual(same);
        }
        await expectApplicationWorks(database);
        await expectNoLeftovers(database);

        await runJob(database.url, scenario);
        expect(await stateOf(database), `the end after ${told}`).toEqual(goal.state);
        expect(stepsOf(await runJob(database.url, scenario)), told).toEqual([]);
      }
    }
    expect(before.lifecycle[partition(0)]).toBe('attached');
  }, 600_000);
});
