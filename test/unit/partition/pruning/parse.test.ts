import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conjunctsOf, parseExpression } from '../../../../lib/partition/pruning/parse.ts';
import { tokensOf } from '../../../../lib/partition/pruning/tokens.ts';

describe('conditions as the server prints them', () => {
  test.each<readonly [string, readonly string[]]>([
    ['(e.at >= now())', ['comparison']],
    ['((e.at >= now()) AND (e.u = 5) AND ((e.x = 1) OR (e.y = 2)))', ['comparison', 'comparison', 'or']],
    [
      "(date_trunc('month'::text, e.at) = '2026-01-01 00:00:00+00'::timestamp with time zone)",
      ['comparison'],
    ],
    ["((e.at)::date = '2026-01-01'::date)", ['comparison']],
    ["(ROW(e.at, e.id) > ROW('2026-01-01'::date, 5))", ['comparison']],
    ['(e.at IS NULL)', ['other']],
    ['(NOT e.flag)', ['other']],
    ["((e.name)::text ~~ 'it''s (AND) %'::text)", ['comparison']],
    [
      "((e.at = ANY ('{2026-01-01,2026-01-02}'::date[])) AND (e.at > (InitPlan 1).col1))",
      ['comparison', 'comparison'],
    ],
    ['((hashed SubPlan 1) AND (e.at < $1))', ['subplan', 'comparison']],
    [
      "((e.at AT TIME ZONE 'Europe/Berlin'::text) > '2026-01-01 00:00:00'::timestamp without time zone)",
      ['comparison'],
    ],
    ['false', ['constant']],
  ])('%s', (text, kinds) => {
    expect(conjunctsOf(text).map(({ kind }) => kind)).toEqual(kinds);
  });

  test('a part that is not understood spoils no other, and its columns are known', () => {
    const [first, second] = conjunctsOf('((substring(e.x FROM 1 FOR 2) = 1) AND (e.at > now()))');
    expect(first).toMatchObject({ kind: 'other' });
    expect(first?.kind === 'other' && first.operands.map((part) => part.text)).toContain('x');
    expect(second).toMatchObject({
      kind: 'comparison',
      operator: '>',
      left: { kind: 'column', relation: 'e', name: 'at' },
      right: { kind: 'call', name: 'now' },
    });
  });

  test('names in quotes are those of the catalog', () => {
    expect(parseExpression('("My ""Table"""."At" > 5)')).toMatchObject({
      left: { kind: 'column', relation: 'My "Table"', name: 'At' },
    });
  });

  test('types of several words end where they end', () => {
    expect(parseExpression('((e.at)::timestamp(3) with time zone > $1)')).toMatchObject({
      left: { kind: 'cast', type: 'timestamp(3) with time zone' },
      right: { kind: 'parameter' },
    });
  });
});

describe('whatever the text', () => {
  const piece = fc.constantFrom(
    ...[
      "'a''b'",
      '"x"',
      '(',
      ')',
      'AND',
      'OR',
      'NOT',
      '::',
      'text',
      '$1',
      '=',
      ',',
      'f',
      '.',
      'CASE',
      '5',
      ' ',
      "'",
    ],
  );

  test('it is read without an error, and is one expression or some', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
        const text = pieces.join(' ');
        expect(parseExpression(text).text.length).toBeLessThanOrEqual(text.length);
        expect(conjunctsOf(text).length).toBeGreaterThan(0);
      }),
      { numRuns: 5000 },
    );
  });

  test('its words are pieces of it, in order', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join(' ')),
        ),
        (text) => {
          let end = 0;
          for (const token of tokensOf(text) ?? []) {
            expect(token.start).toBeGreaterThanOrEqual(end);
            expect(text.slice(token.start, token.end)).toBe(token.text);
            end = token.end;
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});
