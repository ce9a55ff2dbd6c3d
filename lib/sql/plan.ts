import { MAX_NAME_BYTES } from '../partition/names.ts';
import { MAX_CREATIONS } from '../partition/plan-create.ts';
import type { Routine } from './routine.ts';

/**
 * The planners of `lib/partition`, in SQL: the same partitions, names and bounds for the same catalog, config and
 * instant. They read the catalog and change nothing, so any instant may be asked about.
 * @param s the schema, quoted
 */
export const planRoutines = (s: string): readonly Routine[] => [
  {
    kind: 'plpgsql',
    name: '_gaps',
    parameters: [
      'p_step text',
      'p_grid_zone text',
      'p_from timestamp',
      'p_to timestamp',
      'p_starts timestamp[]',
      'p_ends timestamp[]',
    ],
    returns:
      'TABLE (label timestamp, interval_starts timestamp, interval_ends timestamp, starts timestamp, ends timestamp)',
    about: 'what of a window the ranges, which ascend, leave open: interval by interval',
    body: `
DECLARE
  hole_starts timestamp := p_from;
  hole_ends timestamp;
  piece record;
  number int := 1;
BEGIN
  LOOP
    -- The next hole: from where all ranges so far end to where the next begins.
    WHILE number <= cardinality(p_starts) AND p_starts[number] <= hole_starts LOOP
      hole_starts := greatest(hole_starts, p_ends[number]);
      number := number + 1;
    END LOOP;
    EXIT WHEN hole_starts >= p_to;
    hole_ends := CASE WHEN number <= cardinality(p_starts) THEN least(p_starts[number], p_to) ELSE p_to END;
    SELECT * INTO piece FROM ${s}._containing(hole_starts, p_step, p_grid_zone) AS c;
    WHILE piece.starts < hole_ends LOOP
      label := piece.label;
      interval_starts := piece.starts;
      interval_ends := piece.ends;
      starts := greatest(piece.starts, hole_starts);
      ends := least(piece.ends, hole_ends);
      RETURN NEXT;
      SELECT * INTO piece FROM ${s}._interval_at(piece.label + ${s}._step(p_step), piece.ends, p_step, p_grid_zone) AS i;
    END LOOP;
    hole_starts := hole_ends;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_window',
    parameters: [
      'p_key_type text',
      'p_zone text',
      'p_step text',
      'p_at timestamptz',
      'p_cutoff timestamptz',
      'p_premake int',
      'p_starts timestamp[]',
      'p_ends timestamp[]',
      'OUT starts timestamp',
      'OUT ends timestamp',
    ],
    about: 'what must be covered: from the oldest partition, as far as retention reaches, to the look-ahead',
    body: `
DECLARE
  grid_zone text := ${s}._grid_zone(p_key_type, p_zone);
  current_one record;
  piece record;
BEGIN
  SELECT * INTO current_one FROM ${s}._containing(${s}._place_of(p_key_type, p_zone, p_at), p_step, grid_zone) AS c;
  SELECT min(CASE WHEN isfinite(u.starts) THEN u.starts ELSE u.ends END) INTO starts
  FROM unnest(p_starts, p_ends) AS u(starts, ends) WHERE isfinite(u.starts) OR isfinite(u.ends);
  starts := least(starts, current_one.starts);
  IF p_cutoff IS NOT NULL THEN
    SELECT * INTO piece FROM ${s}._containing(${s}._place_of(p_key_type, p_zone, p_cutoff), p_step, grid_zone) AS c;
    -- Where clocks went back, an earlier time by the clock may be the later instant.
    WHILE p_cutoff < ${s}._latest(p_key_type, p_zone, piece.starts) LOOP
      SELECT * INTO piece FROM ${s}._containing(piece.starts - interval '1 microsecond', p_step, grid_zone) AS c;
    END LOOP;
    starts := greatest(starts, piece.starts);
  END IF;
  FOR number IN 1 .. p_premake LOOP
    SELECT * INTO current_one FROM ${s}._interval_at(current_one.label + ${s}._step(p_step), current_one.ends, p_step, grid_zone) AS i;
  END LOOP;
  ends := current_one.ends;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_cutoff',
    parameters: ['p_schema text', 'p_table text', 'p_at timestamptz'],
    returns: 'timestamptz',
    about: 'what was written before is past retention; null: all is kept',
    body: `
BEGIN
  RETURN (
    SELECT ${s}._before(p_at, t.retention, t.retention_hours, t.time_zone) FROM ${s}.managed_tables() AS t
    WHERE t.schema_name = p_schema AND t.table_name = p_table AND t.retention IS NOT NULL
  );
END`,
  },
  {
    kind: 'plpgsql',
    name: '_plan_create',
    parameters: [
      'p_schema text',
      'p_table text',
      'p_at timestamptz',
      'p_premake int',
      'p_from timestamptz',
      'p_to timestamptz',
      'p_skip text[]',
    ],
    returns: 'TABLE (name text, starts timestamp, ends timestamp, bounds text, reason text, problem text)',
    about:
      'the partitions that are missing, most urgent first; unless null, only the first that is not to be skipped',
    body: `
#variable_conflict use_column
DECLARE
  wanted record;
  parent record;
  cutoff timestamptz := ${s}._cutoff(p_schema, p_table, p_at);
  now_place timestamp;
  window_starts timestamp;
  window_ends timestamp;
  all_starts timestamp[];
  all_ends timestamp[];
  gap record;
  upcoming jsonb[] := '{}';
  holes jsonb[] := '{}';
  taken jsonb;
  one jsonb;
  usual_name text;
  free_name text;
  holder text;
  attempt int;
  planned text[] := '{}';
BEGIN
  IF p_premake NOT BETWEEN 0 AND 10000 THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = format('premake must be from 0 to 10000, not %s', p_premake);
  END IF;
  SELECT * INTO parent FROM ${s}._table(p_schema, p_table) AS t;
  SELECT * INTO wanted FROM ${s}.managed_tables() AS t WHERE t.schema_name = p_schema AND t.table_name = p_table;
  now_place := ${s}._place_of(parent.key_type, wanted.time_zone, p_at);
  SELECT array_agg(p.starts ORDER BY p.starts, p.ends), array_agg(p.ends ORDER BY p.starts, p.ends) INTO all_starts, all_ends
  FROM ${s}._partitions(parent.parent, parent.key_type) AS p WHERE NOT p.is_default;
  all_starts := coalesce(all_starts, '{}');
  all_ends := coalesce(all_ends, '{}');
  SELECT w.starts, w.ends INTO window_starts, window_ends
  FROM ${s}._window(parent.key_type, wanted.time_zone, wanted.step, p_at, cutoff, coalesce(p_premake, wanted.premake), all_starts, all_ends) AS w;
  IF p_from IS NOT NULL THEN
    window_starts := (SELECT c.starts FROM ${s}._containing(${s}._place_of(parent.key_type, wanted.time_zone, p_from),
      wanted.step, ${s}._grid_zone(parent.key_type, wanted.time_zone)) AS c);
  END IF;
  IF p_to IS NOT NULL THEN
    window_ends := (SELECT c.ends FROM ${s}._containing(${s}._place_of(parent.key_type, wanted.time_zone, p_to) - interval '1 microsecond',
      wanted.step, ${s}._grid_zone(parent.key_type, wanted.time_zone)) AS c);
  END IF;
  FOR gap IN
    SELECT * FROM ${s}._gaps(wanted.step, ${s}._grid_zone(parent.key_type, wanted.time_zone), window_starts, window_ends, all_starts, all_ends) AS g
  LOOP
    CONTINUE WHEN cutoff IS NOT NULL AND ${s}._latest(parent.key_type, wanted.time_zone, gap.ends) <= cutoff;
    -- First now and what is to come, then holes.
    IF gap.ends > now_place THEN
      upcoming := upcoming || to_jsonb(gap);
    ELSE
      holes := holes || to_jsonb(gap);
    END IF;
  END LOOP;
  IF cardinality(upcoming) + cardinality(holes) > ${MAX_CREATIONS} THEN
    RAISE EXCEPTION USING ERRCODE = 'PKREF',
      MESSAGE = format('More than ${MAX_CREATIONS} partitions of %I.%I are missing. That is more likely a partition dated by mistake than a wish.', p_schema, p_table),
      HINT = 'Look at the oldest partitions; "npx partition-keeper create" takes --approve.';
  END IF;
  taken := (
    SELECT jsonb_object_agg(n.name, CASE WHEN n.own THEN 'partition' WHEN d.oid IS NULL THEN 'other' ELSE 'detached' END)
    FROM ${s}._taken_names(ARRAY[parent.parent]) AS n
    LEFT JOIN ${s}._detached(parent.parent, parent.owner, parent.key_type) AS d ON d.oid = n.oid::bigint::oid);
  FOREACH one IN ARRAY upcoming || holes LOOP
    SELECT * INTO gap FROM jsonb_to_record(one) AS g(label timestamp, interval_starts timestamp, interval_ends timestamp, starts timestamp, ends timestamp);
    usual_name := p_table || '_' || ${s}._suffix(wanted.step, gap.label);
    free_name := usual_name;
    attempt := 1;
    -- A number follows where a partition, or a detached one of another stretch, has the usual name.
    LOOP
      holder := CASE
        WHEN octet_length(free_name) > ${MAX_NAME_BYTES} THEN 'too long'
        WHEN free_name = ANY (planned) THEN 'partition'
        ELSE taken ->> free_name
      END;
      IF holder = 'detached' AND NOT EXISTS (
        SELECT FROM ${s}._detached(parent.parent, parent.owner, parent.key_type) AS d
        WHERE d.name = free_name AND d.starts <= gap.starts AND d.ends >= gap.ends) THEN
        holder := 'partition';
      END IF;
      EXIT WHEN holder IS DISTINCT FROM 'partition';
      attempt := attempt + 1;
      free_name := usual_name || '_' || attempt;
    END LOOP;
    name := CASE holder WHEN 'too long' THEN usual_name ELSE free_name END;
    starts := gap.starts;
    ends := gap.ends;
    bounds := format('FOR VALUES FROM (%s) TO (%s)', ${s}._bound_sql(parent.key_type, gap.starts), ${s}._bound_sql(parent.key_type, gap.ends));
    reason := CASE WHEN gap.starts <= now_place AND now_place < gap.ends THEN 'covers now'
                   WHEN gap.starts > now_place THEN 'look-ahead' ELSE 'fills a hole' END
      || CASE WHEN gap.starts <> gap.interval_starts OR gap.ends <> gap.interval_ends THEN ', as a stub up to the neighbouring partition' ELSE '' END;
    problem := CASE holder
      WHEN 'other' THEN format('another relation is named %I.%I and is no partition of the table; rename it, or attach it', p_schema, name)
      WHEN 'detached' THEN format('%I.%I holds that stretch and has been detached by Partition Keeper; attach it again, or drop it', p_schema, name)
      WHEN 'too long' THEN format('a table for another stretch is named %I.%I, and with a number the name would be longer than ${MAX_NAME_BYTES} bytes; rename it', p_schema, name)
    END;
    IF problem IS NULL THEN
      planned := planned || name;
    END IF;
    CONTINUE WHEN format('%I.%I', p_schema, name) = ANY (p_skip);
    RETURN NEXT;
    EXIT WHEN p_skip IS NOT NULL;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_plan_cleanup',
    parameters: ['p_schema text', 'p_table text', 'p_at timestamptz'],
    returns: `TABLE (
  oid oid, schema text, name text, kind text, bounds text, ends timestamp, kept_because text, refusal text
)`,
    about:
      'the partitions that are past retention, oldest first: those to remove, and those that are kept all the same',
    body: `
#variable_conflict use_column
DECLARE
  wanted record;
  parent record;
  cutoff timestamptz := ${s}._cutoff(p_schema, p_table, p_at);
  now_place timestamp;
BEGIN
  SELECT * INTO parent FROM ${s}._table(p_schema, p_table) AS t;
  SELECT * INTO wanted FROM ${s}.managed_tables() AS t WHERE t.schema_name = p_schema AND t.table_name = p_table;
  now_place := ${s}._place_of(parent.key_type, wanted.time_zone, p_at);
  RETURN QUERY
  WITH ranged AS (
    SELECT p.*, row_number() OVER (ORDER BY p.starts, p.ends) = count(*) OVER () AS is_newest, count(*) OVER () AS total
    FROM ${s}._partitions(parent.parent, parent.key_type) AS p WHERE NOT p.is_default
  ), judged AS (
    SELECT r.*, CASE
      WHEN r.pending THEN 'a concurrent detach of it was begun and not finished: "npx partition-keeper cleanup", or ALTER TABLE .. DETACH PARTITION .. FINALIZE, ends it'
      WHEN r.referenced_by IS NOT NULL THEN format('foreign keys of %s refer to it', r.referenced_by)
      WHEN NOT wanted.drops THEN 'the config has expired: ''detach'' or grace, which takes DETACH PARTITION CONCURRENTLY: use "npx partition-keeper cleanup"'
    END AS kept
    FROM ranged AS r
    WHERE cutoff IS NOT NULL AND isfinite(r.ends) AND NOT r.is_newest AND r.ends <= now_place
      AND ${s}._latest(parent.key_type, wanted.time_zone, r.ends) <= cutoff
  )
  SELECT j.oid, j.schema, j.name, j.kind, j.bounds, j.ends, j.kept,
         CASE WHEN j.kept IS NULL AND (count(*) FILTER (WHERE j.kept IS NULL) OVER ())::float8 / j.total > wanted.max_expired_share
           THEN format('%s of its %s partitions are past retention, more than the share of %s allowed by maxExpiredShare',
             count(*) FILTER (WHERE j.kept IS NULL) OVER (), j.total, wanted.max_expired_share) END
  FROM judged AS j
  ORDER BY j.ends;
END`,
  },
];
