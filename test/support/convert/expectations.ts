import { expect } from 'vitest';
import type { TestDatabase } from '../database.ts';
import { expectNoLeftovers, runIsOver } from '../faults/expectations.ts';
import { type Contents, contents, contentsDifference } from './contents.ts';

const ROWS = "account = 1 AND note = 'none'";

/**
 * What the application does all the time, whatever state the conversion is in. A new row has an id above all there are,
 * as long as nobody has forgotten where the sequence stands.
 */
async function expectApplicationWorks(database: TestDatabase, told: string): Promise<void> {
  const [row] = await database.query<{ above: boolean }>(`
    WITH added AS (INSERT INTO app.events (at, account) VALUES (now(), 1) RETURNING id),
         changed AS (UPDATE app.events SET account = account WHERE id = 5 RETURNING id)
    SELECT (SELECT count(*)::int FROM app.events WHERE ${ROWS}) AS rows, (SELECT count(*)::int FROM app.newest) AS newest,
           (SELECT id FROM added) > (SELECT max(id) FROM app.events) AS above, (SELECT id FROM changed) AS changed`);
  expect(row, told).toEqual({ rows: 200, newest: 10, above: true, changed: 5 });
  await database.query('DELETE FROM app.events WHERE id > 200');
}

/** After a run that was disturbed, and after the one that has gone on with it: all is well, and every row is as it was. */
export async function expectNothingLost(
  database: TestDatabase,
  before: Contents,
  told: string,
): Promise<void> {
  await runIsOver(database);
  await expectNoLeftovers(database);
  await expectApplicationWorks(database, told);
  expect(contentsDifference(before, await contents(database, 'app.events')), told).toEqual([]);
}
