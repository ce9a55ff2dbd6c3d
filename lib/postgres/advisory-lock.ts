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
const TAKE = `SELECT k.position, k.key::text AS key, pg_try_advisory_lock(k.key) AS taken FROM (${KEYS}) k ORDER BY k.position`;

/** The keys each connection has taken. */
const held = new WeakMap<pg.Client, string[]>();

/** For each table whether its lock was free; it is ours until `releaseTableLocks`. */
export async function takeTableLocks(
  client: pg.Client,
  tables: readonly { readonly schema: string; readonly table: string }[],
  of: keyof typeof SPACES = 'table',
): Promise<boolean[]> {
  const { rows } = await client.query<{ position: number; key: string; taken: boolean }>(TAKE, [
    tables.map(({ schema }) => schema),
    tables.map(({ table }) => table),
    SPACES[of],
  ]);
  const taken = rows.filter((row) => row.taken);
  held.set(client, [...(held.get(client) ?? []), ...taken.map(({ key }) => key)]);
  const positions = new Set(taken.map(({ position }) => position));
  return tables.map((_, position) => positions.has(position));
}

/**
 * Gives back what the connection has taken, before it ends: behind a proxy, ours ends before that of the server does,
 * and a run that comes at once would find the tables taken. No other locks: behind a pooler they may be somebody else's.
 */
export async function releaseTableLocks(client: pg.Client): Promise<void> {
  const keys = held.get(client) ?? [];
  held.delete(client);
  if (keys.length > 0)
    await client.query('SELECT pg_advisory_unlock(key::bigint) FROM unnest($1::text[]) AS key', [keys]);
}
