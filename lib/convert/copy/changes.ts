import { displayName, quoteIdentifier, quoteLiteral } from '../../partition/identifiers.ts';
import { MAXVALUE, MINVALUE } from '../../partition/range.ts';
import { begin, doBlock, nameOf, type StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import {
  changesOf,
  columnList,
  forFormat,
  hasRoom,
  identityList,
  mirrorOf,
  type Pair,
  sameRow,
} from './pair.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };
const TAKEN = 'pg_temp.partition_keeper_taken';

/** The log: which rows have been changed. Without any identity: the table has been truncated. */
export function changesTable(pair: Pair): string {
  const columns = pair.identity.map((name) => {
    const type = pair.source.columns.find((column) => column.name === name)?.type ?? 'text';
    return `${quoteIdentifier(name)} ${type}`;
  });
  return `CREATE TABLE ${changesOf(pair)} (partition_keeper_change bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ${columns.join(', ')})`;
}

/** `COMMENT ON TABLE log IS %L`, as `format` takes it. */
export const commentOnChanges = (pair: Pair): string =>
  quoteLiteral(`${forFormat(`COMMENT ON TABLE ${changesOf(pair)} IS `)}%L`);

/** A change that can be taken over: not of a row for which there is no room, nor that the table was truncated. */
export const takeable = (pair: Pair, of: string): string =>
  `${of}.${quoteIdentifier(pair.identity[0] ?? '')} IS NOT NULL AND (${hasRoom(pair, of)} OR NOT EXISTS (SELECT FROM ${nameOf(pair.source)} AS s WHERE ${sameRow(pair, 's', of)}))`;

/**
 * Takes over what the log names, as the rows stand now. Whatever is changed in between is in the log once more, so
 * the moments at which the statements see the tables need not be one.
 * @param most how many changes; null: all
 * @param unless SQL: nothing is taken over where that holds
 */
export const applyChanges = (pair: Pair, most: number | null, unless = 'false'): string => {
  // Nothing stands by itself that could also be one of the variables there are in any such block.
  const rows = `(SELECT DISTINCT ${identityList(pair, 'k')} FROM ${TAKEN} AS k)`;
  return doBlock(`
BEGIN
  IF ${unless} THEN RETURN; END IF;
  CREATE TEMPORARY TABLE partition_keeper_taken ON COMMIT DROP AS
    SELECT c.* FROM ${changesOf(pair)} AS c WHERE ${takeable(pair, 'c')} ORDER BY c.partition_keeper_change${most === null ? '' : ` LIMIT ${most}`};
  IF NOT EXISTS (SELECT FROM ${TAKEN}) THEN RETURN; END IF;
  ANALYZE ${TAKEN};
  DELETE FROM ${nameOf(pair.target)} AS t USING ${rows} AS c WHERE ${sameRow(pair, 't', 'c')};
  INSERT INTO ${nameOf(pair.target)} (${columnList(pair)}) OVERRIDING SYSTEM VALUE
  SELECT ${columnList(pair, 's')} FROM ${nameOf(pair.source)} AS s JOIN ${rows} AS c ON ${sameRow(pair, 's', 'c')}
  WHERE ${hasRoom(pair, 's')};
  DELETE FROM ${changesOf(pair)} AS l USING ${TAKEN} AS c WHERE l.partition_keeper_change = c.partition_keeper_change;
END`);
};

const left = (pair: Pair, least: number): string => `
  SELECT 0 AS finished, c.left::pg_catalog.float8 AS total, c.left <= ${least} AS done
  FROM (SELECT pg_catalog.count(*) AS left FROM (SELECT FROM ${changesOf(pair)} AS c WHERE ${takeable(pair, 'c')} LIMIT 1000000) AS few) AS c`;

export const noChangeLeft = (pair: Pair): string => left(pair, 0);

/** Changes per round, so that each is short. */
const ROUND = 5_000;

/**
 * One round of changes while everybody works: only as long as they are noted. A target that follows gets the same rows
 * from its triggers meanwhile, and the two would meet. The rows are those of one moment, as they would be under a lock.
 */
export const catchUp = (pair: Pair, context: StatementContext): string[] => [
  ...begin(pair.source, context, '0'),
  "SET LOCAL transaction_isolation = 'repeatable read'",
  applyChanges(
    pair,
    ROUND,
    `pg_catalog.obj_description(pg_catalog.to_regproc(${quoteLiteral(mirrorOf(pair))}), 'pg_proc') IS NOT NULL`,
  ),
  'COMMIT',
];

/** Takes over changes while everybody works, until there are so few that the rest can be had while writers wait. */
export function catchUpStep(pair: Pair, few: number, context: StatementContext): Step {
  return {
    kind: 'catch-up',
    partition: displayName(pair.target.schema, pair.target.name),
    partitionOid: null,
    range: EVERYWHERE,
    reason: 'takes over what was changed while rows were copied',
    hazards: [],
    locks: [],
    statements: catchUp(pair, context),
    progress: [...begin(pair.source, context), left(pair, few), 'COMMIT'],
  };
}
