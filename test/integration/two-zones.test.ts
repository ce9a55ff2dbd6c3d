import { Temporal } from 'temporal-polyfill';
import { expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { keeper, type Settings, stepsOf } from '../support/keeper.ts';

/** Nowhere are clocks further apart. */
const [EAST, WEST] = ['Pacific/Kiritimati', 'Pacific/Pago_Pago'];
const HOURS = 100;

const KEYS = {
  timestamptz: 'written',
  uuid: "(lpad(to_hex(floor(extract(epoch FROM written) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(id), 12, '0'))::uuid",
} as const;

type Rows = readonly { readonly id: number; readonly young: boolean }[];

const rowsIn = (database: TestDatabase, table: string): Promise<Rows> =>
  database.query(
    `SELECT j.id, j.written >= now() - interval '${HOURS} hours' AS young
     FROM app.${table} JOIN app.journal AS j USING (id) ORDER BY id`,
  );

const young = (rows: Rows): Rows => rows.filter((row) => row.young);

/**
 * Makes a table on the grid of one zone, with a row every half hour of ten days; runs a cleanup by the other zone; the
 * rows before and after.
 */
async function cleanedUp(
  database: TestDatabase,
  table: string,
  keyType: keyof typeof KEYS,
  made: string,
  kept: string,
): Promise<{ readonly before: Rows; readonly after: Rows }> {
  const settings: Settings = { table, interval: 'day', premake: 1, maxExpiredShare: 1 };
  await database.query(
    `CREATE TABLE app.${table} (id int NOT NULL, at ${keyType} NOT NULL) PARTITION BY RANGE (at)`,
  );
  const [row] = await database.query<{ from: string }>(
    `SELECT to_char(min(written) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS from FROM app.journal`,
  );
  const from = Temporal.Instant.from(row?.from ?? '');
  stepsOf(await keeper(database, { ...settings, timeZone: made }).create({ from }));
  await database.query(`INSERT INTO app.${table} SELECT id, ${KEYS[keyType]} FROM app.journal`);
  const before = await rowsIn(database, table);
  const removing = keeper(database, { ...settings, timeZone: kept, retention: { hours: HOURS } });
  expect(stepsOf(await removing.cleanup()).length).toBeGreaterThan(0);
  return { before, after: await rowsIn(database, table) };
}

test.each(['timestamptz', 'uuid'] as const)(
  'two different zones never disagree about an instant: a key of type %s',
  async (keyType) => {
    await using database = await createTestDatabase();
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.journal AS SELECT n AS id, now() - n * interval '30 minutes' AS written FROM generate_series(0, 480) AS n`);
    const east = await cleanedUp(database, 'east', keyType, EAST, EAST);
    const west = await cleanedUp(database, 'west', keyType, WEST, WEST);
    const changed = await cleanedUp(database, 'changed', keyType, EAST, WEST);
    expect(changed).toEqual(east);
    for (const { before, after } of [east, west]) {
      expect(before).toHaveLength(481);
      expect(young(after)).toEqual(young(before));
      expect(after.length).toBeLessThan(before.length);
    }
  },
);
