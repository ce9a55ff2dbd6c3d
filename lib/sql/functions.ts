import { quoteLiteral } from '../partition/identifiers.ts';
import type { Routine } from './routine.ts';

/** Locks of a function last to the end of its transaction, so it stops soon after the first. */
const HOLD_MILLISECONDS = 300;

/**
 * The functions of the strategy document: jobs in the transaction of their caller.
 * @param s the schema, quoted
 */
export const functionRoutines = (s: string): readonly Routine[] => [
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
      'creates the partition that holds now, or the date, of the interval the config has for the table; of hours, those of the whole day',
    body: `
DECLARE
  wanted record;
  first_instant timestamptz := now();
  last_instant timestamptz := now();
  results text;
  has_created boolean;
BEGIN
  SELECT t.step, t.time_zone INTO wanted FROM ${s}.managed_tables() AS t
  WHERE t.schema_name = create_monthly_partition.schema_name AND t.table_name = create_monthly_partition.table_name;
  IF partition_date IS NOT NULL THEN
    first_instant := ${s}._first_instant(partition_date::timestamp, wanted.time_zone);
    -- A day of 23 or 25 hours ends with them.
    last_instant := CASE wanted.step WHEN 'hour'
      THEN ${s}._first_instant((partition_date + 1)::timestamp, wanted.time_zone) - interval '1 microsecond' ELSE first_instant END;
  END IF;
  SELECT string_agg(coalesce(w.result, format('STOPPED: %I.%I: not finished, so that nobody waits for the locks of this transaction for long: do it again', schema_name, table_name)), E'\\n'),
         bool_or(w.result ~ '^Created')
  INTO results, has_created
  FROM ${s}._work('create', schema_name, table_name, NULL::int, first_instant, last_instant + interval '1 microsecond', NULL::timestamptz) AS w;
  -- There is nothing that an error would undo.
  IF NOT has_created THEN
    RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = results;
  END IF;
  RETURN coalesce(results, format('Nothing to create: %I.%I has partitions for the interval of %s, or it is past retention', schema_name, table_name, coalesce(partition_date::text, 'now')));
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
