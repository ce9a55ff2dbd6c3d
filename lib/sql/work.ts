import { quoteLiteral } from '../partition/identifiers.ts';
import { tableLockKey } from '../postgres/advisory-lock.ts';
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

/** Locks of a function last to the end of its transaction, so it stops soon after the first. */
const HOLD_MILLISECONDS = 300;

/** Which held locks a wanted one has to wait for: a mode conflicts with all from one on. */
const MODES = `ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
      'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']`;

/**
 * One partition at a time, each planned anew: `_next` does one step in one transaction, and says what became of it.
 * @param s the schema, quoted
 */
export const workRoutines = (s: string): readonly Routine[] => [
  {
    kind: 'plpgsql',
    name: '_next_step',
    parameters: [
      'p_job text',
      'p_schema text',
      'p_table text',
      'p_premake int',
      'p_from timestamptz',
      'p_to timestamptz',
      'p_approve boolean',
      'p_skip text[]',
      'OUT schema text',
      'OUT partition text',
      'OUT oid oid',
      'OUT starts timestamp',
      'OUT ends timestamp',
      'OUT bounds text',
      'OUT reason text',
      'OUT problem text',
    ],
    about:
      'the first step that is left to do, but for partitions that are skipped, as schema.name; none: null',
    body: `
#variable_conflict use_column
BEGIN
  IF p_job = 'create' THEN
    SELECT p_schema, c.name, c.starts, c.ends, c.bounds, c.reason, c.problem INTO schema, partition, starts, ends, bounds, reason, problem
    FROM ${s}._plan_create(p_schema, p_table, now(), p_premake, p_from, p_to, p_skip) AS c;
    RETURN;
  END IF;
  SELECT c.oid, c.schema, c.name, c.bounds, 'past retention', CASE WHEN c.kept_because IS NOT NULL THEN 'kept: ' || c.kept_because END
  INTO oid, schema, partition, bounds, reason, problem
  FROM ${s}._plan_cleanup(p_schema, p_table, now()) AS c WHERE format('%I.%I', c.schema, c.name) <> ALL (p_skip) LIMIT 1;
  IF NOT p_approve AND EXISTS (SELECT FROM ${s}._plan_cleanup(p_schema, p_table, now()) AS c WHERE c.refusal IS NOT NULL) THEN
    RAISE EXCEPTION USING ERRCODE = 'PKREF',
      MESSAGE = format('Nothing of %I.%I is removed: %s.', p_schema, p_table,
        (SELECT c.refusal FROM ${s}._plan_cleanup(p_schema, p_table, now()) AS c WHERE c.refusal IS NOT NULL LIMIT 1)),
      HINT = format('If the retention in the config is right: CALL %s', ${quoteLiteral(s)} || format('.cleanup_partitions(%L, approve => true);', p_schema || '.' || p_table));
  END IF;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_has_step',
    parameters: [
      'p_job text',
      'p_schema text',
      'p_table text',
      'p_premake int',
      'p_from timestamptz',
      'p_to timestamptz',
      'p_approve boolean',
      'p_skip text[]',
      'OUT needed boolean',
      'OUT oid oid',
    ],
    about: 'whether there is something to do that locks are needed for, and on which partition',
    body: `
BEGIN
  SELECT n.partition IS NOT NULL AND n.problem IS NULL, n.oid INTO needed, oid
  FROM ${s}._next_step(p_job, p_schema, p_table, p_premake, p_from, p_to, p_approve, p_skip) AS n;
EXCEPTION WHEN OTHERS THEN
  needed := false;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_next',
    parameters: [
      'p_job text',
      'p_schema text',
      'p_table text',
      'p_premake int',
      'p_from timestamptz',
      'p_to timestamptz',
      'p_approve boolean',
      'p_skip text[]',
      'OUT outcome text',
      'OUT partition text',
      'OUT message text',
    ],
    about:
      'does one step of a job, on the partition schema.name; the outcome is done, nothing, locked, busy, failed or refused',
    body: `
DECLARE
  step record;
  name text;
  hint text;
  state text;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = 'partitions are only looked after in READ COMMITTED transactions: others do not see the catalog as it is';
  END IF;
  -- The lock of Partition Keeper's own runs: two never work on one table.
  IF NOT pg_try_advisory_xact_lock(${tableLockKey('p_schema', 'p_table')}) THEN
    outcome := 'busy';
    message := format('%I.%I is skipped: another run is working on it', p_schema, p_table);
    RETURN;
  END IF;
  SELECT * INTO step FROM ${s}._next_step(p_job, p_schema, p_table, p_premake, p_from, p_to, p_approve, p_skip) AS n;
  name := step.partition;
  partition := CASE WHEN name IS NOT NULL THEN format('%I.%I', step.schema, name) END;
  IF name IS NULL THEN
    outcome := 'nothing';
  ELSIF step.problem IS NOT NULL THEN
    -- What a rule of cleanup keeps is no failure.
    outcome := CASE WHEN p_job = 'create' THEN 'failed' ELSE 'kept' END;
    message := format('%s: %s', partition, step.problem);
  ELSIF p_job = 'create' THEN
    PERFORM ${s}._create_partition(p_schema, p_table, name, step.starts, step.ends, step.bounds);
    outcome := 'done';
    message := format('Created partition: %s %s (%s)', partition, step.bounds, step.reason);
  ELSE
    PERFORM ${s}._drop_partition(p_schema, p_table, step.oid);
    outcome := 'done';
    message := format('Dropped partition: %I of %I.%I %s (%s)', name, p_schema, p_table, step.bounds, step.reason);
  END IF;
EXCEPTION
  WHEN lock_not_available OR deadlock_detected THEN
    outcome := 'locked';
    message := format('%I of %I.%I: others hold locks that are needed', name, p_schema, p_table);
  WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
    outcome := CASE state WHEN 'PKREF' THEN 'refused' ELSE 'failed' END;
    message := CASE WHEN name IS NULL THEN '' ELSE format('%I of ', name) END || format('%I.%I: %s', p_schema, p_table, message) || coalesce(' ' || nullif(hint, ''), '');
END`,
  },
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
  {
    kind: 'plpgsql',
    name: '_work',
    parameters: [
      'p_job text',
      'p_schema text',
      'p_table text',
      'p_premake int',
      'p_from timestamptz',
      'p_to timestamptz',
      'p_held_since timestamptz',
    ],
    returns: 'TABLE (result text, held_since timestamptz)',
    about:
      'a job on one table, all in the transaction of the caller, until that has held locks for long enough: then a null',
    body: `
DECLARE
  skip text[] := '{}';
  step record;
  attempt int := 0;
BEGIN
  held_since := p_held_since;
  LOOP
    IF clock_timestamp() > held_since + interval '${HOLD_MILLISECONDS} milliseconds' THEN
      -- Not even a look at what is left, for which everybody would wait.
      RETURN NEXT;
      EXIT;
    END IF;
    SELECT * INTO step FROM ${s}._next(p_job, p_schema, p_table, p_premake, p_from, p_to, false, skip) AS n;
    EXIT WHEN step.outcome = 'nothing';
    attempt := attempt + 1;
    -- Not while it holds locks itself.
    CONTINUE WHEN step.outcome = 'locked' AND attempt < 5 AND held_since IS NULL;
    IF step.outcome = 'done' THEN
      held_since := coalesce(held_since, clock_timestamp());
    END IF;
    result := CASE step.outcome WHEN 'done' THEN '' ELSE upper(step.outcome) || ': ' END || step.message;
    RETURN NEXT;
    result := NULL;
    EXIT WHEN step.partition IS NULL;
    IF step.outcome <> 'done' THEN
      skip := skip || step.partition;
    END IF;
    attempt := 0;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: '_work_on_all',
    parameters: ['p_job text', 'p_months int'],
    returns: 'TABLE (result text)',
    about: 'a job on all tables in the transaction of the caller, which stops soon and says so',
    body: `
DECLARE
  one record;
  step record;
  held_since timestamptz;
BEGIN
  FOR one IN SELECT * FROM ${s}.managed_tables() AS t ORDER BY t.ordinal LOOP
    FOR step IN SELECT * FROM ${s}._work(p_job, one.schema_name, one.table_name,
      CASE one.step WHEN 'month' THEN p_months WHEN 'quarter' THEN (p_months + 2) / 3 WHEN 'year' THEN (p_months + 11) / 12 END,
      NULL::timestamptz, NULL::timestamptz, held_since) AS w LOOP
      held_since := step.held_since;
      result := coalesce(step.result, format('STOPPED: %s: not finished, so that nobody waits for the locks of this transaction for long: do it again, or CALL %s;',
        (SELECT string_agg(format('%I.%I', t.schema_name, t.table_name), ', ' ORDER BY t.ordinal) FROM ${s}.managed_tables() AS t WHERE t.ordinal >= one.ordinal),
        ${quoteLiteral(s)} || CASE p_job WHEN 'create' THEN '.create_partitions()' ELSE '.cleanup_partitions()' END));
      RETURN NEXT;
      IF step.result IS NULL THEN
        RETURN;
      END IF;
    END LOOP;
  END LOOP;
END`,
  },
  {
    kind: 'plpgsql',
    name: 'create_monthly_partition',
    parameters: ['schema_name text', 'table_name text', 'partition_date date DEFAULT NULL'],
    returns: 'text',
    about:
      'creates the partition that holds the date (today unless given), of the interval the config has for the table',
    body: `
DECLARE
  zone text := (SELECT t.time_zone FROM ${s}.managed_tables() AS t
    WHERE t.schema_name = create_monthly_partition.schema_name AND t.table_name = create_monthly_partition.table_name);
  day date := coalesce(partition_date, (now() AT TIME ZONE zone)::date);
  at timestamptz := ${s}._first_instant(day::timestamp, zone);
  results text;
BEGIN
  SELECT string_agg(w.result, E'\\n') INTO results
  FROM ${s}._work('create', schema_name, table_name, NULL::int, at, at + interval '1 microsecond', NULL::timestamptz) AS w;
  -- There is nothing else that an error would undo.
  IF results !~ '^Created' THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = results;
  END IF;
  RETURN coalesce(results, format('Nothing to create: %I.%I has partitions for the interval of %s, or it is past retention', schema_name, table_name, day));
END`,
  },
  {
    kind: 'plpgsql',
    name: 'create_future_partitions',
    parameters: ['months_ahead integer DEFAULT NULL'],
    returns: 'TABLE (result text)',
    about:
      'creates what is missing in all tables; months_ahead, for intervals of a month and longer, instead of premake',
    body: `
BEGIN
  RETURN QUERY SELECT w.result FROM ${s}._work_on_all('create', months_ahead) AS w;
END`,
  },
  {
    kind: 'plpgsql',
    name: 'cleanup_old_partitions',
    parameters: [],
    returns: 'TABLE (result text)',
    about: 'drops the partitions of all tables that are past retention',
    body: `
BEGIN
  RETURN QUERY SELECT w.result FROM ${s}._work_on_all('cleanup', NULL::int) AS w;
END`,
  },
];
