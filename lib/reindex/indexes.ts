import type pg from 'pg';
import { REINDEX_PREFIX } from './marker.ts';
import type { LeafIndex, MarkedIndex } from './model.ts';

/**
 * $1 oid of a partitioned table: the indexes of all its leaves, without a function that opens a relation. Two indexes
 * of a table have the same definition when they have the same columns, expressions, order and condition.
 */
const INDEXES = `
  WITH RECURSIVE leaves(top, oid) AS (
    SELECT i.inhrelid, i.inhrelid FROM pg_inherits i WHERE i.inhparent = $1
    UNION ALL
    SELECT l.top, i.inhrelid FROM leaves l JOIN pg_inherits i ON i.inhparent = l.oid
  ), parts(root, oid) AS (
    SELECT x.indexrelid, x.indexrelid FROM pg_index x WHERE x.indrelid = $1
    UNION ALL
    SELECT p.root, i.inhrelid FROM parts p JOIN pg_inherits i ON i.inhparent = p.oid
  )
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name,
         t.oid::int8::float8 AS table_oid, tn.nspname AS table_schema, t.relname AS table_name,
         l.top::int8::float8 AS partition_oid, rn.nspname AS parent_schema, r.relname AS parent_name,
         x.indisvalid AS valid, x.indisexclusion AS exclusion,
         c.relispartition OR EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid) AS in_use,
         md5(concat_ws(' ', c.relam, c.reloptions, x.indkey, x.indnkeyatts, x.indisunique, x.indclass, x.indcollation,
                       x.indoption, coalesce(x.indexprs::text, '-'), coalesce(x.indpred::text, '-'), to_jsonb(x) ->> 'indnullsnotdistinct')) AS definition,
         c.relpages::float8 * current_setting('block_size')::int AS bytes,
         CASE WHEN t.reltuples >= 0 THEN t.reltuples::float8 END AS rows,
         d.description AS comment
  FROM leaves l
  JOIN pg_class t ON t.oid = l.oid AND t.relkind = 'r' JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_index x ON x.indrelid = t.oid
  JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN parts p ON p.oid = c.oid
  LEFT JOIN pg_class r ON r.oid = p.root LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
  ORDER BY c.oid`;

interface IndexRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly table_oid: number;
  readonly table_schema: string;
  readonly table_name: string;
  readonly partition_oid: number;
  readonly parent_schema: string | null;
  readonly parent_name: string | null;
  readonly valid: boolean;
  readonly exclusion: boolean;
  readonly in_use: boolean;
  readonly definition: string;
  readonly bytes: number;
  readonly rows: number | null;
  readonly comment: string | null;
}

/** The indexes of all partitions of a table. Waits for no lock. */
export async function readIndexes(client: pg.Client, tableOid: number): Promise<LeafIndex[]> {
  const { rows } = await client.query<IndexRow>(INDEXES, [tableOid]);
  return rows.map((row) => ({
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    table: { oid: row.table_oid, schema: row.table_schema, name: row.table_name },
    partitionOid: row.partition_oid,
    parent:
      row.parent_schema === null || row.parent_name === null
        ? null
        : { schema: row.parent_schema, name: row.parent_name },
    valid: row.valid,
    exclusion: row.exclusion,
    inUse: row.in_use,
    definition: row.definition,
    bytes: row.bytes,
    rows: row.rows,
    comment: row.comment,
  }));
}

/**
 * $1 the oid of a partitioned table, $2 what our comments begin with: indexes whose comment is a marker of that table's
 * run, or of one of a table that is not there. A marker begins with the oid of its table. Anybody may write one on an
 * index of his own, so only those count that the table's owner may comment on.
 */
const MARKED = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name,
         t.oid::int8::float8 AS table_oid, tn.nspname AS table_schema, t.relname AS table_name, d.description AS comment
  FROM pg_description d
  JOIN pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_index x ON x.indexrelid = c.oid
  JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_class own ON own.oid = $1 AND pg_has_role(own.relowner, c.relowner, 'USAGE')
  WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0 AND starts_with(d.description, $2)
    AND (starts_with(d.description, $2 || '{"tableOid":' || $1::oid || ',') OR NOT EXISTS (
      SELECT FROM pg_class p WHERE p.relkind = 'p' AND starts_with(d.description, $2 || '{"tableOid":' || p.oid || ',')))
  ORDER BY c.oid`;

/** What bears a marker that is this table's or nobody's, also where it is no partition of it any more. */
export async function readMarked(client: pg.Client, tableOid: number): Promise<MarkedIndex[]> {
  const { rows } = await client.query<
    Pick<IndexRow, 'oid' | 'schema' | 'name' | 'table_oid' | 'table_schema' | 'table_name' | 'comment'>
  >(MARKED, [tableOid, REINDEX_PREFIX]);
  return rows.map(({ oid, schema, name, table_oid, table_schema, table_name, comment }) => ({
    oid,
    schema,
    name,
    table: { oid: table_oid, schema: table_schema, name: table_name },
    comment,
  }));
}
