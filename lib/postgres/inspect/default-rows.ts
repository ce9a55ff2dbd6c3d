import type pg from 'pg';
import { qualified, quoteIdentifier } from '../../partition/identifiers.ts';
import { keyText, parseKeyText } from '../../partition/key-type.ts';
import type { DefaultPartition, PartitionedTable } from '../../partition/model.ts';
import type { Range } from '../../partition/range.ts';
import type { Inspected } from './inspected.ts';

/** Counting stops here: whether it is a million or ten makes no difference to what must be done. */
const COUNT_LIMIT = 1_000_000;

interface CountRow {
  readonly position: number;
  readonly rows: number;
  readonly oldest: string | null;
  readonly newest: string | null;
}

type WithDefault = PartitionedTable & { readonly defaultPartition: DefaultPartition };

const hasDefault = (table: PartitionedTable): table is WithDefault => table.defaultPartition !== null;

/** UUIDs have no min and max before PostgreSQL 18. */
function countSql(table: WithDefault, position: number): string {
  const key = quoteIdentifier(table.keyColumn);
  const ends = table.keyType === 'uuid' ? 'NULL, NULL' : 'min(key)::text, max(key)::text';
  return `SELECT ${position} AS position, count(*)::int AS rows, ${ends.replace(', ', ' AS oldest, ')} AS newest
    FROM (SELECT ${key} AS key FROM ${qualified(table.defaultPartition.schema, table.defaultPartition.name)} LIMIT ${COUNT_LIMIT}) AS bounded`;
}

/** Counts under a short lock timeout; undefined when a lock or a missing privilege stands in the way. */
async function count(
  client: pg.Client,
  tables: readonly WithDefault[],
  role?: string,
): Promise<CountRow[] | undefined> {
  const asRole = role === undefined ? '' : `; SET LOCAL ROLE ${quoteIdentifier(role)}`;
  await client.query(`BEGIN READ ONLY; SET LOCAL lock_timeout = '50ms'${asRole}`);
  try {
    const { rows } = await client.query<CountRow>(tables.map(countSql).join(' UNION ALL '));
    await client.query('COMMIT');
    return rows.toSorted((a, b) => a.position - b.position);
  } catch {
    await client.query('ROLLBACK');
    return undefined;
  }
}

function withCount(table: WithDefault, found: CountRow | undefined): WithDefault {
  const point = (text: string | null | undefined) =>
    text === null || text === undefined ? undefined : parseKeyText(table.keyType, text);
  const oldest = point(found?.oldest);
  const newest = point(found?.newest);
  const keys = oldest === undefined || newest === undefined ? null : { oldest, newest };
  return { ...table, defaultPartition: { ...table.defaultPartition, rows: found?.rows ?? null, keys } };
}

/** The owner may count where the executing role, which may become the owner, has no privilege of its own. */
const countAsOwner = (client: pg.Client, table: WithDefault): Promise<CountRow[] | undefined> =>
  count(client, [table], table.isOwner || !table.mayManage ? undefined : table.owner);

/** One query for all default partitions; only if one of them resists, one each. */
export async function countDefaultRows(
  client: pg.Client,
  inspected: readonly Inspected[],
): Promise<Inspected[]> {
  const tables = inspected.flatMap((entry) =>
    'table' in entry && hasDefault(entry.table) ? [entry.table] : [],
  );
  if (tables.length === 0) return [...inspected];
  const together = await count(client, tables);
  const counted = new Map<number, PartitionedTable>();
  for (const [index, table] of tables.entries()) {
    const found = together === undefined ? (await countAsOwner(client, table))?.[0] : together[index];
    counted.set(table.oid, withCount(table, found));
  }
  return inspected.map((entry) =>
    'table' in entry ? { ...entry, table: counted.get(entry.table.oid) ?? entry.table } : entry,
  );
}

/**
 * How many rows of the default partition fall into each range, in one scan, whatever the number of ranges. Call it only
 * when there are rows.
 * @throws the server's error when a lock, a missing privilege or the time stands in the way
 */
export async function countRowsByRange(
  client: pg.Client,
  table: PartitionedTable,
  ranges: readonly Range[],
): Promise<number[]> {
  const { defaultPartition, keyColumn, keyType } = table;
  if (defaultPartition === null || ranges.length === 0) return ranges.map(() => 0);
  // Stretches from one end to the next, of ranges or of gaps between them: a row's is found by bisection.
  const ends = [...new Set(ranges.flatMap(({ from, to }) => [from, to]))].toSorted((a, b) =>
    a < b ? -1 : 1,
  );
  const key = `d.${quoteIdentifier(keyColumn)}`;
  const { rows } = await client.query<{ stretch: number; rows: number }>(
    `SELECT width_bucket(${key}, $1::${keyType}[]) AS stretch, count(*)::int AS rows
     FROM ${qualified(defaultPartition.schema, defaultPartition.name)} AS d
     WHERE ${key} >= ($1::${keyType}[])[1] AND ${key} < ($1::${keyType}[])[${ends.length}]
     GROUP BY 1`,
    [ends.map((end) => keyText(keyType, end))],
  );
  const places = new Map(ends.map((end, place) => [end, place]));
  const byStretch = new Map(rows.map(({ stretch, rows: count }) => [stretch - 1, count]));
  const counts = ends.map((_, place) => byStretch.get(place) ?? 0);
  return ranges.map(({ from, to }) =>
    counts.slice(places.get(from), places.get(to)).reduce((sum, count) => sum + count, 0),
  );
}
