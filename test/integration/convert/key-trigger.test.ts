import { describe, expect, test } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import { convert } from '../../support/convert/attach-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, partitionsOf, stepsOf, tableOf } from '../../support/keeper.ts';

/** A table with a row of now, and a function that dates rows of now. */
async function makeTable(database: TestDatabase, key: string, trigger: string): Promise<void> {
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int PRIMARY KEY, ${key}, note text);
    INSERT INTO app.events (id, at) VALUES (1, now());
    CREATE FUNCTION app.date_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
    CREATE FUNCTION app.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    ${trigger}`);
}

const DATES =
  'CREATE TRIGGER date_it BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.date_it();';

const warnedOf = (report: Report) =>
  tableOf(report).findings.flatMap(({ finding, severity, facts }) =>
    finding === 'changes' && severity === 'warning' && facts?.['trigger'] !== undefined
      ? [facts['trigger']]
      : [],
  );

/** The first key of a partition that is kept ready. */
async function keyAhead(database: TestDatabase): Promise<string> {
  const bounds = Object.values(await partitionsOf(database)).filter((text) => !text.startsWith('MINVALUE'));
  return bounds[0]?.split(' .. ')[0] ?? '';
}

describe('a trigger that may be what gives rows their key', () => {
  test.each(['attach', 'copy'] as const)(
    'keeps a table from %s, until the key has a default',
    async (strategy) => {
      await using database = await createTestDatabase();
      await makeTable(database, 'at timestamptz', DATES);
      const before = await catalogState(database);
      const refused = tableOf(await convert(database.url, { strategy }));
      expect(refused).toMatchObject({ status: 'refused', error: { code: 'key-without-default' } });
      expect(refused.error?.message).toContain('at of app.events has no default');
      expect(refused.error?.hint).toContain('ALTER TABLE "app"."events" ALTER COLUMN "at" SET DEFAULT ...;');
      expect(await catalogState(database)).toEqual(before);

      await database.query('ALTER TABLE app.events ALTER COLUMN at SET DEFAULT now()');
      const report = await convert(database.url, { strategy });
      stepsOf(report);
      expect(warnedOf(report)).toEqual(['date_it']);
      await database.query('INSERT INTO app.events (id) VALUES (2)');
    },
  );

  test('comes too late for that, as the warning says, where somebody has approved all the same', async () => {
    await using database = await createTestDatabase();
    await makeTable(database, 'at timestamptz', DATES);
    const report = await convert(database.url, { approve: true });
    stepsOf(report);
    expect(warnedOf(report)).toEqual(['date_it']);
    await expect(database.query('INSERT INTO app.events (id) VALUES (2)')).rejects.toMatchObject({
      code: '23514',
    });
    await expect(
      database.query('INSERT INTO app.events (id, at) VALUES (2, $1)', [await keyAhead(database)]),
    ).rejects.toMatchObject({ code: '0A000' });
    await expect(
      database.query('UPDATE app.events SET at = $1 WHERE id = 1', [await keyAhead(database)]),
    ).rejects.toMatchObject({ code: '0A000' });
    await database.query('INSERT INTO app.events (id, at) VALUES (2, now())');
  });

  test('is told together with a uniqueness that is lost', async () => {
    await using database = await createTestDatabase();
    await makeTable(database, 'at timestamptz', `${DATES} CREATE UNIQUE INDEX once ON app.events (note);`);
    const { error } = tableOf(await convert(database.url));
    expect(error?.code).toBe('uniqueness-lost');
    expect(error?.message).toMatch(/^once of app\.events .* at of app\.events has no default/);
  });
});

test('triggers that cannot be called before a row is inserted are not warned of, and may move rows', async () => {
  await using database = await createTestDatabase();
  await makeTable(
    database,
    'at timestamptz NOT NULL',
    `${DATES}
     ALTER TABLE app.events DISABLE TRIGGER date_it;
     CREATE TRIGGER afterwards AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.pass();
     CREATE TRIGGER statements BEFORE INSERT ON app.events FOR EACH STATEMENT EXECUTE FUNCTION app.pass();
     CREATE TRIGGER updates BEFORE UPDATE ON app.events FOR EACH ROW EXECUTE FUNCTION app.date_it();`,
  );
  const report = await convert(database.url);
  stepsOf(report);
  expect(warnedOf(report)).toEqual([]);
  await database.query('INSERT INTO app.events (id, at) VALUES (2, $1)', [await keyAhead(database)]);
  await database.query("UPDATE app.events SET note = 'moved' WHERE id = 2");
  expect(await database.query('SELECT tableoid::regclass::text AS is FROM app.events WHERE id = 2')).toEqual([
    { is: 'app.events_legacy' },
  ]);
});
