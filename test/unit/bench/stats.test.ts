import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { figureOf, median, percentile, ratio, withOmitted } from '../../../bench/frame/stats.ts';

const number = fc.double({ min: -1e9, max: 1e9, noNaN: true });
const numbers = fc.array(number, { minLength: 1, maxLength: 50 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('percentile', () => {
  test('of known values', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(percentile([10, 20, 30, 40, 50], 0.25)).toBe(20);
    expect(percentile([0, 1000], 0.999)).toBe(999);
  });

  test('lies within the values, and does not depend on their order', () => {
    fc.assert(
      fc.property(numbers, share, (values, part) => {
        const result = percentile(values, part);
        expect(result).toBeGreaterThanOrEqual(Math.min(...values));
        expect(result).toBeLessThanOrEqual(Math.max(...values));
        expect(percentile(values.toReversed(), part)).toBe(result);
      }),
    );
  });

  test('has the share of the values at or below it, and the rest at or above', () => {
    fc.assert(
      fc.property(numbers, share, (values, part) => {
        const result = percentile(values, part);
        const place = part * (values.length - 1);
        expect(values.filter((value) => value <= result).length).toBeGreaterThanOrEqual(
          Math.floor(place) + 1,
        );
        expect(values.filter((value) => value >= result).length).toBeGreaterThanOrEqual(
          values.length - Math.ceil(place),
        );
      }),
    );
  });

  test('never falls when the share grows', () => {
    fc.assert(
      fc.property(numbers, share, share, (values, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        expect(percentile(values, less)).toBeLessThanOrEqual(percentile(values, more));
      }),
    );
  });

  test('is refused where there is none', () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError);
    expect(() => percentile([1], 1.1)).toThrow('1.1');
    expect(() => percentile([1], Number.NaN)).toThrow(RangeError);
  });
});

test('a figure has the median, both ends and the number of runs', () => {
  expect(figureOf([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9, runs: 3 });
});

test('there is no ratio to nothing, or to zero', () => {
  expect(ratio(figureOf([6]), figureOf([2]))).toBe(3);
  expect(ratio(figureOf([6]), null)).toBeNull();
  expect(ratio(null, figureOf([6]))).toBeNull();
  expect(ratio(figureOf([6]), figureOf([0]))).toBeNull();
});

describe('waits with those that were omitted', () => {
  test('a long wait counts for all that would have begun meanwhile', () => {
    expect(withOmitted([1, 20], 5)).toEqual([1, 20, 15, 10, 5]);
  });

  test('every wait stays, none is longer, and the added ones are at least an interval', () => {
    const waits = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { maxLength: 20 });
    fc.assert(
      fc.property(waits, fc.integer({ min: 1, max: 100 }), (some, interval) => {
        const all = withOmitted(some, interval);
        expect(all.length).toBe(
          some.reduce((sum, wait) => sum + Math.max(1, Math.floor(wait / interval)), 0),
        );
        expect(all.filter((wait) => wait < interval).length).toBe(
          some.filter((wait) => wait < interval).length,
        );
        expect(Math.max(0, ...all)).toBe(Math.max(0, ...some));
      }),
    );
  });
});
