import { quoteLiteral } from '../../partition/identifiers.ts';
import { MIRROR } from '../../partition/names.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import { TRUNCATE } from '../names.ts';
import { changesOf, type Pair } from './pair.ts';
import { COPY_KEY } from './progress.ts';

/**
 * A digest of what a comparison depends on besides rows that are written: columns, files and partitions of both tables,
 * the triggers by which one follows the other, and any others of the copy, which could change what it is given. A
 * TRUNCATE, a partition that comes or goes, and a trigger that has been disabled for a while all change it.
 * @param other SQL of the oid of the other table; by its name, only for whom its schema is open
 */
export function shapeSql(
  { source, target }: Pair,
  other = `pg_catalog.to_regclass(${quoteLiteral(nameOf(target))})`,
): string {
  return `(WITH tables AS (
      SELECT ${source.oid}::pg_catalog.oid AS oid UNION SELECT ${other}::pg_catalog.oid
      UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(${source.oid}) AS p
      UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(${other}) AS p)
    SELECT pg_catalog.md5(pg_catalog.string_agg(part, ',' ORDER BY part)) FROM (
      SELECT pg_catalog.concat_ws(':', 'file', t.oid, pg_catalog.pg_relation_filenode(t.oid)) AS part FROM tables AS t
      UNION ALL SELECT pg_catalog.concat_ws(':', 'column', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid IN (${source.oid}, ${other}) AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL SELECT pg_catalog.concat_ws(':', 'trigger', g.oid, g.xmin, g.tgenabled) FROM pg_catalog.pg_trigger AS g JOIN tables AS t ON t.oid = g.tgrelid
      WHERE g.tgname IN ('${MIRROR}', '${TRUNCATE}') OR NOT g.tgisinternal AND (g.tgrelid = ${other} OR g.tgrelid IN (SELECT p.relid FROM pg_catalog.pg_partition_tree(${other}) AS p))) AS parts)`;
}

/** Both tables have been compared as they are, and are equal. */
export const comparedSql = (pair: Pair): string => {
  const verified = `pg_catalog.obj_description(${quoteLiteral(changesOf(pair))}::pg_catalog.regclass, 'pg_class')::pg_catalog.jsonb #> '{${COPY_KEY},verified}'`;
  return `${verified} ->> 'differences' = '0'
    AND ${verified} ->> 'shape' = ${shapeSql(pair)}`;
};
