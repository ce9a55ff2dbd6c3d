import type pg from 'pg';
import type { KeyType } from '../../partition/key-type.ts';
import { KEY_TYPE_NAMES } from '../inspect/managed.ts';
import { ESTIMATES } from '../inspect/queries.ts';

/** A partition without partitions of its own. */
export interface Leaf {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly bounds: string;
}

/** A partitioned table that a statement names. */
export interface QueriedTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** The column, or the whole key as the catalog prints it where it is not one column. */
  readonly keyColumn: string;
  readonly keyTypeName: string;
  /** Null: not RANGE of one column of a type we know. */
  readonly keyType: KeyType | null;
  readonly leaves: readonly Leaf[];
}

interface Row {
  readonly root: number;
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly bounds: string | null;
  readonly key_column: string | null;
  readonly key_columns: number;
  readonly key_type: string | null;
  readonly strategy: 'r' | 'l' | 'h';
}

/**
 * The partitioned tables that this transaction has locked, which are those its statement names, whether any partition
 * of them is in the plan or not; and everything below them. Partitions whose detach is pending belong to no query.
 */
const QUERIED = `
  WITH RECURSIVE locked AS (
    SELECT DISTINCT c.oid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind = 'p'
  ), above(oid, ancestor) AS (
    SELECT i.inhrelid, i.inhparent FROM locked k JOIN pg_inherits i ON i.inhrelid = k.oid
    UNION ALL
    SELECT a.oid, i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.ancestor
  ), tree(root, oid) AS (
    SELECT k.oid, k.oid FROM locked k
    WHERE NOT EXISTS (SELECT 1 FROM above a JOIN locked o ON o.oid = a.ancestor WHERE a.oid = k.oid)
    UNION ALL
    SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid WHERE NOT i.inhdetachpending
  )
  SELECT t.root::int8::float8 AS root, c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
         pg_get_expr(c.relpartbound, 0) AS bounds, p.partstrat AS strategy, p.partnatts::int AS key_columns,
         a.attname AS key_column, format_type(a.atttypid, NULL) AS key_type
  FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_partitioned_table p ON p.partrelid = t.root
  LEFT JOIN pg_attribute a ON a.attrelid = t.root AND a.attnum = p.partattrs[0]
  ORDER BY pg_get_expr(c.relpartbound, 0) = 'DEFAULT', pg_get_expr(c.relpartbound, 0)`;

const STRATEGIES = { r: 'RANGE', l: 'LIST', h: 'HASH' } as const;

/** Reads within the transaction that has planned the statement. */
export async function queriedTables(client: pg.Client): Promise<QueriedTable[]> {
  const { rows } = await client.query<Row>(QUERIED);
  return rows
    .filter(({ root, oid }) => root === oid)
    .map((row): QueriedTable => {
      const simple = row.strategy === 'r' && row.key_columns === 1 && row.key_column !== null;
      return {
        oid: row.oid,
        schema: row.schema,
        name: row.name,
        keyColumn: row.key_column ?? 'an expression',
        keyTypeName: simple
          ? (row.key_type ?? '')
          : `${STRATEGIES[row.strategy]}, ${row.key_columns} columns`,
        keyType: simple ? (KEY_TYPE_NAMES[row.key_type ?? ''] ?? null) : null,
        leaves: rows
          .filter(({ root, kind }) => root === row.oid && kind !== 'p')
          .map(({ oid, schema, name, bounds }) => ({ oid, schema, name, bounds: bounds ?? '' })),
      };
    });
}

/** Bytes and rows of partitions by their oid, as last counted by VACUUM or ANALYZE. */
export async function estimatesOf(
  client: pg.Client,
  oids: readonly number[],
): Promise<ReadonlyMap<number, { readonly bytes: number; readonly rows: number | null }>> {
  const { rows } = await client.query<{ oid: number; bytes: number; rows: number | null }>(ESTIMATES, [oids]);
  return new Map(rows.map(({ oid, bytes, rows: count }) => [oid, { bytes, rows: count }]));
}

/** Those of the functions, as the plan prints their names, that are volatile in every form. */
export async function volatileFunctions(
  client: pg.Client,
  names: readonly string[],
  schemas: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT w.name FROM unnest($1::text[]) AS w(name)
     WHERE (SELECT bool_and(p.provolatile = 'v') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE p.proname = w.name AND n.nspname = ANY ($2::text[]) OR n.nspname || '.' || p.proname = w.name)`,
    [names, schemas],
  );
  return new Set(rows.map(({ name }) => name));
}
