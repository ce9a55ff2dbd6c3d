import type pg from 'pg';
import { qualified, quoteIdentifier } from '../../partition/identifiers.ts';
import { keyText } from '../../partition/key-type.ts';
import type { DefaultPartition, PartitionedTable } from '../../partition/model.ts';
import type { Range } from '../../partition/range.ts';
import type { Inspected } from './inspect.ts';

/** Counting stops here: whether it is a million or ten makes no difference to what must be done. */
const COUNT_LIMIT = 1_000_000;

const countSql = (defaults: readonly DefaultPartition[]): string =>
  defaults
    .map(
      (table, index) =>
        `SELECT ${index} AS position, count(*)::int AS rows FROM (SELECT 1 FROM ${qualified(table.schema, table.name)} LIMIT ${COUNT_LIMIT}) AS bounded`,
    )
    .join(' UNION ALL ');

/** Counts under a short lock timeout; undefined when a lock or a missing privilege stands in the way. */
async function count(
  client: pg.Client,
  defaults: readonly DefaultPartition[],
): Promise<number[] | undefined> {
  await client.query("BEGIN READ ONLY; SET LOCAL lock_timeout = '50ms'");
  try {
    const { rows } = await client.query<{ position: number; rows: number }>(countSql(defaults));
    await client.query('COMMIT');
    const byPosition = new Map(rows.map((row) => [row.position, row.rows]));
    return defaults.map((_, index) => byPosition.get(index) ?? 0);
  } catch {
    await client.query('ROLLBACK');
    return undefined;
  }
}

/** One query for all default partitions; only if one of them resists, one each. */
export async function countDefaultRows(
  client: pg.Client,
  inspected: readonly Inspected[],
): Promise<Inspected[]> {
  const defaults = inspected.flatMap((entry) =>
    'table' in entry && entry.table.defaultPartition !== null ? [entry.table.defaultPartition] : [],
  );
  if (defaults.length === 0) return [...inspected];
  const together = await count(client, defaults);
  const counts = new Map<number, number | null>();
  for (const [index, table] of defaults.entries()) {
    counts.set(table.oid, together?.[index] ?? (await count(client, [table]))?.[0] ?? null);
  }
  return inspected.map((entry) => {
    if (!('table' in entry) || entry.table.defaultPartition === null) return entry;
    const rows = counts.get(entry.table.defaultPartition.oid) ?? null;
    return {
      ...entry,
      table: { ...entry.table, defaultPartition: { ...entry.table.defaultPartition, rows } },
    };
  });
}

/**
 * How many rows of the default partition fall into each range, in one scan. Call it only when there are rows.
 * @throws the server's error when a lock or a missing privilege stands in the way
 */
export async function countRowsByRange(
  client: pg.Client,
  table: PartitionedTable,
  ranges: readonly Range[],
): Promise<number[]> {
  const { defaultPartition, keyColumn, keyType } = table;
  if (defaultPartition === null || ranges.length === 0) return ranges.map(() => 0);
  const { rows } = await client.query<{ position: number; rows: number }>(
    `SELECT r.position::int - 1 AS position, count(*)::int AS rows
     FROM unnest($1::${keyType}[], $2::${keyType}[]) WITH ORDINALITY AS r(lower, upper, position)
     JOIN ${qualified(defaultPartition.schema, defaultPartition.name)} d
       ON d.${quoteIdentifier(keyColumn)} >= r.lower AND d.${quoteIdentifier(keyColumn)} < r.upper
     GROUP BY r.position`,
    [ranges.map(({ from }) => keyText(keyType, from)), ranges.map(({ to }) => keyText(keyType, to))],
  );
  const byPosition = new Map(rows.map((row) => [row.position, row.rows]));
  return ranges.map((_, index) => byPosition.get(index) ?? 0);
}
