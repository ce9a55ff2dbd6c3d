import { TOO_MANY_PARTITIONS } from '../partition/health/structure.ts';
import { ESTIMATES } from '../postgres/inspect/queries.ts';
import type { Routine } from './routine.ts';

/**
 * What people and monitoring look at; all of it changes nothing.
 * @param s the schema, quoted
 */
export const lookRoutines = (s: string): readonly Routine[] => [
  {
    kind: 'sql',
    name: '_estimates',
    parameters: ['p_relations oid[]'],
    returns: 'TABLE (oid float8, bytes float8, "rows" float8)',
    about: 'sizes as last counted by VACUUM or ANALYZE',
    body: ESTIMATES,
  },
  {
    kind: 'plpgsql',
    name: '_bytes',
    parameters: ['p_oid oid', 'p_estimate float8'],
    returns: 'bigint',
    about:
      'the measured size with all that belongs to the partition; the estimate where a lock is in the way',
    settings: ["lock_timeout = '50ms'"],
    body: `
BEGIN
  RETURN (
    WITH RECURSIVE tree(oid) AS (SELECT p_oid UNION ALL SELECT i.inhrelid FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.oid)
    SELECT sum(pg_total_relation_size(t.oid)) FROM tree AS t);
EXCEPTION WHEN lock_not_available THEN
  RETURN p_estimate;
END`,
  },
  {
    kind: 'plpgsql',
    name: 'partition_sizes',
    parameters: [],
    returns:
      'TABLE (schema_name text, table_name text, partition text, bounds text, bytes bigint, size text, estimated_rows bigint)',
    about:
      'the size of every partition, largest first; rows as last counted by VACUUM or ANALYZE, null before the first',
    body: `
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH parts AS (
    SELECT t.schema_name, t.table_name, format('%I.%I', c.schema, c.name) AS partition, c.bounds, c.oid
    FROM ${s}.managed_tables() AS t
    CROSS JOIN LATERAL ${s}._parents(ARRAY[t.schema_name], ARRAY[t.table_name]) AS p
    CROSS JOIN LATERAL ${s}._children(ARRAY[p.oid::bigint::oid]) AS c
  ), measured AS (
    SELECT q.*, ${s}._bytes(q.oid::bigint::oid, e.bytes) AS bytes, e.rows FROM parts AS q
    LEFT JOIN ${s}._estimates(ARRAY(SELECT o.oid::bigint::oid FROM parts AS o)) AS e ON e.oid = q.oid
  )
  SELECT m.schema_name, m.table_name, m.partition, m.bounds, m.bytes, pg_size_pretty(m.bytes), m.rows::bigint FROM measured AS m
  ORDER BY m.bytes DESC, m.schema_name, m.table_name, m.partition;
END`,
  },
  {
    kind: 'plpgsql',
    name: 'partition_gaps',
    parameters: ['at timestamptz DEFAULT now()'],
    returns:
      'TABLE (schema_name text, table_name text, missing text, bounds text, reason text, problem text)',
    about:
      'the partitions that are missing and would be created, as of the instant; and the tables of which that is not known, with the problem',
    body: `
DECLARE
  one record;
BEGIN
  FOR one IN SELECT * FROM ${s}.managed_tables() AS t ORDER BY t.ordinal LOOP
    BEGIN
      RETURN QUERY SELECT one.schema_name, one.table_name, p.name, p.bounds, p.reason, p.problem
      FROM ${s}._plan_create(one.schema_name, one.table_name, at, NULL::int, NULL::timestamptz, NULL::timestamptz, NULL::text[]) AS p;
    EXCEPTION WHEN OTHERS THEN
      -- What is wrong with one table hides nothing of the others.
      RETURN QUERY SELECT one.schema_name, one.table_name, NULL::text, NULL::text, NULL::text, SQLERRM;
    END;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: 'partition_removals',
    parameters: ['at timestamptz DEFAULT now()'],
    returns:
      'TABLE (schema_name text, table_name text, partition text, bounds text, kept_because text, refusal text)',
    about:
      'the partitions that are past retention as of the instant, and why some are kept, or all of a table; removes nothing',
    body: `
DECLARE
  one record;
BEGIN
  FOR one IN SELECT * FROM ${s}.managed_tables() AS t ORDER BY t.ordinal LOOP
    BEGIN
      RETURN QUERY SELECT one.schema_name, one.table_name, format('%I.%I', p.schema, p.name), p.bounds, p.kept_because, p.refusal
      FROM ${s}._plan_cleanup(one.schema_name, one.table_name, at) AS p;
    EXCEPTION WHEN OTHERS THEN
      -- As above. It is no partition to be removed.
      RETURN QUERY SELECT one.schema_name, one.table_name, NULL::text, NULL::text, SQLERRM, NULL::text;
    END;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_findings',
    parameters: ['p_schema text', 'p_table text', 'p_at timestamptz'],
    returns: 'TABLE (finding text, severity text, message text)',
    about: 'what is wrong with one table, or soon will be',
    body: `
#variable_conflict use_column
DECLARE
  wanted record;
  parent record;
  cutoff timestamptz;
  overdue timestamptz;
  grid_zone text;
  now_place timestamp;
  all_starts timestamp[];
  all_ends timestamp[];
  usable_starts timestamp[];
  usable_ends timestamp[];
  needed record;
  current_one record;
  next_one record;
  next_missing boolean;
  covered boolean;
  missing_rest bigint;
  late bigint;
  total bigint;
  pending text;
  default_name text;
  holds boolean;
BEGIN
  SELECT * INTO wanted FROM ${s}.managed_tables() AS t WHERE t.schema_name = p_schema AND t.table_name = p_table;
  SELECT * INTO parent FROM ${s}._table(p_schema, p_table) AS t;
  cutoff := ${s}._cutoff(p_schema, p_table, p_at);
  grid_zone := ${s}._grid_zone(parent.key_type, wanted.time_zone);
  now_place := ${s}._place_of(parent.key_type, wanted.time_zone, p_at);
  SELECT coalesce(array_agg(p.starts ORDER BY p.starts, p.ends), '{}'), coalesce(array_agg(p.ends ORDER BY p.starts, p.ends), '{}'),
         coalesce(array_agg(p.starts ORDER BY p.starts, p.ends) FILTER (WHERE NOT p.pending), '{}'),
         coalesce(array_agg(p.ends ORDER BY p.starts, p.ends) FILTER (WHERE NOT p.pending), '{}'),
         string_agg(format('%I.%I', p.schema, p.name), ', ') FILTER (WHERE p.pending), count(*)
  INTO all_starts, all_ends, usable_starts, usable_ends, pending, total
  FROM ${s}._partitions(parent.parent, parent.key_type) AS p WHERE NOT p.is_default;
  -- One interval less than create keeps ready: an hour before it runs, all is well.
  SELECT * INTO needed FROM ${s}._window(parent.key_type, wanted.time_zone, wanted.step, p_at, cutoff, wanted.premake - 1, all_starts, all_ends) AS w;
  SELECT * INTO current_one FROM ${s}._containing(now_place, wanted.step, grid_zone) AS c;
  SELECT * INTO next_one FROM ${s}._interval_at(current_one.label + ${s}._step(wanted.step), current_one.ends, wanted.step, grid_zone) AS i;
  covered := EXISTS (SELECT FROM unnest(usable_starts, usable_ends) AS u(starts, ends) WHERE u.starts <= now_place AND now_place < u.ends);
  -- The next must be there a week before it begins, or half an interval.
  next_missing := next_one.starts - now_place <= least(interval '7 days', (current_one.ends - current_one.starts) / 2)
    AND EXISTS (SELECT FROM ${s}._gaps(wanted.step, grid_zone, next_one.starts, next_one.ends, usable_starts, usable_ends) AS g);
  SELECT count(*) INTO missing_rest FROM ${s}._gaps(wanted.step, grid_zone, needed.starts, needed.ends, usable_starts, usable_ends) AS g
  WHERE (cutoff IS NULL OR ${s}._latest(parent.key_type, wanted.time_zone, g.ends) > cutoff)
    AND (covered OR g.interval_starts <> current_one.starts) AND NOT (next_missing AND g.interval_starts = next_one.starts);
  IF NOT covered THEN
    RETURN QUERY SELECT 'missing-current', 'critical', 'no partition covers now';
  END IF;
  IF next_missing THEN
    RETURN QUERY SELECT 'missing-next', 'critical', format('no partition for all of the next %s', wanted.step);
  END IF;
  IF missing_rest > 0 THEN
    RETURN QUERY SELECT 'missing', 'warning', format('partitions missing: %s, see partition_gaps()', missing_rest);
  END IF;
  IF pending IS NOT NULL THEN
    RETURN QUERY SELECT 'detach-pending', 'warning', format('a detach of %s was begun and not finished', pending);
  END IF;
  SELECT format('%I.%I', p.schema, p.name) INTO default_name FROM ${s}._partitions(parent.parent, parent.key_type) AS p WHERE p.is_default;
  IF default_name IS NOT NULL THEN
    BEGIN
      EXECUTE format('SELECT EXISTS (SELECT FROM %s)', default_name) INTO holds;
      IF holds THEN
        RETURN QUERY SELECT 'default-rows', 'warning', format('the default partition %s holds rows', default_name);
      END IF;
    EXCEPTION WHEN OTHERS THEN
      -- A missing right, policies for rows, a lock, a server far away: whether all is well is not known.
      RETURN QUERY SELECT 'default-unseen', 'warning', format('the default partition %s could not be looked into: %s', default_name, SQLERRM);
    END;
  END IF;
  IF cutoff IS NOT NULL THEN
    overdue := ${s}._before(cutoff, wanted.overdue, wanted.overdue_hours, wanted.time_zone);
    SELECT count(*) INTO late FROM ${s}._plan_cleanup(p_schema, p_table, p_at) AS c
    JOIN ${s}._partitions(parent.parent, parent.key_type) AS p ON p.oid = c.oid
    WHERE p.referenced_by IS NULL AND ${s}._latest(parent.key_type, wanted.time_zone, c.ends) <= overdue;
    IF late > 0 THEN
      RETURN QUERY SELECT 'expired', 'warning', format('partitions long past retention: %s, see partition_removals()', late);
    END IF;
    IF EXISTS (SELECT FROM ${s}._plan_cleanup(p_schema, p_table, p_at) AS c
               JOIN ${s}._partitions(parent.parent, parent.key_type) AS p ON p.oid = c.oid
               WHERE p.referenced_by IS NOT NULL AND NOT p.pending) THEN
      RETURN QUERY SELECT 'referenced', 'warning', 'foreign keys keep partitions that are past retention';
    END IF;
  END IF;
  IF total > ${TOO_MANY_PARTITIONS} THEN
    RETURN QUERY SELECT 'too-many', 'warning', format('too many partitions: %s', total);
  ELSIF total < 2 THEN
    RETURN QUERY SELECT 'too-few', 'warning', format('too few partitions: %s', total);
  END IF;
EXCEPTION WHEN OTHERS THEN
  -- It is not as configured, or something else keeps it from being looked at: the other tables have their lines all the same.
  RETURN QUERY SELECT CASE SQLSTATE WHEN 'PKERR' THEN 'not-partitioned' ELSE 'unseen' END, 'critical', SQLERRM;
END`,
    settings: ["lock_timeout = '50ms'", 'row_security = off'],
  },
  {
    kind: 'plpgsql',
    name: 'check_partition_health',
    parameters: [],
    returns: `TABLE (
  schema_name text, table_name text, partition_count integer, total_size text, largest_partition text, largest_size text, status text
)`,
    about: 'one line for each table: its size, and OK or what is wrong',
    body: `
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH sizes AS (
    SELECT z.schema_name, z.table_name, count(*) FILTER (WHERE z.bounds <> 'DEFAULT')::int AS partition_count, pg_size_pretty(sum(z.bytes)) AS total_size,
           (array_agg(z.partition ORDER BY z.bytes DESC, z.partition))[1] AS largest_partition, pg_size_pretty(max(z.bytes)) AS largest_size
    FROM ${s}.partition_sizes() AS z GROUP BY z.schema_name, z.table_name
  )
  SELECT t.schema_name, t.table_name, coalesce(z.partition_count, 0), coalesce(z.total_size, '0 bytes'), z.largest_partition, z.largest_size,
         coalesce((SELECT string_agg(upper(f.severity) || ': ' || f.message, '; ' ORDER BY f.severity, f.finding)
                   FROM ${s}._findings(t.schema_name, t.table_name, now()) AS f), 'OK')
  FROM ${s}.managed_tables() AS t LEFT JOIN sizes AS z ON z.schema_name = t.schema_name AND z.table_name = t.table_name
  ORDER BY t.ordinal;
END`,
  },
  {
    kind: 'plpgsql',
    name: 'require_partition_health',
    parameters: [],
    returns: 'void',
    about: 'an error that names every table with which something is wrong; nothing when all is well',
    body: `
DECLARE
  problems text;
BEGIN
  SELECT string_agg(format('%I.%I: %s', h.schema_name, h.table_name, h.status), E'\\n') INTO problems
  FROM ${s}.check_partition_health() AS h WHERE h.status <> 'OK';
  IF problems IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = problems, HINT = ${"'See partition_gaps() and partition_removals(), and docs/sql-functions.md.'"};
  END IF;
END`,
  },
];
