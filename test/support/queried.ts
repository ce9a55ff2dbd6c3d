import { createTestDatabase, type TestDatabase } from './database.ts';

/**
 * A database with `app.events`, keyed by `at`: the twelve months of 2026 and a default partition, with a row for every
 * three hours of it and a little around it.
 */
export async function createQueriedDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  const months = Array.from({ length: 12 }, (_, index) => {
    const from = `2026-${String(index + 1).padStart(2, '0')}-01`;
    const to = index === 11 ? '2027-01-01' : `2026-${String(index + 2).padStart(2, '0')}-01`;
    return `CREATE TABLE app.events_${index + 1} PARTITION OF app.events FOR VALUES FROM ('${from} 00:00+00') TO ('${to} 00:00+00');`;
  });
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, u int, at timestamptz NOT NULL, changed_at timestamptz) PARTITION BY RANGE (at);
    CREATE INDEX ON app.events (at);
    ${months.join('\n')}
    CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
    INSERT INTO app.events SELECT n, n % 7, '2025-12-25 00:00+00'::timestamptz + n * interval '3 hours' FROM generate_series(0, 3100) AS n;
    ANALYZE app.events`);
  return database;
}
