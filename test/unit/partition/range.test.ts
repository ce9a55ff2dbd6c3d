import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  contains,
  isBounded,
  MAXVALUE,
  MINUS_INFINITY,
  MINVALUE,
  PLUS_INFINITY,
  type Range,
  uncovered,
  union,
} from '../../../lib/partition/range.ts';

const END = 30;
const range = (from: number, to: number): Range => ({ from: BigInt(from), to: BigInt(to) });
const small = fc
  .tuple(fc.nat(END), fc.nat(END))
  .filter(([a, b]) => a !== b)
  .map(([a, b]) => range(Math.min(a, b), Math.max(a, b)));

/** The naive model: the moments 0 to 29, and whether some range holds each. */
const moments = Array.from({ length: END }, (_, index) => BigInt(index));
const held = (ranges: readonly Range[]): bigint[] =>
  moments.filter((moment) => ranges.some(({ from, to }) => from <= moment && moment < to));

const separate = (ranges: readonly Range[]): boolean =>
  ranges.every(({ from }, index) => index === 0 || (ranges[index - 1]?.to ?? from) < from);
const nonEmpty = (ranges: readonly Range[]): boolean => ranges.every(({ from, to }) => from < to);

describe('union', () => {
  test('holds what the ranges hold, in stretches that neither touch nor overlap', () => {
    fc.assert(
      fc.property(fc.array(small, { maxLength: 8 }), (ranges) => {
        const joined = union(ranges);
        expect(held(joined)).toEqual(held(ranges));
        expect(separate(joined)).toBe(true);
        expect(nonEmpty(joined)).toBe(true);
      }),
      { numRuns: 20000 },
    );
  });

  test('joins touching ranges, swallows contained ones, and leaves its input alone', () => {
    const ranges = [range(5, 7), range(1, 3), range(3, 5), range(1, 2), range(9, 10)];
    expect(union(ranges)).toEqual([range(1, 7), range(9, 10)]);
    expect(ranges[0]).toEqual(range(5, 7));
    expect(union([])).toEqual([]);
  });

  test('reaches to the ends of time', () => {
    expect(
      union([
        { from: 5n, to: MAXVALUE },
        { from: MINVALUE, to: 5n },
      ]),
    ).toEqual([{ from: MINVALUE, to: MAXVALUE }]);
  });
});

describe('uncovered', () => {
  test('holds what the range holds and the others do not, in separate pieces', () => {
    fc.assert(
      fc.property(small, fc.array(small, { maxLength: 8 }), (whole, ranges) => {
        const pieces = uncovered(whole, union(ranges));
        const covered = new Set(held(ranges));
        expect(held(pieces)).toEqual(held([whole]).filter((moment) => !covered.has(moment)));
        expect(separate(pieces)).toBe(true);
        expect(nonEmpty(pieces)).toBe(true);
      }),
      { numRuns: 20000 },
    );
  });

  test('gives the holes and the ends', () => {
    expect(uncovered(range(0, 20), [range(2, 4), range(6, 8)])).toEqual([
      range(0, 2),
      range(4, 6),
      range(8, 20),
    ]);
    expect(uncovered(range(3, 7), [range(2, 4), range(6, 8)])).toEqual([range(4, 6)]);
    expect(uncovered(range(3, 7), [{ from: MINVALUE, to: 5n }])).toEqual([range(5, 7)]);
    expect(uncovered(range(3, 7), [range(0, 10)])).toEqual([]);
    expect(uncovered(range(3, 7), [])).toEqual([range(3, 7)]);
  });

  test('gives nothing of an empty or reversed range', () => {
    fc.assert(
      fc.property(small, fc.array(small, { maxLength: 5 }), (whole, ranges) => {
        expect(uncovered({ from: whole.to, to: whole.from }, union(ranges))).toEqual([]);
        expect(uncovered({ from: whole.to, to: whole.to }, union(ranges))).toEqual([]);
      }),
    );
  });
});

describe('points', () => {
  test('order as PostgreSQL orders them', () => {
    const ordered = [MINVALUE, MINUS_INFINITY, -(10n ** 18n), 0n, 10n ** 18n, PLUS_INFINITY, MAXVALUE];
    expect(ordered.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(ordered);
    expect(new Set(ordered).size).toBe(ordered.length);
  });

  test('are bounded unless MINVALUE, MAXVALUE or an infinity', () => {
    expect([MINVALUE, MINUS_INFINITY, PLUS_INFINITY, MAXVALUE].map(isBounded)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect([-(10n ** 18n), 0n, 10n ** 18n].map(isBounded)).toEqual([true, true, true]);
  });

  test('lie in a range from its lower bound on and below its upper bound', () => {
    expect([1n, 2n, 4n, 5n].map((moment) => contains(range(2, 5), moment))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
