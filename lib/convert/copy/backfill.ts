import { displayName, quoteLiteral } from '../../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import { begin, doBlock, nameOf, type StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { applyChanges, commentOnChanges } from './changes.ts';
import { changesOf, columnList, forFormat, hasRoom, type Pair } from './pair.ts';
import { COPY_KEY, startText } from './progress.ts';

/** How long a batch should take, in milliseconds: long enough to be worth a transaction, short enough to be stopped. */
const BATCH_MS = 400;

/** The tables that hold the rows, the partitions of a partitioned table in the order of their oids. */
const leaves = (pair: Pair): string =>
  `(SELECT p.relid::pg_catalog.oid AS oid FROM pg_catalog.pg_partition_tree(${pair.source.oid}) AS p WHERE p.isleaf UNION SELECT ${pair.source.oid}::pg_catalog.oid FROM pg_catalog.pg_class AS c WHERE c.oid = ${pair.source.oid} AND c.relkind = 'r')`;

/** More rows than fit into a block, for as long as it is not known how many there are. */
const ROWS_A_BLOCK = 300;

/** No more blocks than hold the rows of one second; one at least. */
const withinRate = (maxRate: number | undefined): string =>
  maxRate === undefined
    ? 'size'
    : `LEAST(size, GREATEST(1, pg_catalog.floor(${maxRate} / GREATEST(0.001, COALESCE((state ->> 'density')::pg_catalog.float8, ${ROWS_A_BLOCK})))))::pg_catalog.int8`;

/**
 * One batch: the rows of the next blocks, in the order in which they lie, so the table is read once and no index is
 * needed. How far it is stands in the comment on the log, written in the same transaction. A row that is changed
 * meanwhile may be met twice or never; it is in the log, and is put right before the first index is made. Blocks count
 * only in their file: when another one has come (VACUUM FULL, CLUSTER), rows lie elsewhere and all are copied anew.
 */
const batch = (pair: Pair, maxRate: number | undefined): string =>
  doBlock(`
DECLARE
  state pg_catalog.jsonb := pg_catalog.obj_description(${quoteLiteral(changesOf(pair))}::pg_catalog.regclass, 'pg_class')::pg_catalog.jsonb -> '${COPY_KEY}';
  leaf pg_catalog.oid := (state ->> 'leaf')::pg_catalog.oid;
  block pg_catalog.int8 := (state ->> 'block')::pg_catalog.int8;
  file pg_catalog.oid := (state ->> 'file')::pg_catalog.oid;
  size pg_catalog.int8 := (state ->> 'size')::pg_catalog.int8;
  blocks pg_catalog.int8 := ${withinRate(maxRate)};
  pages pg_catalog.int8 := 0;
  copied pg_catalog.int8;
  began pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  took pg_catalog.float8;
BEGIN
  LOOP
    IF leaf <> 0 THEN
      pages := COALESCE(pg_catalog.pg_relation_size(leaf::pg_catalog.regclass), 0) / pg_catalog.current_setting('block_size')::pg_catalog.int8;
    END IF;
    -- In this order: with the size of another file, the position would be taken for the end.
    EXIT WHEN leaf IS NULL OR block < pages OR file <> pg_catalog.pg_relation_filenode(leaf::pg_catalog.regclass);
    leaf := (SELECT pg_catalog.min(l.oid::pg_catalog.int8) FROM ${leaves(pair)} AS l WHERE l.oid > leaf)::pg_catalog.oid;
    block := 0;
    file := NULL;
  END LOOP;
  IF leaf IS NULL THEN
    EXECUTE pg_catalog.format(${commentOnChanges(pair)}, pg_catalog.jsonb_build_object('${COPY_KEY}', state || '{"copied": true}'));
    RETURN;
  END IF;
  EXECUTE pg_catalog.format(${quoteLiteral(
    `${forFormat(`INSERT INTO ${nameOf(pair.target)} (${columnList(pair)}) OVERRIDING SYSTEM VALUE SELECT ${columnList(pair, 's')} FROM ONLY `)}%s AS s WHERE s.ctid >= '(%s,0)' AND s.ctid < '(%s,0)' AND ${forFormat(hasRoom(pair, 's'))}`,
  )}, leaf::pg_catalog.regclass, block, block + blocks);
  GET DIAGNOSTICS copied = ROW_COUNT;
  -- Whoever makes another file has to wait from here on, as the table has been read.
  IF file <> pg_catalog.pg_relation_filenode(leaf::pg_catalog.regclass) THEN
    TRUNCATE ${nameOf(pair.target)};
    EXECUTE pg_catalog.format(${commentOnChanges(pair)}, ${quoteLiteral(startText())});
    RETURN;
  END IF;
  block := block + blocks;
  took := GREATEST(1, EXTRACT(epoch FROM pg_catalog.clock_timestamp() - began) * 1000);
  size := GREATEST(16, LEAST(blocks * 4, 65536, (blocks * ${BATCH_MS} / took)::pg_catalog.int8));
  EXECUTE pg_catalog.format(${commentOnChanges(pair)}, pg_catalog.jsonb_build_object('${COPY_KEY}', state || pg_catalog.jsonb_build_object(
    'leaf', leaf::pg_catalog.int8, 'block', block, 'file', pg_catalog.pg_relation_filenode(leaf::pg_catalog.regclass)::pg_catalog.int8,
    'size', size, 'density', copied::pg_catalog.float8 / blocks, 'rows', (state ->> 'rows')::pg_catalog.int8 + copied)));
END`);

const progress = (pair: Pair): string => `
  SELECT LEAST(b.before + (s.state ->> 'block')::pg_catalog.float8, b.total) AS finished, b.total, (s.state ->> 'rows')::pg_catalog.float8 AS rows,
         COALESCE((s.state ->> 'copied')::pg_catalog.bool, false) AS done
  FROM (SELECT pg_catalog.obj_description(${quoteLiteral(changesOf(pair))}::pg_catalog.regclass, 'pg_class')::pg_catalog.jsonb -> '${COPY_KEY}' AS state) AS s,
       LATERAL (SELECT COALESCE(pg_catalog.sum(l.pages) FILTER (WHERE l.oid < (s.state ->> 'leaf')::pg_catalog.oid), 0)::pg_catalog.float8 AS before,
                       COALESCE(pg_catalog.sum(l.pages), 0)::pg_catalog.float8 AS total
                FROM (SELECT l.oid, pg_catalog.pg_relation_size(l.oid::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::pg_catalog.int8 AS pages FROM ${leaves(pair)} AS l) AS l) AS b`;

/**
 * The rows, batch by batch, into partitions that have no index yet.
 * @param maxRate rows a second that a batch is not to exceed; absent: as many as it gets to
 */
export function copyStep(pair: Pair, maxRate: number | undefined, context: StatementContext): Step {
  const { source, target } = pair;
  return {
    kind: 'copy',
    partition: displayName(target.schema, target.name),
    partitionOid: null,
    range: { from: MINVALUE, to: MAXVALUE },
    reason: `the rows of ${displayName(source.schema, source.name)}, batch by batch`,
    hazards: ['reads and writes as much as the disk and --max-rate allow; no lock that anybody waits for'],
    locks: [],
    // Should the server crash, batch and comment are lost together.
    statements: [
      ...begin(source, context, '0'),
      'SET LOCAL synchronous_commit = off',
      batch(pair, maxRate),
      'COMMIT',
    ],
    progress: [...begin(source, context), progress(pair), 'COMMIT'],
  };
}

/** Puts right what was changed while it was copied: each such row is taken out wherever it got to, and put in once. */
export function settleStep(pair: Pair, context: StatementContext): Step {
  const { target } = pair;
  return {
    kind: 'catch-up',
    partition: displayName(target.schema, target.name),
    partitionOid: null,
    range: { from: MINVALUE, to: MAXVALUE },
    reason: 'rows that were changed while they were copied, before the first index is made',
    hazards: [],
    locks: [],
    statements: [
      ...begin(pair.source, context, '0'),
      applyChanges(pair, null),
      doBlock(`
BEGIN
  EXECUTE pg_catalog.format(${commentOnChanges(pair)}, pg_catalog.jsonb_set(
    pg_catalog.obj_description(${quoteLiteral(changesOf(pair))}::pg_catalog.regclass, 'pg_class')::pg_catalog.jsonb, '{${COPY_KEY},settled}', 'true'));
END`),
      'COMMIT',
    ],
  };
}

/** The comment with which the copy begins. */
export const copyBegins = (pair: Pair): string =>
  `COMMENT ON TABLE ${changesOf(pair)} IS ${quoteLiteral(startText())}`;
