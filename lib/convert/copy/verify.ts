import { displayName, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { keyText } from '../../partition/key-type.ts';
import { isBounded, MAXVALUE, MINVALUE, type Point } from '../../partition/range.ts';
import { begin, doBlock, nameOf, type StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import { commentOnChanges } from './changes.ts';
import { shapeSql } from './compared.ts';
import { changesOf, identityList, type Pair, sameRow } from './pair.ts';
import { COPY_KEY } from './progress.ts';

const EXAMPLES = 10;

/** Which stretch between the bounds a key is in: 0 before the first, and so on. */
function stretch({ source }: Pair, bounds: readonly Point[]): string {
  if (bounds.length === 0) return '0';
  const points = bounds.map((point) => quoteLiteral(keyText(source.keyType, point))).join(', ');
  return `pg_catalog.width_bucket(r.${quoteIdentifier(source.keyColumn)}, ARRAY[${points}]::pg_catalog.${source.keyType}[])`;
}

/** Rows with their stretch and a digest of all their values, but those of which the log says that they are to follow. */
const digests = (pair: Pair, of: string, bounds: readonly Point[]): string => `
      SELECT ${identityList(pair, 'r')}, ${stretch(pair, bounds)} AS partition_keeper_stretch,
             pg_catalog.hashtextextended(ROW(${pair.source.columns.map(({ name }) => `r.${quoteIdentifier(name)}`).join(', ')})::pg_catalog.text, 0) AS partition_keeper_digest
      FROM ${of} AS r WHERE NOT EXISTS (SELECT FROM ${changesOf(pair)} AS l WHERE ${sameRow(pair, 'l', 'r')})`;

const sums = (rows: string): string => `
    SELECT d.partition_keeper_stretch AS stretch, pg_catalog.count(*) AS rows, pg_catalog.sum(d.partition_keeper_digest) AS digest
    FROM (${rows}) AS d GROUP BY d.partition_keeper_stretch`;

/**
 * Compares both tables, stretch by stretch, each time in one snapshot. Rows that differ are noted as changed, so they
 * are taken over anew; what was found stands in the comment on the log.
 * @param bounds ascending; those of the partitions
 * @param only the stretches to compare; null: all
 */
export function verifyStep(
  pair: Pair,
  bounds: readonly Point[],
  only: readonly number[] | null,
  context: StatementContext,
): Step {
  const { source, target } = pair;
  const points = bounds.filter(isBounded);
  const ours = digests(pair, nameOf(source), points);
  const theirs = digests(pair, nameOf(target), points);
  return {
    kind: 'verify',
    partition: displayName(target.schema, target.name),
    partitionOid: null,
    range: { from: MINVALUE, to: MAXVALUE },
    reason: `compares its rows with those of ${displayName(source.schema, source.name)}: counts and checksums, by partition`,
    hazards: ['reads both tables once; no lock that anybody waits for'],
    locks: [],
    statements: [
      ...begin(source, context, '0'),
      // Columns of the table may be called like the variables, so no name stands by itself.
      doBlock(`
<<comparison>>
DECLARE
  different pg_catalog.int4[];
  compared pg_catalog.int8;
  found pg_catalog.int8 := 0;
  shape pg_catalog.text := ${shapeSql(pair)};
  examples pg_catalog.text[] := '{}';
  state pg_catalog.jsonb := pg_catalog.obj_description(${quoteLiteral(changesOf(pair))}::pg_catalog.regclass, 'pg_class')::pg_catalog.jsonb -> '${COPY_KEY}';
BEGIN
  -- Into a table, since the server takes parallel workers for that.
  CREATE TEMPORARY TABLE partition_keeper_compared ON COMMIT DROP AS
    SELECT COALESCE(s.stretch, t.stretch) AS stretch, s.rows, (s.rows, s.digest) IS DISTINCT FROM (t.rows, t.digest) AS differs
    FROM (${sums(ours)}) AS s FULL JOIN (${sums(theirs)}) AS t ON s.stretch = t.stretch;
  SELECT pg_catalog.array_agg(c.stretch) FILTER (WHERE c.differs), COALESCE(pg_catalog.sum(c.rows), 0) INTO different, compared
  FROM pg_temp.partition_keeper_compared AS c WHERE ${only === null ? 'true' : `c.stretch = ANY ('{${only.join(',')}}'::pg_catalog.int4[])`};
  IF different IS NOT NULL THEN
    CREATE TEMPORARY TABLE partition_keeper_different ON COMMIT DROP AS
      SELECT ${identityList(pair, 'k')}, CASE WHEN t.partition_keeper_digest IS NULL THEN 'missing' WHEN s.partition_keeper_digest IS NULL THEN 'too much' ELSE 'different' END AS partition_keeper_what
      FROM (SELECT * FROM (${ours}) AS r WHERE r.partition_keeper_stretch = ANY (comparison.different)) AS s
      FULL JOIN (SELECT * FROM (${theirs}) AS r WHERE r.partition_keeper_stretch = ANY (comparison.different)) AS t USING (${identityList(pair)}) AS k
      WHERE s.partition_keeper_digest IS DISTINCT FROM t.partition_keeper_digest;
    GET DIAGNOSTICS found = ROW_COUNT;
    examples := ARRAY(SELECT ROW(${identityList(pair, 'd')})::pg_catalog.text || ' ' || d.partition_keeper_what FROM pg_temp.partition_keeper_different AS d LIMIT ${EXAMPLES});
    INSERT INTO ${changesOf(pair)} (${identityList(pair)}) SELECT ${identityList(pair, 'd')} FROM pg_temp.partition_keeper_different AS d;
  END IF;
  EXECUTE pg_catalog.format(${commentOnChanges(pair)}, pg_catalog.jsonb_build_object('${COPY_KEY}', state || pg_catalog.jsonb_build_object('verified', pg_catalog.jsonb_build_object(
    'at', pg_catalog.to_char(pg_catalog.clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'runId', ${quoteLiteral(context.runId)}, 'rows', compared, 'differences', found, 'examples', examples, 'shape', shape,
    'round', CASE WHEN state #>> '{verified,runId}' = ${quoteLiteral(context.runId)} THEN (state #>> '{verified,round}')::pg_catalog.int4 + 1 ELSE 1 END))));
END`),
      'COMMIT',
    ],
  };
}
