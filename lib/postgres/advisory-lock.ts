import type pg from 'pg';

/** Two runs never work on one table: the key is the table's name, in a number space of our own. As SQL, of two names. */
export const tableLockKey = (schema: string, name: string): string =>
  `hashtextextended(format('%I.%I', ${schema}, ${name}), 20496)`;

const KEYS = `
  SELECT w.ord::int - 1 AS position, ${tableLockKey('w.schema', 'w.name')} AS key
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)`;

/** Session locks: held until the connection ends at the latest, whatever happens to the process. */
const TAKE = `SELECT k.position, pg_try_advisory_lock(k.key) AS taken FROM (${KEYS}) k ORDER BY k.position`;

/** For each table whether its lock was free; it is ours until `endSession`. */
export async function takeTableLocks(
  client: pg.Client,
  tables: readonly { readonly schema: string; readonly table: string }[],
): Promise<boolean[]> {
  const { rows } = await client.query<{ position: number; taken: boolean }>(TAKE, [
    tables.map(({ schema }) => schema),
    tables.map(({ table }) => table),
  ]);
  const taken = new Set(rows.filter((row) => row.taken).map(({ position }) => position));
  return tables.map((_, position) => taken.has(position));
}

/**
 * Gives the locks back and ends the connection. Behind a proxy or a pooler, ours ends before that of the server does,
 * and a run that comes at once would find the tables taken.
 */
export async function endSession(client: pg.Client): Promise<void> {
  await client.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
  await client.end();
}
