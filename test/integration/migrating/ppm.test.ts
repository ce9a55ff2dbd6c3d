import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { findingsOf, keeper, tableOf } from '../../support/keeper.ts';
import { sqlOfGuide } from '../../support/migrating/guide.ts';
import { cleanUp, takeOver } from '../../support/migrating/handover.ts';

const HEADING = 'From postgresql-partition-manager';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id bigint NOT NULL, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE app.days (id bigint NOT NULL, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE INDEX ON app.events (note)`);
});

afterEach(() => database.drop());

interface Part {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** The partitions it expects: so many before the current one, that, and so many after it. Here days are of a date. */
const parts = (table: string, unit: 'month' | 'day', retention: number, preProvisioned: number) =>
  database.query<Part & { readonly [column: string]: string }>(
    `SELECT $1 || to_char(s, CASE $2 WHEN 'day' THEN '_YYYY_MM_DD' ELSE '_YYYY_MM' END) AS name,
       to_char(s, f) AS from, to_char(s + ('1 ' || $2)::interval, f) AS to
     FROM generate_series(-$3::int, $4::int) n,
       LATERAL (SELECT date_trunc($2, now()) + (n || ' ' || $2)::interval AS s,
         CASE $2 WHEN 'day' THEN 'YYYY-MM-DD' ELSE 'YYYY-MM-DD 00:00:00' END AS f) AS start`,
    [table, unit, retention, preProvisioned],
  );

/** Its statements, in their order. */
async function provision(table: string, { name, from, to }: Part): Promise<void> {
  await database.query(`CREATE TABLE "app"."${name}" (LIKE "app"."${table}" INCLUDING ALL)`);
  await database.query(
    `ALTER TABLE "app"."${table}" ATTACH PARTITION "app"."${name}" FOR VALUES FROM ('${from}') TO ('${to}')`,
  );
}

test('partitions it has provisioned are taken over: months and days, timestamps and dates', async () => {
  for (const part of await parts('events', 'month', 14, 1)) await provision('events', part);
  for (const part of await parts('days', 'day', 30, 7)) await provision('days', part);
  await database.query(`
    INSERT INTO app.events SELECT row_number() OVER (), t FROM generate_series(now() - interval '14 months', now(), '1 day') t;
    INSERT INTO app.days SELECT row_number() OVER (), t FROM generate_series(now() - interval '30 days', now(), '1 day') t`);
  const events = { premake: 3, retention: { months: 12 } };
  const days = { table: 'days', interval: 'day', premake: 7, retention: { days: 10 } } as const;
  const report = await takeOver(database, events, days);
  expect(tableOf(report, 'events').steps).toHaveLength(2);
  expect(tableOf(report, 'days').steps).toEqual([]);
  expect(await cleanUp(database, events, '12 months')).toHaveLength(2);
  // As many days before the current one as its retention of 10 would keep.
  expect(await cleanUp(database, days, '10 days')).toHaveLength(20);
});

test('tables it has detached and kept are found by the guide; Partition Keeper never drops them', async () => {
  const all = await parts('events', 'month', 3, 3);
  for (const part of all) await provision('events', part);
  const [oldest] = all;
  const client = await database.connect();
  await client.query(`ALTER TABLE "app"."events" DETACH PARTITION "app"."${oldest?.name}" CONCURRENTLY`);
  expect(await database.query(sqlOfGuide('Tables that were detached'))).toMatchObject([
    { table: `app.${oldest?.name}`, of: 'app.events' },
  ]);
  const table = { retention: { months: 1 } };
  await takeOver(database, table);
  await keeper(database, table).cleanup({ approve: true });
  expect(await database.query(sqlOfGuide('Tables that were detached'))).toHaveLength(1);
});

test('a detach it was interrupted in is told of, and finished by the statement of the guide', async () => {
  for (const part of await parts('events', 'month', 3, 3)) await provision('events', part);
  const [oldest] = await parts('events', 'month', 3, 3);
  const reader = await database.connect();
  await reader.query('BEGIN; SELECT FROM app.events');
  const client = await database.connect();
  await client.query("SET lock_timeout = '200ms'");
  await expect(
    client.query(`ALTER TABLE "app"."events" DETACH PARTITION "app"."${oldest?.name}" CONCURRENTLY`),
  ).rejects.toMatchObject({ code: '55P03' });
  await reader.query('COMMIT');
  expect(findingsOf(await keeper(database, {}).health())).toContain('detach-pending');
  await database.query(sqlOfGuide(HEADING).replaceAll('events_2025_11', oldest?.name ?? ''));
  expect(findingsOf(await keeper(database, {}).health())).not.toContain('detach-pending');
});
