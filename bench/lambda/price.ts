/** List prices of us-east-1, in USD, without any free tier, as published in November 2026. */
export const PRICES = {
  date: 'November 2026',
  region: 'us-east-1',
  /** A second of a gigabyte of a function on x86. */
  gigabyteSecond: 0.0000166667,
  /** A million requests to functions. */
  millionRequests: 0.2,
} as const;

/** What a year of the six tables runs: create monthly, cleanup quarterly, health daily. */
export const RUNS_PER_YEAR = 12 + 4 + 365;

/**
 * What runs of a function cost, each starting cold: start and run are billed, in whole milliseconds.
 * @param gigabytes memory the function is given
 */
export const priceOf = (runs: number, milliseconds: number, gigabytes: number): number =>
  runs * (Math.ceil(milliseconds) / 1000) * gigabytes * PRICES.gigabyteSecond +
  (runs / 1_000_000) * PRICES.millionRequests;
