import { quoteLiteral } from '../partition/identifiers.ts';
import { awaitWriters, doBlock } from '../postgres/statements/common.ts';
import { copyPolicies, copyReplicaIndex } from '../postgres/statements/new-partition.ts';
import type { Routine } from './routine.ts';

/** A default partition of more is not looked through while writers wait: MiB. */
export const LARGEST_DEFAULT_MIB = 128;

/** As in every transaction of ours: never longer in the queue, and well below `deadlock_timeout`. */
const LOCK_TIMEOUT = `
  PERFORM set_config('lock_timeout', greatest(1, least(50, (SELECT d.setting::int / 8 FROM pg_settings AS d WHERE d.name = 'deadlock_timeout'))) || 'ms', true);`;

/** Only set for the time of the function, whose declaration has it too. */
const LIMITS = ["lock_timeout = '50ms'", 'row_security = off'];

/**
 * The two functions that change something, each one partition. They are called under the lock of the table, and do
 * what `lib/postgres/statements` does.
 * @param s the schema, quoted
 */
export const buildRoutines = (s: string): readonly Routine[] => [
  {
    kind: 'sql',
    name: '_parameters',
    parameters: ['p_options text[]'],
    returns: 'text',
    about: 'storage parameters as they stand in WITH (..)',
    body: `
SELECT string_agg((SELECT string_agg(quote_ident(w.word), '.' ORDER BY w.number)
                   FROM unnest(string_to_array(split_part(o.pair, '=', 1), '.')) WITH ORDINALITY AS w(word, number))
                  || ' = ' || quote_literal(substr(o.pair, strpos(o.pair, '=') + 1)), ', ')
FROM unnest(p_options) AS o(pair)`,
  },
  {
    kind: 'sql',
    name: '_carried_over',
    parameters: ['p_parent oid', 'p_template jsonb', 'p_partition text'],
    returns: 'SETOF text',
    about:
      'statements for what neither LIKE nor ATTACH carries over, as far as it can be set before the attach',
    body: `
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', p_partition, c.name, c.statistics)
FROM ${s}._columns(ARRAY[p_parent]) AS c WHERE c.statistics IS NOT NULL
UNION ALL
SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', p_partition, CASE p_template ->> 'replica_identity' WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
WHERE p_template ->> 'replica_identity' IN ('f', 'n')
UNION ALL
SELECT format('REVOKE ALL ON TABLE %s FROM %s', p_partition, coalesce(quote_ident(g.grantee), 'PUBLIC'))
FROM jsonb_array_elements_text(p_template -> 'default_grantees') AS g(grantee)
UNION ALL
SELECT format('GRANT %s%s ON TABLE %s TO %s%s', g.privilege, ' (' || quote_ident(g."column") || ')', p_partition,
              coalesce(quote_ident(g.grantee), 'PUBLIC'), CASE WHEN g.grantable THEN ' WITH GRANT OPTION' END)
FROM ${s}._grants(ARRAY[p_parent]) AS g
UNION ALL
SELECT format('COMMENT ON TABLE %s IS %L', p_partition, p_template ->> 'comment')
WHERE p_template ->> 'comment' IS NOT NULL`,
  },
  {
    kind: 'plpgsql',
    name: '_create_partition',
    parameters: [
      'p_schema text',
      'p_table text',
      'p_name text',
      'p_starts timestamp',
      'p_ends timestamp',
      'p_bounds text',
    ],
    returns: 'void',
    about: 'creates and attaches one partition, as the owner of the table; at once or not at all',
    settings: LIMITS,
    body: `
DECLARE
  managed record;
  template record;
  newest record;
  other record;
  default_data record;
  p_parent text := format('%I.%I', p_schema, p_table);
  p_partition text := format('%I.%I', p_schema, p_name);
  former_role text := current_setting('role');
  statement text;
  statements text[];
  default_name text;
  default_holds text;
  holds boolean;
BEGIN${LOCK_TIMEOUT}
  -- All that is read is read first: the owner of the table need not have a right on these functions.
  SELECT * INTO managed FROM ${s}._table(p_schema, p_table) AS t;
  SELECT * INTO template FROM ${s}._parents(ARRAY[p_schema], ARRAY[p_table]) AS t;
  SELECT p.options, p.toast_options, p.access_method INTO newest FROM ${s}._partitions(managed.parent, managed.key_type) AS p
  WHERE p.kind = 'r' AND NOT p.is_default ORDER BY p.starts DESC, p.ends DESC LIMIT 1;
  -- LIKE locks the parent in ACCESS SHARE only; PARTITION OF would lock it, and its default, exclusively.
  statements := format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY)%s%s%s', p_partition, p_parent,
    ' USING ' || quote_ident(coalesce(template.access_method, newest.access_method)),
    ' WITH (' || ${s}._parameters(newest.options || ARRAY(SELECT 'toast.' || o FROM unnest(newest.toast_options) AS o)) || ')',
    ' TABLESPACE ' || quote_ident(template.tablespace))
    || ARRAY(SELECT c.statement FROM ${s}._carried_over(managed.parent, to_jsonb(template), p_partition) AS c(statement));
  SELECT format('%I.%I', p.schema, p.name) AS relation, p.oid INTO other
  FROM ${s}._partitions(managed.parent, managed.key_type) AS p WHERE p.is_default;
  IF FOUND THEN
    default_name := other.relation;
    -- It may be partitioned itself.
    WITH RECURSIVE tree(oid) AS (
      SELECT other.oid UNION ALL SELECT i.inhrelid FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.oid
    )
    SELECT bool_or(c.relkind = 'f') AS is_foreign, coalesce(sum(pg_relation_size(t.oid)) FILTER (WHERE c.relkind = 'r'), 0) AS bytes INTO default_data
    FROM tree AS t JOIN pg_class AS c ON c.oid = t.oid;
    IF default_data.is_foreign THEN
      RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = format('the default partition %s is a foreign table, or has one, and whether it holds rows of that stretch cannot be made sure of', default_name);
    END IF;
    IF default_data.bytes > ${LARGEST_DEFAULT_MIB}::bigint * 1024 * 1024 THEN
      RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = format('the default partition %s is larger than ${LARGEST_DEFAULT_MIB} MiB, and writers would wait while it is looked through; "npx partition-keeper create" waits less', default_name);
    END IF;
    default_holds := format('SELECT EXISTS (SELECT FROM %s AS d WHERE d.%I >= %s AND d.%I < %s)', default_name, template.key_column,
      ${s}._bound_sql(managed.key_type, p_starts), template.key_column, ${s}._bound_sql(managed.key_type, p_ends));
    -- Writers are kept out while the default is looked through. What foreign keys refer to is locked first, in the
    -- order in which the application writes; where that is not allowed, it is waited for.
    statements := statements
      || ARRAY(SELECT DISTINCT format('LOCK TABLE ONLY %I.%I IN SHARE ROW EXCLUSIVE MODE', k.schema, k.referenced)
               FROM ${s}._foreign_keys(ARRAY[managed.parent]) AS k WHERE k.lockable)
      || format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', p_parent);
    statements := statements || format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', default_name);
    statements := statements || format(${quoteLiteral(doBlock(awaitWriters('= ANY (%L::pg_catalog.oid[])')))},
      ARRAY(SELECT k.oid::bigint::oid FROM ${s}._foreign_keys(ARRAY[managed.parent]) AS k WHERE NOT k.lockable));
  END IF;
  IF NOT managed.is_owner THEN
    PERFORM set_config('role', managed.owner, true);
  END IF;
  IF default_holds IS NOT NULL THEN
    EXECUTE default_holds INTO holds;
    IF holds THEN
      RAISE EXCEPTION USING ERRCODE = 'PKERR', MESSAGE = format('the default partition %s holds rows of that stretch, and rows are not moved here; "npx partition-keeper create" moves them', default_name);
    END IF;
  END IF;
  FOREACH statement IN ARRAY statements LOOP
    EXECUTE statement;
  END LOOP;
  IF template.row_security THEN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_partition);
  END IF;
  IF template.force_row_security THEN
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_partition);
  END IF;
  IF template.row_security THEN
    ${copyPolicies({ parent: 'p_parent', parentName: 'p_table', partition: 'p_partition', partitionName: 'p_name' }).trim()};
  END IF;
  -- The parent in SHARE UPDATE EXCLUSIVE, what foreign keys refer to in SHARE ROW EXCLUSIVE.
  EXECUTE format('ALTER TABLE ONLY %s ATTACH PARTITION %s %s', p_parent, p_partition, p_bounds);
  IF template.replica_identity = 'i' THEN
    ${copyReplicaIndex({ parent: 'p_parent', partition: 'p_partition' }).trim()};
  END IF;
  PERFORM set_config('role', former_role, true);
END`,
  },
  {
    kind: 'plpgsql',
    name: '_drop_partition',
    parameters: ['p_schema text', 'p_table text', 'p_oid oid'],
    returns: 'void',
    about:
      'drops one partition that is past retention, after another look under its locks; never with what depends on it',
    settings: LIMITS,
    body: `
DECLARE
  parent record;
  judged record;
  former_role text := current_setting('role');
BEGIN${LOCK_TIMEOUT}
  SELECT * INTO parent FROM ${s}._table(p_schema, p_table) AS t;
  -- The clock is that of the transaction; nobody can set it.
  SELECT j.*, format('%I.%I', j.schema, j.name) AS relation INTO judged FROM ${s}._plan_cleanup(p_schema, p_table, now()) AS j
  WHERE j.oid = p_oid AND j.kept_because IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'PKCHG', MESSAGE = format('%s is no partition that may be removed; nothing is changed', p_oid::regclass);
  END IF;
  IF NOT parent.is_owner THEN
    PERFORM set_config('role', parent.owner, true);
  END IF;
  EXECUTE format('LOCK TABLE ONLY %I.%I IN ACCESS EXCLUSIVE MODE', p_schema, p_table);
  IF judged.kind <> 'f' THEN
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', judged.relation);
  END IF;
  -- Nothing can change any more; what has changed since it was judged shows here. It is short: everybody waits.
  IF NOT EXISTS (
    SELECT FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_inherits AS i ON i.inhrelid = c.oid
    WHERE c.oid = p_oid AND c.relname = judged.name AND n.nspname = judged.schema
      AND i.inhparent = parent.parent AND NOT i.inhdetachpending AND pg_get_expr(c.relpartbound, 0) = judged.bounds
  ) OR EXISTS (
    SELECT FROM pg_constraint AS k WHERE k.contype = 'f' AND k.confrelid = p_oid
  ) THEN
    RAISE EXCEPTION USING ERRCODE = 'PKCHG', MESSAGE = format('%s is no longer the partition that was to be removed; nothing is changed', judged.relation);
  END IF;
  EXECUTE format('DROP %s %s', CASE judged.kind WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, judged.relation);
  PERFORM set_config('role', former_role, true);
END`,
  },
];
