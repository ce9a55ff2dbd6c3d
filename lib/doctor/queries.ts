import { quoteLiteral } from '../partition/identifiers.ts';
import { OFFSET_SQL } from '../partition/time-zone-sql.ts';
import { COMMENT_PREFIX } from '../sql/routine.ts';

/**
 * Reads of the catalog and of statistics, one for each subject, whatever the number of tables. None opens a relation
 * of the user's, and none waits behind a lock.
 */

/** Settings as a new session gets them: ours are pinned. */
export const SETTINGS = `
  SELECT name, reset_val AS value FROM pg_settings
  WHERE name IN ('max_connections', 'max_locks_per_transaction', 'max_prepared_transactions', 'enable_partition_pruning',
                 'autovacuum', 'track_counts', 'track_activities', 'default_transaction_read_only')`;

export const SESSION = `
  SELECT inet_client_addr() IS NULL OR inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1' AS local,
         (SELECT CASE WHEN s.ssl THEN s.version || ', ' || s.cipher END FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()) AS tls,
         pg_has_role('pg_read_all_stats', 'USAGE') AS sees_others`;

/** $1 oids of tables, $2 their names, for each oid: everything that belongs to them. */
const RELATIONS = `
  WITH RECURSIVE tree(name, oid) AS (
    SELECT w.name, w.oid FROM unnest($1::oid[], $2::text[]) AS w(oid, name)
    UNION ALL
    SELECT t.name, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
  ), held AS (
    SELECT l.pid, l.virtualtransaction, array_agg(DISTINCT t.name) AS tables
    FROM pg_locks l JOIN tree t ON t.oid = l.relation
    WHERE l.locktype = 'relation' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY 1, 2
  )`;

/** Sessions that hold locks on the tables, or a snapshot, in a transaction. */
export const transactions = (ofClient: string): string => `${RELATIONS}
  SELECT a.pid, nullif(a.application_name, '') AS application, a.usename AS user, a.state,
         nullif(nullif(a.query, '<insufficient privilege>'), '') AS query,
         extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS "ageSeconds",
         coalesce(h.tables, '{}') AS tables, a.backend_xmin IS NOT NULL AS snapshot
  FROM pg_stat_activity a LEFT JOIN held h ON h.pid = a.pid
  WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND ${ofClient}
    AND (h.tables IS NOT NULL OR a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
  ORDER BY a.xact_start`;

export const PREPARED = `${RELATIONS}
  SELECT p.gid, p.owner, extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS "ageSeconds", coalesce(h.tables, '{}') AS tables
  FROM pg_prepared_xacts p
  LEFT JOIN pg_locks own ON own.locktype = 'transactionid' AND own.pid IS NULL AND own.transactionid = p.transaction
  LEFT JOIN held h ON h.pid IS NULL AND h.virtualtransaction = own.virtualtransaction
  WHERE p.database = current_database() ORDER BY p.prepared`;

export const SLOTS = `
  SELECT slot_name AS name, active, xmin IS NOT NULL OR catalog_xmin IS NOT NULL AS "holdsRows",
         CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 END AS "keptBytes"
  FROM pg_replication_slots WHERE NOT temporary ORDER BY 1`;

/** $1 zones as PostgreSQL must be told them, $2 moments: minutes ahead of UTC; null where the server does not know the zone. */
export const ZONES = `
  SELECT s.position::int - 1 AS position,
         CASE WHEN n.name IS NOT NULL OR s.zone ~ '${OFFSET_SQL}' THEN extract(epoch FROM (s.instant AT TIME ZONE s.zone) - (s.instant AT TIME ZONE 'UTC'))::float8 / 60 END AS minutes
  FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS s(zone, instant, position)
  LEFT JOIN pg_timezone_names n ON lower(n.name) = lower(s.zone)
  ORDER BY 1`;

export const EVENT_TRIGGERS = `
  SELECT e.evtname AS name, e.evtevent AS event, n.nspname || '.' || p.proname AS function, e.evttags AS tags
  FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE e.evtenabled <> 'D' AND e.evtevent <> 'login' ORDER BY 1`;

/** $1 oids of tables. */
export const TABLES = `
  WITH RECURSIVE tree(top, oid) AS (
    SELECT u, u FROM unnest($1::oid[]) u
    UNION ALL
    SELECT t.top, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
  ), leaves AS (
    SELECT t.top, n.nspname AS schema, c.relname AS name, c.reltuples, c.reloptions,
           (SELECT count(*) FROM pg_index x WHERE x.indrelid = c.oid) AS indexes
    FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind <> 'p'
  )
  SELECT p.oid::int8::float8 AS oid, p.reltuples >= 0 AS analyzed,
         count(l.name)::int AS leaves, coalesce(sum(l.indexes), 0)::int AS "leafIndexes",
         (sum(l.reltuples) FILTER (WHERE l.reltuples >= 0))::float8 AS rows,
         coalesce(json_agg(json_build_array(l.schema, l.name) ORDER BY l.name) FILTER (
           WHERE EXISTS (SELECT 1 FROM unnest(l.reloptions) o WHERE o IN ('autovacuum_enabled=false', 'autovacuum_enabled=off', 'autovacuum_enabled=0', 'autovacuum_enabled=no'))), '[]') AS "withoutAutovacuum",
         EXISTS (SELECT 1 FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = p.oid AND k.confrelid = p.oid) AS "refersToItself"
  FROM unnest($1::oid[]) u JOIN pg_class p ON p.oid = u LEFT JOIN leaves l ON l.top = p.oid
  GROUP BY p.oid, p.reltuples`;

/** The functions that hold the config which `partition-keeper sql` was run with, in any schema. */
export const INSTALLATIONS = `
  SELECT n.nspname AS schema, pg_get_userbyid(p.proowner) AS owner, p.prosrc AS body
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.proname = 'managed_tables' AND p.pronargs = 0
    AND starts_with(obj_description(p.oid, 'pg_proc'), ${quoteLiteral(COMMENT_PREFIX)})
  ORDER BY 1`;

/** Where other tools keep what they manage, if they are here, and whether the role may read it, and all of it. */
export const OTHERS = `
  SELECT n.nspname AS schema, c.relname AS name,
         has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT') AS readable,
         row_security_active(c.oid) AS partial
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND (
    (c.relname = 'part_config' AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'parent_table'))
    OR (n.nspname = 'cron' AND c.relname = 'job')
    OR (n.nspname = '_timescaledb_catalog' AND c.relname = 'hypertable'))`;
