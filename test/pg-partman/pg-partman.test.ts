import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { configFile, findingsOf, keeper, partitionsOf, tableOf } from '../support/keeper.ts';
import { sqlOfGuide } from '../support/migrating/guide.ts';
import { cleanUp, contentsOf, partitionsHeld, takeOver } from '../support/migrating/handover.ts';

const HEADING = 'From pg_partman';
const YEAR = { retention: { months: 12 } };

const script = await readFile(process.env['PG_PARTMAN_SQL'] ?? '', 'utf8');

const RELEASE = /\bp_interval text\s*,\s*p_type/.test(script) ? 5 : 4;

/** How the release calls months, and its names of partitions. */
const [MONTHLY, NAME] =
  RELEASE === 5
    ? ["p_interval := '1 month'", /_p\d{8}$/]
    : ["p_interval := 'monthly', p_type := 'native'", /_p\d{4}_\d{2}$/];

let database: TestDatabase;

/** The functions and tables of the extension, without the extension around them, so that any server will do. */
async function loadPartman(): Promise<void> {
  await database.query(
    `CREATE SCHEMA partman; SET check_function_bodies = off; ${script
      .replaceAll('@extschema@', 'partman')
      .replaceAll(
        /^\\.*$|^SELECT pg_catalog\.pg_extension_config_dump\(.*$/gm,
        '',
      )}; RESET check_function_bodies`,
  );
}

/** Whether the doctor names pg_partman as another manager of the table. */
async function isNamed(): Promise<boolean> {
  const { stdout } = await runCli(['doctor', '--format', 'json'], {
    config: configFile({}),
    url: database.url,
  });
  return stdout.includes('pg_partman manages app.events');
}

const maintain = () => database.query("SELECT partman.run_maintenance('app.events')");

beforeEach(async () => {
  database = await createTestDatabase();
  await loadPartman();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id bigint NOT NULL, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE INDEX ON app.events (note);
    SELECT partman.create_parent('app.events', 'at', ${MONTHLY},
      p_start_partition := to_char(now() - interval '14 months', 'YYYY-MM-01'));
    INSERT INTO app.events SELECT row_number() OVER (), t, 'a row'
    FROM generate_series(now() - interval '14 months', now(), '1 day') t`);
});

afterEach(() => database.drop());

test('its partitions are taken over, with the rows that had fallen into its default partition', async () => {
  await database.query(
    "INSERT INTO app.events SELECT 0, date_trunc('month', now()) + interval '7 months 10 days', 'early'",
  );
  expect(await contentsOf(database, 'app.events_default')).toMatchObject({ rows: 1 });
  await database.query(sqlOfGuide(HEADING, 0));
  await database.query('SELECT partman.run_maintenance()');
  const before = Object.keys(await partitionsHeld(database, 'app.events'));
  expect(before.every((name) => NAME.test(name))).toBe(true);

  const table = { ...YEAR, premake: 8 };
  await takeOver(database, table);
  expect(await contentsOf(database, 'app.events_default')).toMatchObject({ rows: 0 });
  expect(Object.keys(await partitionsHeld(database, 'app.events')).length).toBeGreaterThan(before.length);
  expect(await cleanUp(database, table, '12 months')).toHaveLength(2);

  await database.query(sqlOfGuide('Default partitions'));
  expect(Object.keys(await partitionsOf(database))).not.toContain('events_default');
  expect(await isNamed()).toBe(true);
  await database.query(sqlOfGuide(HEADING, 1));
  expect(await isNamed()).toBe(false);
  expect(await database.query('TABLE partman.part_config')).toEqual([]);
  expect(findingsOf(await keeper(database, table).health())).toEqual([]);
});

test('a default partition with rows is not taken away', async () => {
  await database.query("INSERT INTO app.events VALUES (0, 'infinity')");
  await expect(database.query(sqlOfGuide('Default partitions'))).rejects.toMatchObject({ code: 'P0001' });
  await database.query('ROLLBACK');
  expect(Object.keys(await partitionsOf(database))).toContain('events_default');
});

test('it removes what we remove: retention is judged by the same end', async () => {
  await database.query("UPDATE partman.part_config SET retention = '12 months'");
  const plan = tableOf(await keeper(database, YEAR).cleanup({ dryRun: true, approve: true })).steps;
  const before = Object.keys(await partitionsHeld(database, 'app.events'));
  await maintain();
  const after = await partitionsHeld(database, 'app.events');
  const removed = before.filter((name) => !(name in after));
  expect(removed.length).toBeGreaterThan(0);
  expect(plan.map(({ partition }) => partition).sort()).toEqual(removed.sort());
  // It keeps the tables, unless told otherwise.
  expect(await database.query(sqlOfGuide('Tables that were detached'))).toMatchObject(
    removed.map((table) => ({ table, of: 'app.events' })),
  );
});

test('and back: by the names it expects it goes on; by ours release 4 fails', async () => {
  await database.query(sqlOfGuide(HEADING, 0));
  await takeOver(database, { ...YEAR, premake: 8 });
  const ours = Object.keys(await partitionsOf(database)).filter((name) => !name.startsWith('events_p'));
  expect(ours.length).toBeGreaterThan(2);
  await database.query(sqlOfGuide(HEADING, 3));
  await database.query('UPDATE partman.part_config SET infinite_time_partitions = true, premake = 12');
  const outcome = await maintain().then(
    () => 'goes on',
    () => 'fails',
  );
  expect(outcome).toBe(RELEASE === 4 ? 'fails' : 'goes on');

  const renames = await database.query<{ rename: string }>(sqlOfGuide(HEADING, 2));
  expect(renames).toHaveLength(ours.length - 1);
  for (const { rename } of renames) await database.query(rename);
  await maintain();
  const names = Object.keys(await partitionsOf(database));
  expect(names.filter((name) => !NAME.test(name))).toEqual(['events_default']);
  // And once more the other way: names are nothing to us.
  await takeOver(database, YEAR);
});
