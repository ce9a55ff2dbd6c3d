import { expect, test } from 'vitest';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears, copyUntil } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase } from '../../support/database.ts';
import { done, stepsOf } from '../../support/keeper.ts';

/** What variables are called in the blocks and functions of a copy, and aliases in their statements. */
const NAMES = [
  ...['state', 'found', 'shape', 'compared', 'different', 'examples', 'comparison'],
  ...['leaf', 'block', 'blocks', 'file', 'size', 'pages', 'copied', 'began', 'took'],
  ...['new', 'old', 'tg_op', 'tg_name', 'c', 'k', 'l', 's', 't'],
].map((name) => `"${name}"`);

test('columns may be called like anything that a copy has names for', async () => {
  await using database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz, note text, ${NAMES.map((name) => `${name} int`).join(', ')},
      PRIMARY KEY (id, ${NAMES.join(', ')}));
    INSERT INTO app.events SELECT n, now() - n * interval '3 days', 'some'${NAMES.map((_, index) => `, n + ${index}`).join('')}
    FROM generate_series(1, 100) AS n`);
  const rows = () => contents(database, 'app.events', { rows: true });

  await copyUntil(database.url, 'index');
  await database.query(
    "UPDATE app.events SET note = 'noted' WHERE id < 10; DELETE FROM app.events WHERE id > 95",
  );
  stepsOf(await convertByYears(database.url, { strategy: 'copy', until: 'copy' }));
  await database.query(`
    UPDATE app.events SET note = 'followed' WHERE id BETWEEN 20 AND 30;
    DELETE FROM app.events_partitioned WHERE id = 40;
    UPDATE app.events_partitioned SET note = 'by hand' WHERE id = 41`);
  const before = await rows();
  expect(done(await convertByYears(database.url, { strategy: 'copy' }))).toContain(
    'switch app.events_partitioned',
  );
  expect(contentsDifference(before, await rows())).toEqual([]);
  expect(done(await convertByYears(database.url, { undo: true }))).toContain('switch app.events_replaced');
  expect(contentsDifference(before, await rows())).toEqual([]);
});
