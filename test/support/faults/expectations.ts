import { expect } from 'vitest';
import type { TestDatabase } from '../database.ts';
import { stepsOf } from '../keeper.ts';
import { waitUntil } from '../wait.ts';
import { startFaultyServer } from './proxy.ts';
import { lifecycleOf, partition, prepare, runJob, type Scenario, type State, stateOf } from './scenarios.ts';

/** The server notices late that a client is gone, and ends what it is doing first. */
export const runIsOver = (database: TestDatabase): Promise<void> =>
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

export interface Known {
  readonly scenario: Scenario;
  readonly before: State;
  /** What an undisturbed run leaves, and the statements it sends. */
  readonly goal: State;
  readonly statements: readonly string[];
}

export async function known(database: TestDatabase, scenario: Scenario): Promise<Known> {
  await prepare(database, scenario);
  const before = await stateOf(database);
  await using server = await startFaultyServer(database.url);
  expect(stepsOf(await runJob(server.url, scenario)).length).toBeGreaterThan(0);
  await runIsOver(database);
  const goal = await stateOf(database);
  // Whatever ends in this state has nothing left to do.
  expect(stepsOf(await runJob(database.url, scenario))).toEqual([]);
  return { scenario, before, goal, statements: server.statements };
}

const total = ({ contents }: State): number => contents.reduce((sum, { rows }) => sum + rows, 0);

/** What is left behind by no run, whatever happened to it. */
export async function expectNoLeftovers(database: TestDatabase): Promise<void> {
  const [left] = await database.query(`
    SELECT (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND database = d.oid) AS advisory,
           (SELECT count(*)::int FROM pg_class WHERE relpersistence = 't') AS temporary,
           (SELECT count(*)::int FROM pg_prepared_xacts WHERE database = current_database()) AS prepared
    FROM pg_database d WHERE datname = current_database()`);
  expect(left).toEqual({ advisory: 0, temporary: 0, prepared: 0 });
}

/** Each table is in a state that has a name; rows are where they were, or where they belong, or gone by intention. */
async function expectNothingLost(
  database: TestDatabase,
  { scenario, before }: Known,
  told: string,
): Promise<void> {
  const removes = scenario.job === 'cleanup';
  const lifecycle = await lifecycleOf(database);
  for (const [name, state] of Object.entries(lifecycle)) {
    expect(state, `${name} after ${told}`).not.toBe('orphan');
    if (!removes) expect(state, `${name} after ${told}`).toBe('attached');
  }
  expect(lifecycle[partition(0)], told).toBe('attached');
  const present = await stateOf(database);
  if (!removes) expect(total(present), told).toBe(total(before));
  for (const one of present.contents.filter(({ name }) => name !== 'events_default')) {
    const same = before.contents.find(({ name }) => name === one.name);
    if (same !== undefined) expect(one, told).toEqual(same);
  }
}

/** After a run that was disturbed: all is well, and a plain run leads to where an undisturbed one leads. */
export async function expectRecovery(database: TestDatabase, known: Known, told: string): Promise<void> {
  await runIsOver(database);
  await expectNothingLost(database, known, told);
  await expectApplicationWorks(database);
  await expectNoLeftovers(database);
  await runJob(database.url, known.scenario);
  expect(await stateOf(database), `the end after ${told}`).toEqual(known.goal);
}
