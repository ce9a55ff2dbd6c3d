import type pg from 'pg';

/**
 * Number spaces of our own. A rebuild of indexes takes hours and gets on with all other jobs, so it has another one:
 * only two rebuilds keep each other out.
 */
const SPACES = { table: 20496, indexes: 20497 } as const;

const keySql = (schema: string, name: string, space: string | number): string =>
  `hashtextextended(format('%I.%I', ${schema}, ${name}), ${space})`;

/** The key of a table's lock, in SQL. */
export const tableLockKey = (schema: string, name: string): string => keySql(schema, name, SPACES.table);

/** Two runs never work on one table: the key is the table's name, in the number space $3. */
const KEYS = `
  SELECT w.ord::int - 1 AS position, ${keySql('w.schema', 'w.name', '$3')} AS key
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)`;

/** Session locks: held until the connection ends at the latest, whatever happens to the process. */
const TAKE = `SELECT k.position, pg_try_advisory_lock(k.key) AS taken FROM (${KEYS}) k ORDER BY k.position`;

/** For each table whether its lock was free; it is ours until `endSession`. */
export async function takeTableLocks(
  client: pg.Client,
  tables: readonly { readonly schema: string; readonly table: string }[],
  of: keyof typeof SPACES = 'table',
): Promise<boolean[]> {
  const { rows } = await client.query<{ position: number; taken: boolean }>(TAKE, [
    tables.map(({ schema }) => schema),
    tables.map(({ table }) => table),
    SPACES[of],
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
