import type { Routine } from './routine.ts';

/** As in the runs of the product: how long one step may wait for those who hold locks for long. */
const MAX_WAIT_SECONDS = 60;

/** And apart from that, how long it may try, where those who hold locks for a moment follow each other. */
const MAX_TRY_SECONDS = 60;

/** A holder younger than this is gone by the time the lock is asked for. */
const SHORT_SECONDS = 0.05;

/**
 * Where transactions that are somewhat longer follow each other without a gap, nobody would ever see the lock free: so
 * after looking for this long, or after an attempt in vain, only who has held it for as long is waited for.
 */
const BUSY_SECONDS = 1;

/** Which held locks a wanted one has to wait for: a mode conflicts with all from one on. */
const MODES = `ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
      'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']`;

/**
 * Whole jobs, one transaction for each partition, that wait for who holds locks where nobody has to wait behind them.
 * @param s the schema, quoted
 */
export const procedureRoutines = (s: string): readonly Routine[] => [
  {
    kind: 'plpgsql',
    name: '_in_the_way',
    parameters: [
      'p_job text',
      'p_schema text',
      'p_table text',
      'p_oid oid',
      'p_seen jsonb',
      'p_longest float8',
      'OUT seen jsonb',
      'OUT blockers text[]',
      'OUT doubtful boolean',
    ],
    about:
      'transactions that for so many seconds have held a lock which the next step would wait for; all, and when they were first seen',
    body: `
DECLARE
  parent_oid oid;
  default_oid oid;
  needs jsonb;
BEGIN
  SELECT p.oid::bigint::oid INTO parent_oid FROM ${s}._parents(ARRAY[p_schema], ARRAY[p_table]) AS p;
  SELECT c.oid::bigint::oid INTO default_oid FROM ${s}._children(ARRAY[parent_oid]) AS c WHERE c.bounds = 'DEFAULT';
  -- What each relation is locked in, as the weakest mode that conflicts with it.
  WITH RECURSIVE tree(oid) AS (
    SELECT u.oid FROM unnest(ARRAY[p_oid, default_oid]) AS u(oid)
    UNION ALL
    SELECT i.inhrelid FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.oid
  )
  SELECT jsonb_object_agg(n.oid, n.mode) INTO needs FROM (
    SELECT parent_oid AS oid, CASE WHEN p_job = 'cleanup' THEN 1 WHEN default_oid IS NOT NULL THEN 3 ELSE 4 END AS mode
    UNION ALL
    SELECT t.oid, 1 FROM tree AS t
    UNION ALL
    SELECT DISTINCT k.oid::bigint::oid, 3 FROM ${s}._foreign_keys(ARRAY[parent_oid]) AS k WHERE p_job = 'create'
  ) AS n WHERE n.oid IS NOT NULL;
  -- The age of other roles' transactions shows to a few only: it is then counted from where they were seen first.
  WITH holders AS (
    SELECT DISTINCT format('pid %s, transaction %s%s', h.pid, h.transaction, ', application ' || nullif(h.application, '')) AS who, h.age
    FROM ${s}._holders(ARRAY(SELECT k.key::oid FROM jsonb_object_keys(needs) AS k(key))) AS h
    WHERE array_position(${MODES}, h.mode) >= (needs ->> (h.oid::bigint::text))::int
  ), known AS (
    SELECT h.who, max(h.age) AS age, coalesce((p_seen ->> h.who)::float8, extract(epoch FROM clock_timestamp())::float8) AS since
    FROM holders AS h GROUP BY h.who
  )
  SELECT coalesce(jsonb_object_agg(k.who, k.since), '{}'),
         coalesce(array_agg(k.who) FILTER (WHERE greatest(k.age, extract(epoch FROM clock_timestamp())::float8 - k.since) >= p_longest), '{}'),
         coalesce(bool_or(k.age IS NULL), false)
  INTO seen, blockers, doubtful FROM known AS k;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_selected',
    parameters: ['p_only text'],
    returns: 'jsonb[]',
    about: 'the tables of the config, or the one that is named',
    body: `
DECLARE
  found_ones jsonb[] := ARRAY(
    SELECT to_jsonb(t) FROM ${s}.managed_tables() AS t
    WHERE p_only IS NULL OR p_only IN (t.schema_name || '.' || t.table_name, format('%I.%I', t.schema_name, t.table_name))
    ORDER BY t.ordinal);
BEGIN
  IF cardinality(found_ones) = 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = format('%s is not in the config these functions were made from.', p_only),
      HINT = 'Write schema.table as the config has it.';
  END IF;
  RETURN found_ones;
END`,
  },
  {
    kind: 'procedure',
    name: '_run',
    parameters: ['p_job text', 'p_only text', 'p_premake int', 'p_approve boolean'],
    about: 'a whole job: one transaction for each partition, and waiting outside of every queue',
    body: `
DECLARE
  tables pg_catalog.jsonb[];
  one pg_catalog.jsonb;
  skip pg_catalog.text[];
  wanted pg_catalog.record;
  look pg_catalog.record;
  step pg_catalog.record;
  seen pg_catalog.jsonb;
  looked pg_catalog.bool;
  began pg_catalog.timestamptz;
  waited pg_catalog.interval;
  tried pg_catalog.interval;
  attempt pg_catalog.int4;
  problems pg_catalog.text[] := '{}';
BEGIN
  COMMIT;
  SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  tables := ${s}._selected(p_only);
  FOREACH one IN ARRAY tables LOOP
    skip := '{}';
    seen := '{}';
    waited := '0';
    tried := '0';
    attempt := 0;
    LOOP
      -- Someone who holds a lock for long is waited for here, where nobody has to wait behind us.
      began := clock_timestamp();
      looked := false;
      LOOP
        SELECT * INTO wanted FROM ${s}._has_step(p_job, one ->> 'schema_name', one ->> 'table_name', p_premake, NULL::timestamptz, NULL::timestamptz, p_approve, skip) AS h;
        EXIT WHEN NOT wanted.needed;
        SELECT * INTO look FROM ${s}._in_the_way(p_job, one ->> 'schema_name', one ->> 'table_name', wanted.oid, seen,
          CASE WHEN attempt > 0 OR clock_timestamp() > began + interval '${BUSY_SECONDS} seconds' THEN ${BUSY_SECONDS} ELSE ${SHORT_SECONDS} END) AS w;
        seen := look.seen;
        -- Whoever shows up only in a second look is young.
        EXIT WHEN cardinality(look.blockers) = 0 AND (looked OR NOT look.doubtful);
        EXIT WHEN waited + (clock_timestamp() - began) > interval '${MAX_WAIT_SECONDS} seconds';
        looked := true;
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        PERFORM pg_sleep(CASE cardinality(look.blockers) WHEN 0 THEN 0.06 ELSE 0.1 END);
      END LOOP;
      waited := waited + (clock_timestamp() - began);
      began := clock_timestamp();
      SELECT * INTO step FROM ${s}._next(p_job, one ->> 'schema_name', one ->> 'table_name', p_premake, NULL::timestamptz, NULL::timestamptz, p_approve, skip) AS n;
      COMMIT;
      SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
      PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
      IF step.message IS NOT NULL AND step.outcome <> 'locked' THEN
        RAISE NOTICE '%', step.message;
      END IF;
      IF step.outcome = 'locked' THEN
        attempt := attempt + 1;
        SELECT * INTO look FROM ${s}._in_the_way(p_job, one ->> 'schema_name', one ->> 'table_name', wanted.oid, seen, 0) AS w;
        IF waited < interval '${MAX_WAIT_SECONDS} seconds' AND tried < interval '${MAX_TRY_SECONDS} seconds' THEN
          PERFORM pg_sleep((0.5 + random()) * least(0.2 * 1.5 ^ (attempt - 1), 1.5));
          tried := tried + (clock_timestamp() - began);
          CONTINUE;
        END IF;
      END IF;
      EXIT WHEN step.outcome IN ('nothing', 'busy');
      IF step.outcome = 'locked' THEN
        problems := problems || (step.message || coalesce(': ' || nullif(array_to_string(look.blockers[:5], '; '), ''), ''));
      ELSIF step.outcome IN ('failed', 'refused') THEN
        problems := problems || step.message;
      END IF;
      EXIT WHEN step.partition IS NULL;
      IF step.outcome <> 'done' THEN
        skip := skip || step.partition;
      END IF;
      seen := '{}';
      waited := '0';
      tried := '0';
      attempt := 0;
    END LOOP;
  END LOOP;
  IF cardinality(problems) > 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = array_to_string(problems, E'\\n'),
      HINT = 'What could be done has been done, and stays done.';
  END IF;
END`,
  },
  {
    kind: 'procedure',
    name: 'create_partitions',
    parameters: ['only_table text DEFAULT NULL', 'premake integer DEFAULT NULL'],
    about:
      'creates what is missing, one transaction for each partition; fails in the end if a table has failed',
    body: `
BEGIN
  CALL ${s}._run('create'::pg_catalog.text, only_table, premake, false);
END`,
  },
  {
    kind: 'procedure',
    name: 'cleanup_partitions',
    parameters: ['only_table text DEFAULT NULL', 'approve boolean DEFAULT false'],
    about:
      'drops what is past retention, one transaction for each partition; fails in the end if a table has failed',
    body: `
BEGIN
  CALL ${s}._run('cleanup'::pg_catalog.text, only_table, NULL::pg_catalog.int4, approve);
END`,
  },
];
