import { quoteLiteral } from '../../partition/identifiers.ts';
import { MIRROR } from '../../partition/names.ts';
import { TRUNCATE } from '../names.ts';
import { callFrom, ownerMayPublish, publish, putAside, referTo, replaceAs, storeIn } from './rights.ts';

/** Reads of the catalog about one table, $1 its oid. Our own triggers are not among its triggers. */

export const RELATION = `
  SELECT c.relkind AS kind, c.relpersistence AS persistence, c.relname AS name, c.reloptions AS options, tc.reloptions AS toast_options,
         CASE WHEN am.amname <> current_setting('default_table_access_method') THEN am.amname END AS access_method,
         (SELECT coalesce(json_agg(r), '[]') FROM (
            SELECT i.inhparent::regclass::text AS name, CASE WHEN c.relispartition THEN format('ALTER TABLE %s DETACH PARTITION %s;', i.inhparent::regclass, c.oid::regclass)
                   ELSE format('ALTER TABLE %s NO INHERIT %s;', c.oid::regclass, i.inhparent::regclass) END AS parting FROM pg_inherits i WHERE i.inhrelid = c.oid
            UNION ALL SELECT i.inhrelid::regclass::text, format('ALTER TABLE %s NO INHERIT %s;', i.inhrelid::regclass, c.oid::regclass) FROM pg_inherits i WHERE i.inhparent = c.oid AND c.relkind <> 'p'
            UNION ALL SELECT c.reloftype::regtype::text, format('ALTER TABLE %s NOT OF;', c.oid::regclass) WHERE c.reloftype <> 0) r) AS relatives,
         sizes.heap_bytes, sizes.bytes,
         CASE WHEN c.reltuples >= 0 THEN c.reltuples::float8 END AS rows, ${putAside('c.relowner')} AS wanting_temporary
  FROM pg_class c LEFT JOIN pg_class tc ON tc.oid = c.reltoastrelid LEFT JOIN pg_am am ON am.oid = c.relam,
       LATERAL (SELECT sum(pg_table_size(t.oid))::float8 AS heap_bytes, sum(pg_total_relation_size(t.oid))::float8 AS bytes
                FROM (SELECT c.oid UNION SELECT p.relid::oid FROM pg_partition_tree(c.oid) p) t) AS sizes
  WHERE c.oid = $1`;

/** Whether who asks sees every row: row security may hide some, also from the owner. */
export const SEES_ALL = `
  SELECT has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid) AS all
  FROM pg_class c WHERE c.oid = $1`;

export const COLUMNS = `
  SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, format_type(a.atttypid, NULL) AS bare_type, a.attnotnull AS not_null, a.atthasdef AS has_default,
         CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END AS identity, a.attgenerated <> '' AS generated,
         coalesce(a.attoptions, '{}') AS options
  FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

/** The server prints definitions without the tablespace, whose place is before the condition. Columns that older servers lack are read by way of JSON. */
export const INDEXES = `
  SELECT i.oid::int8::float8 AS oid, n.nspname AS schema, i.relname AS name, x.indisunique AS unique, x.indisvalid AS valid,
         CASE WHEN s.oid IS NULL THEN d.text ELSE left(d.text, length(d.text) - length(d.condition)) || ' TABLESPACE ' || quote_ident(s.spcname) || d.condition END AS definition,
         CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' END AS constraint,
         CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS deferral,
         coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false) AS period,
         CASE WHEN (to_jsonb(x) ->> 'indnullsnotdistinct')::boolean THEN ' NULLS NOT DISTINCT' ELSE '' END AS nulls,
         coalesce(i.reloptions, '{}') AS storage, s.spcname AS tablespace,
         ARRAY(SELECT a.attname::text FROM generate_series(0, x.indnkeyatts - 1) AS p LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[p] AND a.attnum > 0 ORDER BY p) AS columns,
         ARRAY(SELECT a.attname::text FROM generate_series(x.indnkeyatts, x.indnatts - 1) AS p JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[p] ORDER BY p) AS included,
         (SELECT coalesce(json_agg(json_build_object('column', a.attnum, 'target', a.attstattarget) ORDER BY a.attnum), '[]') FROM pg_attribute a WHERE a.attrelid = i.oid AND a.attstattarget >= 0) AS statistics,
         x.indisreplident AS replica_identity, coalesce(obj_description(k.oid, 'pg_constraint'), obj_description(i.oid, 'pg_class')) AS comment,
         ARRAY(SELECT DISTINCT CASE WHEN r.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid) ELSE pg_describe_object('pg_class'::regclass, r.ev_class, 0) END
               FROM pg_depend d LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
               WHERE d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid AND d.deptype = 'n' ORDER BY 1) AS dependents,
         ${storeIn('c.relowner', 's.oid')} AS wanting
  FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u')
  LEFT JOIN pg_tablespace s ON s.oid = i.reltablespace
  CROSS JOIN LATERAL (SELECT
    substr(pg_get_indexdef(i.oid), length('CREATE INDEX ' || CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END || quote_ident(i.relname) || ' ON '
      || CASE WHEN c.relkind = 'p' THEN 'ONLY ' ELSE '' END || quote_ident(n.nspname) || '.' || quote_ident(c.relname)) + 2) AS text,
    coalesce(' WHERE ' || pg_get_expr(x.indpred, x.indrelid), '') AS condition) AS d
  WHERE x.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint e WHERE e.conindid = i.oid AND e.conrelid = c.oid AND e.contype = 'x')
  ORDER BY x.indisprimary DESC, i.relname`;

export const CONSTRAINTS = `
  SELECT k.conname AS name, CASE k.contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclusion' ELSE 'not null' END AS kind,
         pg_get_constraintdef(k.oid) AS definition, k.convalidated AS validated, NOT k.connoinherit AS inherited,
         coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true) AS enforced,
         CASE WHEN k.contype = 'f' THEN k.confrelid::regclass::text END AS references, obj_description(k.oid, 'pg_constraint') AS comment,
         CASE WHEN k.contype = 'f' THEN ${referTo('c.relowner', 'r.oid', 'r.relnamespace', 'k.confkey')} END AS wanting
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_class r ON r.oid = k.confrelid
  WHERE k.conrelid = $1 AND k.contype IN ('c', 'f', 'x', 'n') AND k.conparentid = 0
  ORDER BY k.conname`;

export const TRIGGERS = `
  SELECT t.tgname AS name, pg_get_triggerdef(t.oid) AS definition,
         CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' END AS mode,
         t.tgtype & 1 = 1 AS for_each_row, t.tgtype & 7 = 7 AS before_insert, t.tgnewtable IS NOT NULL OR t.tgoldtable IS NOT NULL AS transition_tables,
         obj_description(t.oid, 'pg_trigger') AS comment, ${callFrom('c.relowner', 'f.oid', 'f.pronamespace')} AS wanting
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
  WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgname NOT IN ('${MIRROR}', '${TRUNCATE}') ORDER BY t.tgname`;

export const STATISTICS = `
  SELECT n.nspname AS schema, s.stxname AS name, pg_get_statisticsobjdef_columns(s.oid) AS columns,
         ARRAY(SELECT CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' WHEN 'm' THEN 'mcv' END
               FROM unnest(s.stxkind::text[]) AS k WHERE k IN ('d', 'f', 'm')) AS kinds,
         CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget::int END AS target, obj_description(s.oid, 'pg_statistic_ext') AS comment
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1 ORDER BY s.stxname`;

export const SEQUENCES = `
  SELECT s.oid::int8::float8 AS oid, n.nspname AS schema, s.relname AS name, a.attname AS column, d.deptype = 'i' AS identity,
         format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s', q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
           CASE WHEN q.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END) AS options, q.seqcache::text AS cache,
         coalesce((SELECT json_agg(json_build_object('grantee', CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END, 'privilege', g.privilege_type, 'grantable', g.is_grantable))
          FROM aclexplode(s.relacl) g WHERE g.grantee <> s.relowner), '[]') AS grants
  FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
  JOIN pg_sequence q ON q.seqrelid = s.oid JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype IN ('a', 'i')
  ORDER BY s.relname`;

/** Views in the order in which they were made; a view that reads another is not among them, and stays as it is. */
export const VIEWS = `
  SELECT DISTINCT v.oid::int8::float8 AS oid, v.relkind AS kind, n.nspname AS schema, v.relname AS name, pg_get_userbyid(v.relowner) AS owner,
         ${replaceAs('v.relowner', 'n.oid')} AS wanting,
         r.rulename AS rule, pg_get_viewdef(v.oid) AS query, v.reloptions AS options,
         ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = v.oid AND a.attnum > 0 ORDER BY a.attnum) AS columns
  FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace n ON n.oid = v.relnamespace
  WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND v.oid <> $1
  ORDER BY 1`;

export const FUNCTIONS = `
  SELECT DISTINCT p.oid::int8::float8 AS oid, p.oid::regprocedure::text AS name, pg_get_userbyid(p.proowner) AS owner,
         ${replaceAs('p.proowner', 'p.pronamespace')} AS wanting,
         pg_get_functiondef(p.oid) AS statement
  FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
  WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND p.prokind IN ('f', 'p')
  ORDER BY 1`;

/** What follows the old table about and cannot be made to read the new one: rules, policies of others, uses of the row type. */
export const OTHERS = `
  SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) AS name
  FROM pg_depend d
  WHERE (d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'n'
         AND d.classid NOT IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_publication_rel'::regclass, 'pg_attrdef'::regclass, 'pg_class'::regclass)
         AND NOT (d.classid = 'pg_policy'::regclass AND EXISTS (SELECT FROM pg_policy p WHERE p.oid = d.objid AND p.polrelid = $1)))
     OR (d.refclassid = 'pg_type'::regclass AND d.deptype = 'n'
         AND d.refobjid IN (SELECT t.oid FROM pg_type t WHERE t.typrelid = $1 UNION SELECT t.typarray FROM pg_type t WHERE t.typrelid = $1))
     OR (d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'i'
         AND EXISTS (SELECT FROM pg_rewrite r WHERE r.oid = d.objid AND r.ev_class = $1))
     OR (d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'a'
         AND EXISTS (SELECT FROM pg_rewrite r WHERE r.oid = d.objid AND r.ev_class = $1))
  ORDER BY 1`;

/** Column lists and conditions came with PostgreSQL 15. */
const PUBLISHED = `coalesce((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')' FROM pg_attribute a
                   WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])), '')
         || coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '')`;

const PUBLISHED_COLUMNS = `CASE WHEN r.prattrs IS NOT NULL AND (p.pubupdate OR p.pubdelete)
                   THEN ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[]) ORDER BY a.attnum) END`;

export const publications = (serverVersion: number): string => `
  SELECT p.pubname AS name, p.pubviaroot AS via_root, ${ownerMayPublish('c.relowner', 'p.pubowner')} AS as_owner, ${publish('c.relowner', 'p.pubowner')} AS wanting,
         ${serverVersion >= 150_000 ? PUBLISHED : "''"} AS details, ${serverVersion >= 150_000 ? PUBLISHED_COLUMNS : 'NULL::text[]'} AS columns
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid
  WHERE r.prrelid = $1 ORDER BY p.pubname`;

/** Publications of all tables, and of all of its schema: what is made beside the table is published as well. */
export const wholePublications = (serverVersion: number): string => `
  SELECT p.pubname AS name, p.pubviaroot AS via_root FROM pg_publication p WHERE p.puballtables${
    serverVersion >= 150_000
      ? ' OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = (SELECT c.relnamespace FROM pg_class c WHERE c.oid = $1))'
      : ' AND $1::oid IS NOT NULL'
  } ORDER BY 1`;

/** Foreign keys that refer to the table, or to a partition of it alone. */
export const REFERENCED_BY = `
  SELECT DISTINCT k.conrelid::regclass::text || ' (' || quote_ident(k.conname) || ')' AS name
  FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0
    AND k.confrelid IN (SELECT $1::oid UNION SELECT p.relid::oid FROM pg_partition_tree($1::oid) p) ORDER BY 1`;

export const POLICIES = `
  SELECT p.polname AS name, obj_description(p.oid, 'pg_policy') AS comment,
         replace(format('AS %s FOR %s TO %s', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) AS r))
           || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
           || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''), quote_ident(c.relname) || '.', '{table}.') AS definition
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE p.polrelid = $1 ORDER BY 1`;

export const TAKEN = `
  SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = (SELECT o.relnamespace FROM pg_class o WHERE o.oid = $1)
  UNION SELECT t.typname FROM pg_type t WHERE t.typnamespace = (SELECT o.relnamespace FROM pg_class o WHERE o.oid = $1)`;

/** What a conversion itself adds to the table, by its name. */
const OURS = `(name LIKE 'partition\\_keeper\\_%' OR name LIKE '%\\_partition\\_keeper')`;

/**
 * Everything of a table that one to replace it is given, as one digest. Left out is what the conversion itself does to
 * it: helpers by their names, and whether the partition key may be null.
 */
export const fingerprintSql = (oid: number, keyColumn: string): string => {
  const key = quoteLiteral(keyColumn);
  return `pg_catalog.md5(COALESCE((SELECT pg_catalog.string_agg(part, E'\\n' ORDER BY part) FROM (
    SELECT pg_catalog.concat_ws('|', 'column', a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull OR a.attname = ${key}, a.attidentity, a.attgenerated, a.attacl, a.attcollation, a.attstorage,
             pg_catalog.pg_get_expr(f.adbin, f.adrelid), pg_catalog.col_description(a.attrelid, a.attnum)) AS part
    FROM pg_catalog.pg_attribute AS a LEFT JOIN pg_catalog.pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT pg_catalog.concat_ws('|', 'table', c.relname, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, pg_catalog.obj_description(c.oid, 'pg_class')) FROM pg_catalog.pg_class AS c WHERE c.oid = ${oid}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'constraint', k.name, pg_catalog.pg_get_constraintdef(k.oid)) FROM (SELECT k.oid, k.conname AS name FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = ${oid} AND k.contype <> 'n') AS k WHERE NOT ${OURS}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'index', x.name, pg_catalog.pg_get_indexdef(x.oid)) FROM (SELECT i.oid, i.relname AS name FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = ${oid}) AS x WHERE NOT ${OURS}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'trigger', t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid)) FROM (SELECT t.oid, t.tgenabled, t.tgname AS name FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = ${oid} AND NOT t.tgisinternal) AS t WHERE NOT ${OURS}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'policy', p.polname, p.polpermissive, p.polcmd, p.polroles, pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_catalog.pg_policy AS p WHERE p.polrelid = ${oid}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'statistics', s.stxname, pg_catalog.pg_get_statisticsobjdef_columns(s.oid)) FROM pg_catalog.pg_statistic_ext AS s WHERE s.stxrelid = ${oid}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'view', r.ev_class, pg_catalog.pg_get_ruledef(r.oid)) FROM pg_catalog.pg_rewrite AS r WHERE r.oid IN (SELECT d.objid FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ${oid})
    UNION ALL SELECT pg_catalog.concat_ws('|', 'function', p.oid, pg_catalog.pg_get_functiondef(p.oid)) FROM pg_catalog.pg_proc AS p WHERE p.prokind IN ('f', 'p') AND p.oid IN (SELECT d.objid FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ${oid})
    UNION ALL SELECT pg_catalog.concat_ws('|', 'publication', r.prpubid, pg_catalog.to_jsonb(r) ->> 'prattrs', pg_catalog.to_jsonb(r) ->> 'prqual') FROM pg_catalog.pg_publication_rel AS r WHERE r.prrelid = ${oid}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'reference', k.conrelid, k.conname) FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f' AND k.confrelid = ${oid}
    UNION ALL SELECT pg_catalog.concat_ws('|', 'child', i.inhrelid, i.inhparent) FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = ${oid} OR i.inhparent = ${oid} AND NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table AS p WHERE p.partrelid = ${oid})
  ) AS parts), ''))`;
};
