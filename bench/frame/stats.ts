import type { Figure } from './model.ts';

/**
 * The value below which the share of the values lies, interpolated between neighbours.
 * @param share from 0, the smallest value, to 1, the largest
 * @throws RangeError where there is no value, or no such share
 */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('There is no percentile of no values.');
  if (!(share >= 0 && share <= 1)) throw new RangeError(`The share ${share} is not between 0 and 1.`);
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] ?? 0, sorted[Math.ceil(place)] ?? 0];
  // Not below * (1 - part) + above * part, which may lie outside of both by a rounding error.
  return Math.min(above, below + (above - below) * (place - Math.floor(place)));
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** @throws RangeError where there is no value */
export function figureOf(values: readonly number[]): Figure {
  return {
    median: median(values),
    min: percentile(values, 0),
    max: percentile(values, 1),
    runs: values.length,
  };
}

/** How many times the median of the other one this median is; null where there is none to compare. */
export const ratio = (figure: Figure | null, to: Figure | null): number | null =>
  figure === null || to === null || to.median === 0 ? null : figure.median / to.median;

/**
 * The waits as they would have been for an application that starts a statement at every interval: whoever has to wait
 * starts none meanwhile, so that long waits would count too little among many short ones.
 * @param interval in the unit of the waits, above 0
 */
export const withOmitted = (waits: readonly number[], interval: number): number[] =>
  waits.flatMap((wait) =>
    Array.from({ length: Math.max(1, Math.floor(wait / interval)) }, (_, missed) => wait - missed * interval),
  );
