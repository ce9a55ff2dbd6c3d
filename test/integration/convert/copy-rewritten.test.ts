import { expect, test } from 'vitest';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { stepsOf, tableOf } from '../../support/keeper.ts';

/** More than the first batch of a copy takes, the later the row the further back; every other is dead. */
async function prepare(database: TestDatabase): Promise<void> {
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int PRIMARY KEY, at timestamptz NOT NULL, note text) WITH (autovacuum_enabled = off);
    INSERT INTO app.events SELECT n, now() - n * interval '20 seconds', repeat('x', 30) FROM generate_series(1, 40000) AS n;
    CREATE INDEX events_at ON app.events (at);
    DELETE FROM app.events WHERE id % 2 = 0`);
}

test.each([
  ['in another order', 'CLUSTER app.events USING events_at'],
  ['to where the copy has been already', 'VACUUM FULL app.events'],
])(
  'rows that are moved %s between two batches are copied once',
  async (_, move) => {
    await using database = await createTestDatabase();
    await prepare(database);
    const stopped = new AbortController();
    const begun = await convertByYears(database.url, {
      strategy: 'copy',
      // So that the first batch is not all there is.
      maxRate: 30_000,
      signal: stopped.signal,
      onProgress: ({ kind, rows }) => {
        if (kind !== 'copy') return;
        expect(rows).toBeGreaterThan(0);
        stopped.abort();
      },
    });
    expect(tableOf(begun).error).toMatchObject({ code: 'stopped' });
    await database.query(move);
    await database.query("UPDATE app.events SET note = 'changed' WHERE id % 1000 = 1");
    const rows = await contents(database, 'app.events', { rows: true });

    const told: (number | null)[] = [];
    const report = await convertByYears(database.url, {
      strategy: 'copy',
      onProgress: ({ kind, rows: copied }) => kind === 'copy' && told.push(copied),
    });
    expect(stepsOf(report).map(({ kind }) => kind)).toContain('switch');
    expect(told[0]).toBe(0);
    // Nothing was left for the comparison to find.
    expect(tableOf(report).findings.filter(({ severity }) => severity === 'warning')).toMatchObject([
      { finding: 'changes' },
    ]);
    expect(contentsDifference(rows, await contents(database, 'app.events', { rows: true }))).toEqual([]);
  },
  120_000,
);
