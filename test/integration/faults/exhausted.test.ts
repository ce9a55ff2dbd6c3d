import pg from 'pg';
import { expect, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { expectRecovery, known, runIsOver } from '../../support/faults/expectations.ts';
import { startOwnServer, untilRestarted } from '../../support/faults/own-server.ts';
import {
  MOVES_ROWS,
  prepare,
  runJob,
  SCENARIOS,
  scenarioThat,
  stateOf,
} from '../../support/faults/scenarios.ts';
import { configFile, tableOf } from '../../support/keeper.ts';
import { pidOf, runThatWaits, waitUntilLong } from '../../support/transactions.ts';
import { waitUntil } from '../../support/wait.ts';

/** The SQLSTATE of a connection attempt, or null where it succeeds. */
async function refusalOf(url: string): Promise<string | null> {
  const client = new pg.Client({ connectionString: url });
  try {
    await client.connect();
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'none';
  } finally {
    await client.end();
  }
}

test('without a connection left, a run says so, and works when there is one', async () => {
  await using server = await startOwnServer({ max_connections: '8' });
  await using database = await server.createDatabase();
  const scenario = scenarioThat('create');
  await prepare(database, scenario);
  const role = await database.createRole();
  await database.query(
    `ALTER SCHEMA app OWNER TO ${role.name}; ALTER TABLE app.events OWNER TO ${role.name}`,
  );
  const options = { config: configFile(scenario.settings), url: role.url };
  const clients: pg.Client[] = [];
  for (;;) {
    const client = await database.connect({ role }).catch(() => undefined);
    if (client === undefined) break;
    clients.push(client);
  }
  expect(clients.length).toBeGreaterThan(0);
  const refused = await runCli(['create', '--format', 'json'], options);
  expect([refused.code, refused.json()]).toMatchObject([
    1,
    { ok: false, tables: [], error: { code: '53300' } },
  ]);
  expect(refused.stderr).toContain('max_connections');

  await clients[0]?.end();
  await waitUntil(async () => (await refusalOf(role.url)) === null, { what: 'there is a connection again' });
  expect((await runCli(['create'], options)).code).toBe(0);
});

test('a server that shuts down is named, and the run after it works', async () => {
  await using server = await startOwnServer();
  await using database = await server.createDatabase();
  const scenario = scenarioThat('create');
  const all = await known(database, scenario);
  await prepare(database, scenario);
  // A smart shutdown waits for those who are connected, and admits nobody else.
  process.kill(await server.postmaster(), 'SIGTERM');
  await waitUntil(async () => (await refusalOf(database.url)) === '57P03', { what: 'the server shuts down' });
  const refused = await runCli(['create', '--format', 'json'], {
    config: configFile(scenario.settings),
    url: database.url,
  });
  expect([refused.code, refused.json()]).toMatchObject([
    1,
    { ok: false, tables: [], error: { code: '57P03' } },
  ]);
  await untilRestarted(database, () => server.restart());
  await expectRecovery(database, all, 'a shutdown');
});

/** More than a segment of the write-ahead log needs, and half a page: the last page is written in part, as on a full disk. */
const FILE_BLOCKS = 2 * 16 * 1024 + 8;

test('a file that cannot grow leaves all rows where they are, and the next run moves them', async () => {
  // The comparison sorts in memory: its files could not grow either.
  await using server = await startOwnServer({ work_mem: '256MB' });
  await using database = await server.createDatabase();
  const scenario = {
    ...MOVES_ROWS,
    special: [
      ...(MOVES_ROWS.special ?? []),
      // A page each, and none of them compressed or stored elsewhere.
      'ALTER TABLE app.events ADD payload text; ALTER TABLE ONLY app.events ALTER payload SET STORAGE PLAIN; ALTER TABLE app.events_default ALTER payload SET STORAGE PLAIN',
      'INSERT INTO app.events SELECT n, (SELECT max(at) FROM app.events_default), 1, repeat(md5(n::text), 240) FROM generate_series(2001, 7000) AS n',
    ],
  };
  const all = await known(database, scenario);
  await prepare(database, scenario);
  await database.query('VACUUM FREEZE');
  await database.query('CHECKPOINT');
  await untilRestarted(database, () => server.restart(FILE_BLOCKS));

  const report = await runJob(database.url, scenario);
  const { status, error } = tableOf(report);
  // The server knows a full disk from a file that is too large only up to version 15.
  expect([report.ok, status, error?.code]).toEqual([
    false,
    'failed',
    server.version < 16 ? '53100' : 'XX000',
  ]);
  expect(error?.hint).toMatch(/run the command again/i);
  await runIsOver(database);
  expect((await stateOf(database)).contents).toEqual(all.before.contents);
  await database.query(
    'INSERT INTO app.events VALUES (7777, now(), 1); DELETE FROM app.events WHERE id = 7777',
  );

  await untilRestarted(database, () => server.restart());
  await expectRecovery(database, all, 'a file that cannot grow');
});

test('when no lock is left in the memory of the server, a run says so, and works when there are some', async () => {
  await using server = await startOwnServer({ max_locks_per_transaction: '10', max_connections: '8' });
  await using database = await server.createDatabase();
  for (const scenario of SCENARIOS) {
    const all = await known(database, scenario);
    await prepare(database, scenario);
    const [holder, hoarder] = [await database.connect(), await database.connect()];
    await holder.query('BEGIN; LOCK TABLE ONLY app.events IN SHARE UPDATE EXCLUSIVE MODE');
    await waitUntilLong(database, await pidOf(holder));
    const running = runJob(database.url, scenario);
    await runThatWaits(database);
    await hoarder.query(`
      DO $$ BEGIN
        FOR key IN 1 .. 100000 LOOP
          BEGIN PERFORM pg_advisory_lock(key); EXCEPTION WHEN out_of_memory THEN EXIT; END;
        END LOOP;
      END $$`);
    await holder.end();
    const { status, error, steps } = tableOf(await running);
    expect([scenario.name, status, error?.code]).toEqual([scenario.name, 'failed', '53200']);
    expect(error?.hint).toContain('max_locks_per_transaction');
    expect(steps.map((step) => step.status)).toContain('failed');
    await hoarder.query('SELECT pg_advisory_unlock_all()');
    await hoarder.end();
    await expectRecovery(database, all, 'a lack of locks');
  }
});
