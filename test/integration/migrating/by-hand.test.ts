import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { findingsOf, keeper, tableOf } from '../../support/keeper.ts';
import { cleanUp, contentsOf, takeOver } from '../../support/migrating/handover.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app; CREATE SCHEMA attic;
    CREATE TABLE app.events (id bigint, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)`);
});

afterEach(() => database.drop());

/** What a script run by cron does each month, `offset` months from now. */
const monthly = (offset: number, name = "'events_' || to_char(m, 'YYYY_MM')") => `
  DO $$ DECLARE m timestamptz := date_trunc('month', now()) + make_interval(months => ${offset}); BEGIN
    EXECUTE format('CREATE TABLE IF NOT EXISTS app.%I PARTITION OF app.events FOR VALUES FROM (%L) TO (%L)',
      ${name}, m, m + interval '1 month'); END $$`;

const fill = (months: number) =>
  database.query(`
    INSERT INTO app.events SELECT row_number() OVER (), t, 'a row'
    FROM generate_series(date_trunc('month', now()) - make_interval(months => ${months}), now(), '1 day') t`);

test('names mean nothing: partitions called after the wrong month, after nothing, and in other schemas', async () => {
  for (let month = -14; month <= 1; month++)
    await database.query(monthly(month, `'part_' || ${month + 100}`));
  await database.query(`
    ALTER TABLE app.part_99 RENAME TO events_2031_01;
    ALTER TABLE app.part_98 SET SCHEMA attic`);
  await fill(14);
  const table = { premake: 3, retention: { months: 12 } };
  const report = await takeOver(database, table);
  expect(tableOf(report).steps).toHaveLength(2);
  expect(await cleanUp(database, table, '12 months')).toEqual(['app.part_86', 'app.part_87']);
});

test('bounds of all sorts, and a hole: they are respected, and what is not covered is filled', async () => {
  await database.query(`
    DO $$ DECLARE m timestamptz := date_trunc('month', now()) - interval '6 months'; BEGIN
      EXECUTE format('CREATE TABLE app.quarter PARTITION OF app.events FOR VALUES FROM (%L) TO (%L)', m, m + interval '3 months');
      EXECUTE format('CREATE TABLE app.week PARTITION OF app.events FOR VALUES FROM (%L) TO (%L)',
        m + interval '3 months 10 days', m + interval '3 months 17 days');
    END $$`);
  for (const month of [-1, 0]) await database.query(monthly(month));
  const report = await takeOver(database, { premake: 1 });
  // Before and behind the week, the month before last, and the next one.
  expect(tableOf(report).steps).toHaveLength(4);
  expect(findingsOf(await keeper(database, { premake: 1 }).health())).toContain('off-grid');
  await fill(6);
});

test('rows that fell into a default partition, since nobody had made theirs, move into partitions', async () => {
  for (const month of [-4, -3]) await database.query(monthly(month));
  await database.query('CREATE TABLE app.rest PARTITION OF app.events DEFAULT');
  await fill(4);
  expect((await contentsOf(database, 'app.rest')).rows).toBeGreaterThan(50);
  await takeOver(database, {});
  expect(await contentsOf(database, 'app.rest')).toMatchObject({ rows: 0 });
});

test('a script that goes on beside: harmless by the same names, an error of its own by others', async () => {
  await database.query(monthly(0));
  await takeOver(database, { premake: 2 });
  await database.query(monthly(1));
  await expect(database.query(monthly(2, "'events_p' || to_char(m, 'YYYYMM')"))).rejects.toMatchObject({
    code: '42P17',
  });
  await database.query(monthly(3, "'events_p' || to_char(m, 'YYYYMM')"));
  expect(tableOf(await takeOver(database, { premake: 4 })).steps).toHaveLength(1);
});
