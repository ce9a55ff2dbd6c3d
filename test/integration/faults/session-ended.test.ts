import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import type { TestDatabase } from '../../support/database.ts';
import { endings, expectFailed } from '../../support/faults/endings.ts';
import { expectRecovery, known } from '../../support/faults/expectations.ts';
import { closeGate } from '../../support/faults/gate.ts';
import { type OwnServer, startOwnServer } from '../../support/faults/own-server.ts';
import { startProxy } from '../../support/faults/proxy.ts';
import {
  lifecycleOf,
  MOVES_ROWS,
  partition,
  prepare,
  runJob,
  SCENARIOS,
  scenarioThat,
  stateOf,
} from '../../support/faults/scenarios.ts';
import { tableOf } from '../../support/keeper.ts';
import { pidOf, runThatWaits, waitUntilLong } from '../../support/transactions.ts';

let server: OwnServer;

beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => server.stop());

const ENDED = endings(() => server);

function expectReadOnly(report: Report): void {
  expectFailed(report, ['25006']);
  expect(tableOf(report).error?.hint).toContain('connect to the primary');
}

/** Keeps any step from its locks: they are asked for again and again. */
async function holdAll(database: TestDatabase): Promise<pg.Client> {
  const client = await database.connect();
  await client.query('BEGIN; LOCK TABLE app.events, app.accounts IN SHARE UPDATE EXCLUSIVE MODE');
  await waitUntilLong(database, await pidOf(client));
  return client;
}

/** The end of a connection that the server may have ended already. */
const close = (client: pg.Client): Promise<void> => client.end().catch(() => undefined);

describe.each(SCENARIOS)('$name', (scenario) => {
  test.each(ENDED)(
    'ends by itself at $name, and the next run completes it',
    async ({ name, strike, codes }) => {
      await using database = await server.createDatabase();
      const all = await known(database, scenario);

      await prepare(database, scenario);
      const gate = await closeGate(database);
      const inStatement = runJob(database.url, scenario);
      await strike(database, await gate.arrival());
      expectFailed(await inStatement, codes);
      await gate.open();
      await expectRecovery(database, all, `${name} in mid-statement`);

      await prepare(database, scenario);
      const holder = await holdAll(database);
      const waiting = runJob(database.url, scenario);
      await strike(database, await runThatWaits(database));
      expectFailed(await waiting, codes);
      await close(holder);
      await expectRecovery(database, all, `${name} while it waits`);
    },
  );

  test('ends by itself when its statement is cancelled, and the next run completes it', async () => {
    await using database = await server.createDatabase();
    const all = await known(database, scenario);
    await prepare(database, scenario);
    const gate = await closeGate(database);
    const running = runJob(database.url, scenario);
    await database.query('SELECT pg_cancel_backend($1)', [await gate.arrival()]);
    // Only this partition is concerned: the others have their turn.
    await gate.open();
    expectFailed(await running, ['57014']);
    await expectRecovery(database, all, 'a cancelled statement');
  });
});

describe('a concurrent detach', () => {
  const scenario = scenarioThat('detaches');

  /** A reader who has seen the oldest partition: the detach begins, and cannot end before he does. */
  async function read(database: TestDatabase): Promise<pg.Client> {
    const reader = await database.connect();
    await reader.query('BEGIN; SELECT count(*) FROM app.events');
    await waitUntilLong(database, await pidOf(reader));
    return reader;
  }

  test.each([
    { how: 'pg_cancel_backend', codes: ['57014'] },
    { how: 'pg_terminate_backend', codes: ['57P01'] },
  ])('between its two transactions survives $how', async ({ how, codes }) => {
    await using database = await server.createDatabase();
    const all = await known(database, scenario);
    // It waits for 50 ms only: should it not be met in that time, it is tried again.
    for (let met = false; !met; ) {
      await prepare(database, scenario);
      const reader = await read(database);
      const striker = await database.connect();
      const striking = striker.query<{ met: boolean }>(`
        CREATE TEMPORARY TABLE IF NOT EXISTS strike (met boolean);
        DO $$ BEGIN
          FOR look IN 1 .. 5000 LOOP
            PERFORM ${how}(l.pid) FROM pg_locks l WHERE l.locktype = 'virtualxid' AND NOT l.granted;
            IF FOUND THEN INSERT INTO strike VALUES (true); RETURN; END IF;
            PERFORM pg_sleep(0.001);
          END LOOP;
        END $$`);
      const running = runJob(database.url, scenario);
      await striking;
      met = (await striker.query('SELECT FROM strike')).rowCount === 1;
      await close(striker);
      if (met) {
        expect((await lifecycleOf(database))[partition(-4)]).toBe('pending detach');
        await database.query(
          'INSERT INTO app.events VALUES (7777, now(), 1); DELETE FROM app.events WHERE id = 7777',
        );
      }
      await close(reader);
      const report = await running;
      if (met) expectFailed(report, codes);
    }
    await expectRecovery(database, all, `${how} between the transactions of a detach`);
  });
});

describe('a fail-over in mid-run', () => {
  /** Those whose first transaction begins only when the lock is free. */
  const waiting = SCENARIOS.filter((scenario) => scenario !== MOVES_ROWS);

  test.each(waiting)(
    'to a server that takes no writes: $name fails, and is completed when it takes them again',
    async (scenario) => {
      await using database = await server.createDatabase();
      const all = await known(database, scenario);
      await prepare(database, scenario);
      const holder = await holdAll(database);
      const running = runJob(database.url, scenario);
      await runThatWaits(database);
      await database.query('ALTER SYSTEM SET default_transaction_read_only = on');
      await database.query('SELECT pg_reload_conf()');
      await close(holder);
      const report = await running;
      await database.query('SET default_transaction_read_only = off');
      await database.query('ALTER SYSTEM RESET default_transaction_read_only');
      await database.query('SELECT pg_reload_conf()');
      await database.query('RESET default_transaction_read_only');
      expectReadOnly(report);
      await expectRecovery(database, all, 'a fail-over');
    },
  );

  // It copies before it waits for anybody: the server has changed its mind when the transaction begins.
  test('to a server that takes no writes fails before rows are copied, and moves them later', async () => {
    await using database = await server.createDatabase();
    const all = await known(database, MOVES_ROWS);
    await prepare(database, MOVES_ROWS);
    {
      await using proxy = await startProxy(database.url, {
        rewrite: (statement) => (statement === 'BEGIN' ? 'BEGIN READ ONLY' : statement),
      });
      expectReadOnly(await runJob(proxy.url, MOVES_ROWS));
    }
    expect(await stateOf(database)).toEqual(all.before);
    await expectRecovery(database, all, 'a fail-over');
  });
});
