import { expect, test } from 'vitest';
import { singleStatement, withCasts } from '../../../lib/postgres/query-plan/statement.ts';

test.each([
  ['SELECT 1', 'SELECT 1'],
  ['select 1;', 'select 1'],
  ['SELECT \';\' AS "a;b" -- ; here\n ; ;', 'SELECT \';\' AS "a;b" -- ; here\n '],
  ['/* ; */ WITH a AS (SELECT 1) TABLE a', '/* ; */ WITH a AS (SELECT 1) TABLE a'],
  ['(SELECT 1) UNION SELECT $a$;$a$', '(SELECT 1) UNION SELECT $a$;$a$'],
])('%j is one statement', (text, expected) => {
  expect(singleStatement(text)).toBe(expected);
});

test.each([
  ['', 'statement-missing'],
  [' -- nothing\n', 'statement-missing'],
  [';', 'statement-missing'],
  ['SELECT 1; SELECT 2', 'statement-several'],
  ['SELECT 1; DROP TABLE x;', 'statement-several'],
  ['DROP TABLE x', 'statement-not-explained'],
  ['EXPLAIN ANALYZE DELETE FROM x', 'statement-not-explained'],
  ['ANALYZE SELECT 1', 'statement-not-explained'],
  ['CALL p()', 'statement-not-explained'],
  ['EXECUTE p(1)', 'statement-not-explained'],
])('%j is refused: %s', (text, code) => {
  expect(() => singleStatement(text)).toThrow(expect.objectContaining({ code, exitCode: 2 }));
});

test('a constant whose type stands before it leaves a cast behind', () => {
  expect(
    withCasts('SELECT now() - interval $1, date $2, "date" = $3, x.date, \'date $4\' WHERE a > $5'),
  ).toBe(
    'SELECT now() - CAST($1 AS interval), CAST($2 AS date), "date" = $3, x.date, \'date $4\' WHERE a > $5',
  );
});
