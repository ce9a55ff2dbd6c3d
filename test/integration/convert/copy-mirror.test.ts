import { expect, test } from 'vitest';
import { preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears, copyUntil } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase } from '../../support/database.ts';
import { partitionsOf, stepsOf } from '../../support/keeper.ts';

test('what is changed while a copy waits for its lock is taken over before anybody waits for the copy', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await copyUntil(database.url, 'index');
  await database.query(`
    CREATE TABLE app.witness (locked bool);
    CREATE FUNCTION app.witness() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO app.witness SELECT EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = pg_backend_pid()
        AND l.relation = 'app.events'::regclass AND l.mode = 'ShareRowExclusiveLock' AND l.granted);
      RETURN NEW;
    END $$`);
  for (const name of Object.keys(await partitionsOf(database, 'app.events_partitioned')))
    await database.query(
      `CREATE TRIGGER witness BEFORE INSERT ON app.${name} FOR EACH ROW EXECUTE FUNCTION app.witness()`,
    );

  const writer = await database.connect();
  await writer.query("BEGIN; UPDATE app.events SET note = 'at work' WHERE id = 200");
  let changed: Promise<unknown> | null = null;
  const report = await convertByYears(database.url, {
    strategy: 'copy',
    until: 'copy',
    onWait: () => {
      changed ??= database
        .query("UPDATE app.events SET note = 'changed' WHERE id <= 150")
        .then(() => writer.query('COMMIT'));
    },
  });
  await changed;
  expect(stepsOf(report).map(({ kind }) => kind)).toContain('mirror');
  expect(await database.query('SELECT locked, count(*)::int AS rows FROM app.witness GROUP BY 1')).toEqual([
    { locked: false, rows: 151 },
  ]);
  expect(
    contentsDifference(
      await contents(database, 'app.events', { rows: true }),
      await contents(database, 'app.events_partitioned', { rows: true }),
    ),
  ).toEqual([]);
});
