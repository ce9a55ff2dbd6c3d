import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import config from '../../../partitions.config.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { findingsOf, keeper, tableOf } from '../../support/keeper.ts';
import { sqlOfGuide } from '../../support/migrating/guide.ts';
import { cleanUp, takeOver } from '../../support/migrating/handover.ts';

const HEADING = 'From functions in the database and pg_cron';
const tables = new URL('../../../sql/tables/', import.meta.url);

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
  for (const file of (await readdir(tables)).sort())
    await database.query(await readFile(new URL(file, tables), 'utf8'));
  await database.query(
    await readFile(new URL('../../support/migrating/document.sql', import.meta.url), 'utf8'),
  );
});

afterEach(() => database.drop());

const settings = (name: string) => {
  const found = config.tables.find(({ table }) => table === name);
  if (found === undefined) throw new Error(`There is no table ${name}.`);
  return found;
};

/** Partitions since so many months, as the functions make them one by one, and a row a week in them. */
async function past(table: string, months: number): Promise<void> {
  const [schema, name] = table.split('.');
  await database.query(
    `SELECT create_monthly_partition($1, $2, (CURRENT_DATE - make_interval(months => m))::date) FROM generate_series(1, $3) m`,
    [schema, name, months],
  );
  await database.query(
    `INSERT INTO ${table} (activity_type, created_at)
     SELECT 'seen', t FROM generate_series(date_trunc('month', now()) - make_interval(months => $1),
       date_trunc('month', now()) - interval '1 second', '1 week') t`,
    [months],
  );
}

test('partitions of the functions are taken over, and the tables they left out get theirs', async () => {
  await past('platform.activity_logs', 27);
  await database.query('SELECT create_future_partitions(12)');
  await database.query('CREATE TABLE platform.legal_hold_activity_logs_2019_01 (id int)');
  const upload = `INSERT INTO files.file_uploads (storage_key, original_name, mime_type, size_bytes) VALUES ('k', 'n', 't', 1)`;
  await expect(database.query(upload)).rejects.toMatchObject({ code: '23514' });

  const report = await takeOver(database, ...config.tables);
  expect(tableOf(report, 'activity_logs').steps).toEqual([]);
  expect(tableOf(report, 'file_uploads').steps).toHaveLength(3);
  expect(tableOf(report, 'notifications').steps).toHaveLength(4);
  await database.query(upload);

  const removed = await cleanUp(database, settings('activity_logs'), '2 years');
  expect(removed).toHaveLength(3);
  // What merely has a name like a partition's stays; the functions would have dropped it.
  await database.query('TABLE platform.legal_hold_activity_logs_2019_01');
});

test('the index that the functions put beside each partition goes, and nothing else', async () => {
  await database.query('SELECT create_future_partitions(2)');
  await takeOver(database, ...config.tables);
  const indexes = () =>
    database.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c WHERE c.relkind = 'i' AND c.relname ~ '^idx_.*_\\d{4}_\\d{2}_created_at$' ORDER BY 1`,
    );
  expect(await indexes()).toHaveLength(12);
  const drops = await database.query<{ drop: string }>(sqlOfGuide(HEADING, 1));
  // Two of the four tables have no index on created_at, so those of their partitions are no duplicates.
  expect(drops).toHaveLength(6);
  const client = await database.connect();
  for (const { drop } of drops) await client.query(drop);
  const left = (await indexes()).map(({ name }) => name);
  expect(left).toHaveLength(6);
  expect(left.filter((name) => !/^idx_(data_access_log|user_sessions)_/.test(name))).toEqual([]);
  expect(await database.query(sqlOfGuide(HEADING, 1))).toEqual([]);
  const health = await keeper(database, ...config.tables).health();
  expect(health.tables.flatMap(({ findings }) => findings.map(({ finding }) => finding))).not.toContain(
    'index-missing',
  );
});

test('partitions cut at the midnight of another time zone: on the grid of that zone, or beside that of UTC', async () => {
  await database.query(
    "SET TimeZone = 'America/New_York'; SELECT create_future_partitions(6); RESET TimeZone",
  );
  const there = { ...settings('audit_logs'), timeZone: 'America/New_York', premake: 8 };
  const report = await takeOver(database, there);
  expect(tableOf(report).steps).toHaveLength(2);
  expect(findingsOf(await keeper(database, there).health())).not.toContain('off-grid');

  const here = { ...settings('activity_logs'), premake: 8 };
  expect(tableOf(await takeOver(database, here)).steps.length).toBeGreaterThan(2);
  expect(findingsOf(await keeper(database, here).health())).toContain('off-grid');
});

test('the functions go when nothing calls them any more', async () => {
  await database.query(sqlOfGuide(HEADING, 2));
  expect(
    await database.query("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"),
  ).toEqual([]);
});
