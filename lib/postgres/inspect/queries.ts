import { BOUNDARY, MIRROR } from '../../partition/names.ts';

/**
 * Set-based reads of the catalog: each runs once per inspection, whatever the number of tables. None calls a
 * function that opens a relation (`pg_get_expr` with an oid, the size functions, `pg_get_partkeydef`): those
 * wait behind ACCESS EXCLUSIVE locks. `pg_get_expr(relpartbound, 0)` prints the same and locks nothing.
 */

/** $1 schemas, $2 names: one row for each, in order, whether the table exists or not. */
export const PARENTS = `
  SELECT w.ord::int - 1 AS position, n.oid IS NOT NULL AS schema_exists, c.oid::int8::float8 AS oid,
         c.relkind AS kind, p.partstrat AS strategy, p.partnatts::int AS key_columns,
         a.attname AS key_column, format_type(a.atttypid, NULL) AS key_type,
         pg_get_userbyid(c.relowner) AS owner,
         pg_has_role(c.relowner, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS may_manage,
         pg_get_userbyid(c.relowner) = current_user AS is_owner,
         has_schema_privilege(c.relowner, n.oid, 'CREATE') AND has_schema_privilege(c.relowner, n.oid, 'USAGE') AS may_create,
         has_database_privilege(c.relowner, current_database(), 'TEMPORARY') AS may_create_temporary,
         d.description AS comment, t.spcname AS tablespace, c.relreplident AS replica_identity,
         CASE WHEN am.amname <> current_setting('default_table_access_method') THEN am.amname END AS access_method,
         c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
         EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '${MIRROR}') AS mirrored,
         EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.conname = '${BOUNDARY}') AS bounded,
         ARRAY(SELECT DISTINCT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee)::text END
               FROM pg_default_acl d, aclexplode(d.defaclacl) a
               WHERE d.defaclrole = c.relowner AND d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, n.oid)
                 AND a.grantee <> c.relowner) AS default_grantees
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)
  LEFT JOIN pg_namespace n ON n.nspname = w.schema
  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind NOT IN ('i', 'I', 't', 'S')
  LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
  LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
  ORDER BY w.ord`;

/** $1 oids of parents. */
export const PARTITIONS = `
  SELECT i.inhparent::int8::float8 AS parent, c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name,
         c.relkind AS kind, pg_get_expr(c.relpartbound, 0) AS bounds, i.inhdetachpending AS detach_pending,
         CASE WHEN NOT pg_has_role(p.relowner, c.relowner, 'USAGE') THEN pg_get_userbyid(c.relowner) END AS strange_owner,
         d.description AS comment, c.reloptions AS options, tc.reloptions AS toast_options,
         CASE WHEN am.amname <> current_setting('default_table_access_method') THEN am.amname END AS access_method
  FROM pg_inherits i
  JOIN pg_class p ON p.oid = i.inhparent
  JOIN pg_class c ON c.oid = i.inhrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class tc ON tc.oid = c.reltoastrelid
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
  WHERE i.inhparent = ANY ($1::oid[])`;

/** $1 oids of partitions and detached tables: bytes and rows as last counted by VACUUM or ANALYZE, leaves summed. */
export const ESTIMATES = `
  WITH RECURSIVE tree(top, oid) AS (
    SELECT u, u FROM unnest($1::oid[]) u
    UNION ALL
    SELECT t.top, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
  ), storage AS (
    SELECT t.top, c.oid, c.relpages, c.reltoastrelid, c.reltuples FROM tree t JOIN pg_class c ON c.oid = t.oid
  ), heaps AS (
    SELECT top, oid, relpages FROM storage
    UNION ALL
    SELECT s.top, tc.oid, tc.relpages FROM storage s JOIN pg_class tc ON tc.oid = s.reltoastrelid
  ), pages AS (
    SELECT top, relpages FROM heaps
    UNION ALL
    SELECT h.top, ic.relpages FROM heaps h JOIN pg_index x ON x.indrelid = h.oid JOIN pg_class ic ON ic.oid = x.indexrelid
  )
  SELECT p.top::int8::float8 AS oid, p.bytes, s.rows
  FROM (SELECT top, sum(relpages::float8) * current_setting('block_size')::int AS bytes FROM pages GROUP BY top) p
  JOIN (SELECT top, CASE WHEN NOT bool_and(reltuples < 0) THEN sum(greatest(reltuples, 0))::float8 END AS rows
        FROM storage GROUP BY top) s USING (top)`;

/** As ESTIMATES, but measured: waits behind ACCESS EXCLUSIVE locks. */
export const EXACT_SIZES = `
  WITH RECURSIVE tree(top, oid) AS (
    SELECT u, u FROM unnest($1::oid[]) u
    UNION ALL
    SELECT t.top, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
  )
  SELECT t.top::int8::float8 AS oid, sum(pg_total_relation_size(t.oid))::float8 AS bytes FROM tree t GROUP BY t.top`;

/** $1 oids of parents: indexes of a parent that a partition has no counterpart of. */
export const MISSING_INDEXES = `
  SELECT i.inhrelid::int8::float8 AS partition, px.relname AS index
  FROM pg_inherits i
  JOIN pg_class pc ON pc.oid = i.inhrelid AND pc.relkind IN ('r', 'p')
  JOIN pg_index p ON p.indrelid = i.inhparent
  JOIN pg_class px ON px.oid = p.indexrelid
  LEFT JOIN (SELECT ii.inhparent, x.indrelid FROM pg_inherits ii JOIN pg_index x ON x.indexrelid = ii.inhrelid) own
         ON own.inhparent = p.indexrelid AND own.indrelid = i.inhrelid
  WHERE i.inhparent = ANY ($1::oid[]) AND NOT i.inhdetachpending AND own.indrelid IS NULL
  ORDER BY px.relname`;

/** $1 oids of parents: indexes of their partitions that serve no query. */
export const INVALID_INDEXES = `
  SELECT i.inhrelid::int8::float8 AS partition, c.relname AS index
  FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid JOIN pg_class c ON c.oid = x.indexrelid
  WHERE i.inhparent = ANY ($1::oid[]) AND NOT x.indisvalid
  ORDER BY c.relname`;

/**
 * $1 oids of parents: their foreign keys, whether an index begins with the columns, and whether the owner may lock
 * the table they refer to. A key that refers to a partitioned table has a row for each partition of that besides.
 */
export const FOREIGN_KEYS = `
  SELECT k.conrelid::int8::float8 AS parent, k.conname AS name, r.oid::int8::float8 AS oid, n.nspname AS schema, r.relname AS referenced,
         EXISTS (SELECT 1 FROM pg_index x
                 WHERE x.indrelid = k.conrelid
                   AND (string_to_array(x.indkey::text, ' ')::int2[])[1:cardinality(k.conkey)] @> k.conkey) AS indexed,
         has_schema_privilege(p.relowner, n.oid, 'USAGE') AND has_table_privilege(p.relowner, r.oid,
           CASE WHEN current_setting('server_version_num')::int >= 170000 THEN 'UPDATE, DELETE, TRUNCATE, MAINTAIN' ELSE 'UPDATE, DELETE, TRUNCATE' END) AS lockable
  FROM pg_constraint k JOIN pg_class p ON p.oid = k.conrelid
  JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
  WHERE k.contype = 'f' AND k.conrelid = ANY ($1::oid[])
    AND NOT EXISTS (SELECT 1 FROM pg_constraint whole WHERE whole.oid = k.conparentid AND whole.conrelid = k.conrelid)
  ORDER BY k.conname`;

/** $1 oids of parents: foreign keys of other tables that point at a partition, directly or through the parent. */
export const REFERENCES = `
  SELECT i.inhrelid::int8::float8 AS partition, n.nspname AS schema, c.relname AS name,
         bool_or(k.confdeltype IN ('c', 'n', 'd')) AS cascades
  FROM pg_inherits i
  JOIN pg_constraint k ON k.contype = 'f' AND k.confrelid = i.inhrelid
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE i.inhparent = ANY ($1::oid[])
  GROUP BY 1, 2, 3
  ORDER BY 2, 3`;

/** $1 what our markers begin with: tables that are attached to nothing and carry one. */
export const DETACHED = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
         pg_get_userbyid(c.relowner) AS owner, d.description AS comment
  FROM pg_description d
  JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE starts_with(d.description, $1) AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition`;

/** $1 schemas, $2 names: the partitioned tables that are called so. */
export const PARTITIONED_BY_NAME = `
  SELECT w.ord::int - 1 AS position, c.oid::int8::float8 AS oid
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)
  JOIN pg_namespace n ON n.nspname = w.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind = 'p'`;

/**
 * $1 oids of parents: names in the parent's schema of the form our partitions have. The range, from the first digit to
 * what follows the last, is what an index can find; without it, all relations would be looked at for each parent.
 */
export const TAKEN_NAMES = `
  SELECT p.oid::int8::float8 AS parent, c.oid::int8::float8 AS oid, c.relname AS name,
         EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid AND i.inhparent = p.oid) AS own
  FROM pg_class p
  JOIN pg_class c ON c.relnamespace = p.relnamespace
                 AND c.relname >= (p.relname || '_0')::name AND c.relname < (p.relname || '_:')::name
                 AND substr(c.relname, length(p.relname) + 1) ~ '^_[0-9]{4}(_[0-9qw_]+)?$'
  WHERE p.oid = ANY ($1::oid[])`;

/** $1 oids of parents: privileges on the table (column null) and on columns, without the owner's own. */
export const GRANTS = `
  SELECT g.relid::int8::float8 AS parent, g.col AS column, g.privilege_type AS privilege, g.is_grantable AS grantable,
         CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END AS grantee
  FROM (
    SELECT c.oid AS relid, c.relowner, NULL::name AS col, (aclexplode(c.relacl)).* FROM pg_class c WHERE c.oid = ANY ($1::oid[])
    UNION ALL
    SELECT c.oid, c.relowner, a.attname, (aclexplode(a.attacl)).*
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.oid = ANY ($1::oid[])
  ) g
  WHERE g.grantee <> g.relowner
  ORDER BY 2 NULLS FIRST, 5 NULLS FIRST, 3`;

/** $1 oids of parents. */
export const COLUMNS = `
  SELECT a.attrelid::int8::float8 AS parent, a.attname AS name, a.attgenerated <> '' AS generated,
         CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::int END AS statistics
  FROM pg_attribute a
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attnum`;
