import { quoteLiteral } from '../partition/identifiers.ts';
import { tableLockKey } from '../postgres/advisory-lock.ts';
import type { Routine } from './routine.ts';

/** Of which job on which table the step is, and what it leaves alone. */
const STEP = [
  'p_job text',
  'p_schema text',
  'p_table text',
  'p_premake int',
  'p_from timestamptz',
  'p_to timestamptz',
  'p_approve boolean',
  'p_skip text[]',
];

/**
 * One partition at a time, each planned anew: `_next` does one step in one transaction, and says what became of it.
 * @param s the schema, quoted
 */
export const stepRoutines = (s: string): readonly Routine[] => [
  {
    kind: 'plpgsql',
    name: '_next_step',
    parameters: [
      ...STEP,
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
    parameters: [...STEP, 'OUT needed boolean', 'OUT oid oid'],
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
    parameters: [...STEP, 'OUT outcome text', 'OUT partition text', 'OUT message text'],
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
];
