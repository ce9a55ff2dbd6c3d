import { MARKER_PREFIX } from '../partition/marker.ts';
import { HOLDERS } from '../postgres/apply/holders.ts';
import {
  COLUMNS,
  DETACHED,
  FOREIGN_KEYS,
  GRANTS,
  PARENTS,
  PARTITIONS,
  REFERENCES,
  TAKEN_NAMES,
} from '../postgres/inspect/queries.ts';
import type { Routine } from './routine.ts';

/** A query of the inspection as a function; plpgsql keeps its plan for the session. */
const read = (
  name: string,
  parameters: readonly string[],
  columns: string,
  about: string,
  query: string,
): Routine => {
  const pairs = columns.split(/,\s*/).map((column) => column.trim().split(' '));
  return {
    kind: 'plpgsql',
    name,
    parameters,
    returns: `TABLE (${pairs.map((pair) => pair.join(' ')).join(', ')})`,
    about,
    body: `
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT ${pairs.map(([column, type]) => `q.${column}::${type}`).join(', ')} FROM (${query}) AS q;
END`,
  };
};

/** What the inspection looks at is looked at here. */
const READS: readonly Routine[] = [
  read(
    '_parents',
    ['p_schemas text[]', 'p_names text[]'],
    '"position" int, schema_exists boolean, oid float8, kind text, strategy text, key_columns int, key_column text, key_type text, owner text, may_manage boolean, is_owner boolean, may_create boolean, may_create_temporary boolean, comment text, tablespace text, replica_identity text, access_method text, row_security boolean, force_row_security boolean, default_grantees text[]',
    'the partitioned tables of those names',
    PARENTS,
  ),
  read(
    '_children',
    ['p_parents oid[]'],
    'parent float8, oid float8, schema text, name text, kind text, bounds text, detach_pending boolean, strange_owner text, comment text, options text[], toast_options text[], access_method text',
    'all partitions, as the catalog has them',
    PARTITIONS,
  ),
  read(
    '_foreign_keys',
    ['p_parents oid[]'],
    'parent float8, name text, oid float8, schema text, referenced text, indexed boolean, lockable boolean',
    'the foreign keys of partitioned tables',
    FOREIGN_KEYS,
  ),
  read(
    '_references',
    ['p_parents oid[]'],
    'partition float8, schema text, name text, cascades boolean',
    'tables whose foreign keys refer to partitions',
    REFERENCES,
  ),
  read(
    '_detached_tables',
    ['p_marker text'],
    'oid float8, schema text, name text, kind text, owner text, comment text',
    'tables that Partition Keeper has detached',
    DETACHED,
  ),
  read(
    '_taken_names',
    ['p_parents oid[]'],
    'parent float8, oid float8, name text, own boolean',
    'relations whose names are like those of partitions',
    TAKEN_NAMES,
  ),
  read(
    '_grants',
    ['p_parents oid[]'],
    'parent float8, "column" text, privilege text, grantable boolean, grantee text',
    'privileges on partitioned tables',
    GRANTS,
  ),
  read(
    '_columns',
    ['p_parents oid[]'],
    'parent float8, name text, generated boolean, statistics int',
    'the columns of partitioned tables',
    COLUMNS,
  ),
  read(
    '_holders',
    ['p_relations oid[]'],
    'pid int, transaction text, oid float8, mode text, application text, "user" text, state text, query text, age float8',
    'who holds locks on relations',
    HOLDERS,
  ),
];

/** Readings of what they found, as `lib/partition` reads it. */
const readings = (s: string): readonly Routine[] => [
  {
    kind: 'plpgsql',
    name: '_key_type',
    parameters: ['p_name text'],
    returns: 'text',
    about: 'the short name of a type a partition key may have',
    body: `
BEGIN
  RETURN CASE p_name
    WHEN 'timestamp with time zone' THEN 'timestamptz'
    WHEN 'timestamp without time zone' THEN 'timestamp'
    WHEN 'date' THEN 'date'
    WHEN 'uuid' THEN 'uuid'
  END;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_bound',
    parameters: ['p_key_type text', 'p_text text', 'p_at_end boolean'],
    returns: 'timestamp',
    about: 'a bound of the catalog as a place on the axis',
    body: `
DECLARE
  value text := trim(BOTH '''' FROM p_text);
  milliseconds bigint;
BEGIN
  IF value IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = 'the bounds of a partition cannot be read';
  ELSIF value IN ('MINVALUE', '-infinity') THEN
    RETURN timestamp '-infinity';
  ELSIF value IN ('MAXVALUE', 'infinity') THEN
    RETURN timestamp 'infinity';
  ELSIF p_key_type = 'timestamptz' THEN
    RETURN value::timestamptz AT TIME ZONE 'UTC';
  ELSIF p_key_type = 'timestamp' THEN
    RETURN value::timestamp;
  ELSIF p_key_type = 'date' THEN
    -- Dates reach further than timestamps; beyond this one, a bound is as good as at it.
    RETURN least(value::date, date '270000-01-01')::timestamp;
  END IF;
  -- An upper bound in the midst of a millisecond counts as its end: rows below it may be that young.
  milliseconds := ('x' || left(replace(value, '-', ''), 12))::bit(48)::bigint
    + (p_at_end AND substr(value, 15) COLLATE "C" > '7000-8000-000000000000')::int;
  RETURN timestamp 'epoch' + make_interval(days => (milliseconds / 86400000)::int, secs => (milliseconds % 86400000)::float8 / 1000);
END`,
  },
  {
    kind: 'plpgsql',
    name: '_bound_sql',
    parameters: ['p_key_type text', 'p_place timestamp'],
    returns: 'text',
    about: 'a place on the axis as a constant of the type of the key',
    body: `
DECLARE
  milliseconds bigint;
BEGIN
  CASE p_key_type
    WHEN 'timestamptz' THEN RETURN quote_literal((p_place AT TIME ZONE 'UTC')::text);
    WHEN 'timestamp' THEN RETURN quote_literal(p_place::text);
    WHEN 'date' THEN RETURN quote_literal(p_place::date::text);
    ELSE
      milliseconds := floor(extract(epoch FROM p_place) * 1000)::bigint;
      IF milliseconds NOT BETWEEN 0 AND 281474976710655 THEN
        RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = 'a UUIDv7 holds instants from 1970 to the year 10889';
      END IF;
      RETURN quote_literal(regexp_replace(lpad(to_hex(milliseconds), 12, '0'), '(.{8})(.{4})', '\\1-\\2-0000-0000-000000000000'));
  END CASE;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_marker',
    parameters: ['p_comment text'],
    returns: 'jsonb',
    about: 'the marker of a detached table; null when the comment is not exactly one',
    body: `
DECLARE
  envelope jsonb;
  marker jsonb;
BEGIN
  envelope := p_comment::jsonb;
  marker := envelope -> 'partition-keeper';
  IF ARRAY(SELECT jsonb_object_keys(envelope)) = ARRAY['partition-keeper']
    AND ARRAY(SELECT k FROM jsonb_object_keys(marker) AS k ORDER BY k COLLATE "C")
      = ARRAY['bounds', 'by', 'comment', 'detachedAt', 'parent', 'parentOid', 'runId']
    AND jsonb_typeof(marker -> 'parentOid') = 'number' AND (marker ->> 'detachedAt')::timestamptz IS NOT NULL
  THEN
    RETURN marker;
  END IF;
  RETURN NULL;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN NULL;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_partitions',
    parameters: ['p_parent oid', 'p_key_type text'],
    returns: `TABLE (
  oid oid, schema text, name text, kind text, bounds text, is_default boolean, starts timestamp, ends timestamp,
  pending boolean, options text[], toast_options text[], access_method text, referenced_by text
)`,
    about: 'partitions with their bounds on the axis, ascending',
    body: `
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT c.oid::bigint::oid, c.schema, c.name, c.kind, c.bounds, c.bounds = 'DEFAULT',
         CASE WHEN c.bounds <> 'DEFAULT' THEN ${s}._bound(p_key_type, b.ends[1], false) END,
         CASE WHEN c.bounds <> 'DEFAULT' THEN ${s}._bound(p_key_type, b.ends[2], true) END, c.detach_pending, c.options, c.toast_options, c.access_method, r.names
  FROM ${s}._children(ARRAY[p_parent]) AS c
  LEFT JOIN (
    SELECT k.partition, string_agg(format('%I.%I', k.schema, k.name), ', ' ORDER BY k.schema, k.name) AS names
    FROM ${s}._references(ARRAY[p_parent]) AS k GROUP BY k.partition
  ) AS r ON r.partition = c.oid
  LEFT JOIN LATERAL regexp_match(c.bounds, '^FOR VALUES FROM \\((MINVALUE|''[^'']*'')\\) TO \\((MAXVALUE|''[^'']*'')\\)$') AS b(ends) ON true
  ORDER BY 7, 8;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_table',
    parameters: [
      'p_schema text',
      'p_table text',
      'OUT parent oid',
      'OUT key_type text',
      'OUT owner text',
      'OUT is_owner boolean',
    ],
    about: 'the partitioned table, if it is as the config says; else an error',
    body: `
DECLARE
  found_one record;
  wanted record;
  problem text;
BEGIN
  SELECT * INTO wanted FROM ${s}.managed_tables() AS t WHERE t.schema_name = p_schema AND t.table_name = p_table;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR',
      MESSAGE = format('%I.%I is not in the config these functions were made from.', p_schema, p_table),
      HINT = 'Add it to the config and run the script that "npx partition-keeper sql" prints again.';
  END IF;
  IF NOT ${s}._is_zone(wanted.time_zone) THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR',
      MESSAGE = format('%I.%I cannot be looked after as configured: this server reads the time zone %s of the config in another way.', p_schema, p_table, wanted.time_zone),
      HINT = 'Write the name of a region such as Europe/Berlin in the config, and run the script that "npx partition-keeper sql" prints again; or set timezone_abbreviations to its default.';
  END IF;
  SELECT * INTO found_one FROM ${s}._parents(ARRAY[p_schema], ARRAY[p_table]) AS p;
  parent := found_one.oid::bigint::oid;
  key_type := ${s}._key_type(found_one.key_type);
  owner := found_one.owner;
  is_owner := found_one.is_owner;
  problem := CASE
    WHEN parent IS NULL THEN 'There is no such table in this database.'
    WHEN found_one.kind <> 'p' THEN 'It is not a partitioned table.'
    WHEN found_one.strategy <> 'r' THEN 'It is not partitioned by RANGE.'
    WHEN found_one.key_columns <> 1 OR found_one.key_column IS NULL THEN 'Its partition key is not one plain column.'
    WHEN found_one.key_column <> wanted.partition_key THEN format('It is partitioned by %I, not by %I.', found_one.key_column, wanted.partition_key)
    WHEN key_type IS NULL THEN format('The type of its partition key, %s, is none of timestamptz, timestamp, date and uuid.', found_one.key_type)
    WHEN key_type = 'date' AND wanted.step = 'hour' THEN 'It is partitioned by a date, which cannot tell hours apart.'
  END;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = format('%I.%I cannot be looked after as configured: %s', p_schema, p_table, problem),
      HINT = 'Correct the config, and run the script that "npx partition-keeper sql" prints again.';
  END IF;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_detached',
    parameters: ['p_parent oid', 'p_owner text', 'p_key_type text'],
    returns: 'TABLE (oid oid, name text, starts timestamp, ends timestamp)',
    about: 'tables that Partition Keeper has detached from this one',
    body: `
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT d.oid::bigint::oid, d.name, ${s}._bound(p_key_type, b.ends[1], false), ${s}._bound(p_key_type, b.ends[2], true)
  FROM ${s}._detached_tables('${MARKER_PREFIX}') AS d
  CROSS JOIN LATERAL ${s}._marker(d.comment) AS m(marker)
  CROSS JOIN LATERAL regexp_match(m.marker ->> 'bounds', '^FOR VALUES FROM \\((MINVALUE|''[^'']*'')\\) TO \\((MAXVALUE|''[^'']*'')\\)$') AS b(ends)
  -- A marker is only as good as the right to comment: whoever owns the table wrote it.
  WHERE d.owner = p_owner AND m.marker -> 'parentOid' = to_jsonb(p_parent::bigint) AND b.ends IS NOT NULL;
END`,
  },
];

/** @param s the schema, quoted */
export const catalogRoutines = (s: string): readonly Routine[] => [...READS, ...readings(s)];
