import { quoteLiteral } from '../../partition/identifiers.ts';
import { doBlock } from './common.ts';

/** As a constant; null is no comment. */
const commentSql = (text: string | null): string => (text === null ? 'NULL' : quoteLiteral(text));

/**
 * Gives what the condition holds for, whatever it is called by now, another comment.
 * @param those a condition on `c`, a row of `pg_class`: which relation, and that its comment is still the one that was
 *   read, so that nothing that somebody else has written meanwhile is lost
 */
export const replaceComment = (kind: 'INDEX' | 'TABLE', those: string, comment: string | null): string =>
  doBlock(`
DECLARE
  marked pg_catalog.text;
BEGIN
  FOR marked IN SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class AS c WHERE ${those} LOOP
    EXECUTE pg_catalog.format('COMMENT ON ${kind} %s IS %L', marked, ${commentSql(comment)});
  END LOOP;
END`);

/** That the comment of `c` is just that. */
export const isCommented = (text: string | null): string =>
  `pg_catalog.obj_description(c.oid, 'pg_class') IS NOT DISTINCT FROM ${commentSql(text)}`;
