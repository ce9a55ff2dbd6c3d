/** Queries of `describeTable`, each for the relation whose oid is $1. Nothing in what they return is an oid. */

/** SQL of an access list as `who: what` with the grantor, in order; NULL stands for what the owner has by itself. */
const grants = (acl: string, kind: string, owner: string): string => `
  (SELECT coalesce(json_agg(g.line ORDER BY g.line), '[]') FROM (
     SELECT concat(coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), ': ', a.privilege_type,
       CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END, ' by ', a.grantor::regrole) AS line
     FROM aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) AS a) AS g)`;

export const TABLE = `
  SELECT c.relkind = 'p' AS partitioned, pg_get_userbyid(c.relowner) AS owner, obj_description(c.oid, 'pg_class') AS comment,
    c.relrowsecurity AS row_security, c.relforcerowsecurity AS row_security_forced, ${grants('c.relacl', 'r', 'c.relowner')} AS grants,
    c.relpersistence AS persistence, pg_get_partkeydef(c.oid) AS partition_key
  FROM pg_class AS c WHERE c.oid = $1`;

export const COLUMNS = `
  SELECT a.attname AS name, json_build_object(
    'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull,
    'collation', (SELECT l.collname FROM pg_collation AS l WHERE l.oid = a.attcollation),
    'default', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity, 'generated', a.attgenerated,
    'comment', col_description(a.attrelid, a.attnum), 'statistics', nullif(a.attstattarget, -1), 'options', a.attoptions,
    'storage', a.attstorage, 'compression', a.attcompression,
    'grants', CASE WHEN a.attacl IS NULL THEN '[]' ELSE ${grants('a.attacl', 'c', 'c.relowner')} END) AS is
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

/** The sequence of a column, with the column; what it will give next is looked up in it. */
export const SEQUENCES = `
  SELECT a.attname AS name, s.oid::regclass::text AS sequence, d.deptype = 'i' AS identity, json_build_object(
    'name', s.relname, 'type', format_type(q.seqtypid, NULL), 'start', q.seqstart, 'increment', q.seqincrement,
    'minimum', q.seqmin, 'maximum', q.seqmax, 'cache', q.seqcache, 'cycles', q.seqcycle, 'owner', pg_get_userbyid(s.relowner),
    'comment', obj_description(s.oid, 'pg_class'), 'grants', ${grants('s.relacl', 's', 's.relowner')}) AS is
  FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_sequence AS q ON q.seqrelid = s.oid
    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype IN ('a', 'i')`;

export const INDEXES = `
  SELECT c.relname AS name, i.indisunique AS is_key, json_build_object(
    'definition', pg_get_indexdef(c.oid), 'valid', i.indisvalid, 'comment', obj_description(c.oid, 'pg_class'), 'options', c.reloptions,
    'owner', pg_get_userbyid(c.relowner), 'statistics', (SELECT json_object_agg(a.attnum, a.attstattarget ORDER BY a.attnum)
       FROM pg_attribute AS a WHERE a.attrelid = c.oid AND nullif(a.attstattarget, -1) IS NOT NULL)) AS is,
    json_build_object('columns', (SELECT json_agg(pg_get_indexdef(c.oid, n, true) ORDER BY n) FROM generate_series(1, i.indnkeyatts) AS n),
      'primary', i.indisprimary, 'constraint', (SELECT k.contype FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.conrelid = $1 AND k.contype IN ('p', 'u', 'x')),
      'deferrable', NOT i.indimmediate, 'valid', i.indisvalid, 'where', pg_get_expr(i.indpred, i.indrelid), 'comment', obj_description(c.oid, 'pg_class')) AS key
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = $1`;

/** Without those of keys, and without the NOT NULLs that PostgreSQL 18 keeps as constraints. */
export const CONSTRAINTS = `
  SELECT k.conname AS name, json_build_object('definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated,
    'deferrable', k.condeferrable, 'deferred', k.condeferred, 'noInherit', k.connoinherit AND k.contype = 'c',
    'comment', obj_description(k.oid, 'pg_constraint')) AS is
  FROM pg_constraint AS k WHERE k.conrelid = $1 AND k.conparentid = 0 AND k.contype IN ('c', 'f', 'x')`;

export const INCOMING = `
  SELECT k.conrelid::regclass || ' ' || k.conname AS name, pg_get_constraintdef(k.oid) AS is
  FROM pg_constraint AS k WHERE k.confrelid = $1 AND k.conparentid = 0`;

export const TRIGGERS = `
  SELECT t.tgname AS name, json_build_object('definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled,
    'comment', obj_description(t.oid, 'pg_trigger')) AS is
  FROM pg_trigger AS t WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgparentid = 0`;

export const POLICIES = `
  SELECT p.polname AS name, json_build_object('command', p.polcmd, 'permissive', p.polpermissive,
    'roles', (SELECT json_agg(coalesce(nullif(r, 0)::regrole::text, 'PUBLIC') ORDER BY 1) FROM unnest(p.polroles) AS r),
    'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
    'comment', obj_description(p.oid, 'pg_policy')) AS is
  FROM pg_policy AS p WHERE p.polrelid = $1`;

export const RULES = `
  SELECT r.rulename AS name, json_build_object('definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled) AS is
  FROM pg_rewrite AS r WHERE r.ev_class = $1`;

/** @param version of the server: filters and lists of columns came with 15 */
export const publications = (version: number): string => `
  SELECT p.pubname AS name, json_build_object('viaRoot', p.pubviaroot, 'all', p.puballtables, 'named', r.oid IS NOT NULL
    ${
      version < 15
        ? ''
        : `, 'columns', (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
             WHERE a.attrelid = $1 AND a.attnum = ANY (r.prattrs)),
           'filter', pg_get_expr(r.prqual, r.prrelid)`
    }) AS is
  FROM pg_publication AS p LEFT JOIN pg_publication_rel AS r ON r.prpubid = p.oid AND r.prrelid = $1
  WHERE r.oid IS NOT NULL OR p.puballtables`;

/** From 17 on, a target that was never set is NULL instead of -1. */
export const STATISTICS = `
  SELECT s.stxname AS name, json_build_object('definition', pg_get_statisticsobjdef(s.oid), 'target', nullif(to_jsonb(s)->>'stxstattarget', '-1'),
    'owner', pg_get_userbyid(s.stxowner), 'comment', obj_description(s.oid, 'pg_statistic_ext')) AS is
  FROM pg_statistic_ext AS s WHERE s.stxrelid = $1`;

/** What lives on the relations that hold rows: the table itself, or its partitions. An index counts by its name on the table. */
export const STORAGE = `
  WITH RECURSIVE leaf AS (
    SELECT c.oid, c.relkind FROM pg_class AS c WHERE c.oid = $1
    UNION ALL SELECT c.oid, c.relkind FROM leaf JOIN pg_inherits AS i ON i.inhparent = leaf.oid JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE leaf.relkind = 'p')
  SELECT c.relname AS relation, json_build_object('options', c.reloptions, 'toastOptions', t.reloptions, 'persistence', c.relpersistence,
    'tablespace', (SELECT s.spcname FROM pg_tablespace AS s WHERE s.oid = c.reltablespace), 'replicaIdentity', c.relreplident,
    'replicaIndex', (SELECT coalesce(r.relname, x.relname) FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
       LEFT JOIN pg_inherits AS h ON h.inhrelid = x.oid LEFT JOIN pg_class AS r ON r.oid = h.inhparent WHERE i.indrelid = c.oid AND i.indisreplident),
    'clusteredOn', (SELECT coalesce(r.relname, x.relname) FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
       LEFT JOIN pg_inherits AS h ON h.inhrelid = x.oid LEFT JOIN pg_class AS r ON r.oid = h.inhparent WHERE i.indrelid = c.oid AND i.indisclustered),
    'owner', pg_get_userbyid(c.relowner)) AS is
  FROM leaf JOIN pg_class AS c ON c.oid = leaf.oid LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
  WHERE c.relkind <> 'p' ORDER BY c.relname`;

export const CHILDREN = `
  SELECT i.inhrelid::regclass::text AS name, true AS is FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
  WHERE i.inhparent = $1 AND c.relkind <> 'p'`;

/** Relations, by themselves or by their row types, that an object's pg_depend entries name. */
const reads = (catalog: string, oids: string): string => `
  (SELECT json_agg(DISTINCT x.name) FROM (
     SELECT coalesce(r.oid, t.typrelid)::regclass::text AS name FROM pg_depend AS d
       LEFT JOIN pg_class AS r ON d.refclassid = 'pg_class'::regclass AND r.oid = d.refobjid
       LEFT JOIN pg_type AS t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid AND t.typrelid <> 0
     WHERE d.classid = '${catalog}'::regclass AND d.objid IN (${oids}) AND d.deptype = 'n' AND coalesce(r.oid, t.typrelid) IS NOT NULL) AS x)`;

/** Views that read the relation, also by other views. */
export const VIEWS = `
  WITH RECURSIVE reader AS (
    SELECT $1::oid AS oid
    UNION SELECT w.ev_class FROM reader JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = reader.oid
      JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid JOIN pg_class AS v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm'))
  SELECT v.oid::regclass::text AS name, json_build_object('kind', v.relkind, 'definition', pg_get_viewdef(v.oid), 'options', v.reloptions,
    'owner', pg_get_userbyid(v.relowner), 'grants', ${grants('v.relacl', 'r', 'v.relowner')}, 'comment', obj_description(v.oid, 'pg_class'),
    'columns', (SELECT json_agg(json_build_array(a.attname, pg_get_expr(f.adbin, f.adrelid), col_description(v.oid, a.attnum),
         CASE WHEN a.attacl IS NULL THEN '[]' ELSE ${grants('a.attacl', 'c', 'v.relowner')} END) ORDER BY a.attnum)
       FROM pg_attribute AS a LEFT JOIN pg_attrdef AS f ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE a.attrelid = v.oid AND a.attnum > 0),
    'indexes', (SELECT json_agg(pg_get_indexdef(i.indexrelid) ORDER BY 1) FROM pg_index AS i WHERE i.indrelid = v.oid),
    'triggers', (SELECT json_agg(pg_get_triggerdef(t.oid) ORDER BY t.tgname) FROM pg_trigger AS t WHERE t.tgrelid = v.oid AND NOT t.tgisinternal),
    'reads', ${reads('pg_rewrite', 'SELECT w.oid FROM pg_rewrite AS w WHERE w.ev_class = v.oid')}) AS is
  FROM reader JOIN pg_class AS v ON v.oid = reader.oid WHERE v.oid <> $1`;

/** Functions whose body or result the server knows to be of the relation. */
export const FUNCTIONS = `
  SELECT p.oid::regprocedure::text AS name, json_build_object('definition', pg_get_functiondef(p.oid), 'owner', pg_get_userbyid(p.proowner),
    'grants', ${grants('p.proacl', 'f', 'p.proowner')}, 'comment', obj_description(p.oid, 'pg_proc'), 'reads', ${reads('pg_proc', 'p.oid')}) AS is
  FROM pg_proc AS p WHERE p.prokind <> 'a' AND EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
      OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT t.oid FROM pg_type AS t WHERE t.typrelid = $1
           UNION SELECT t.typarray FROM pg_type AS t WHERE t.typrelid = $1)))`;
