import type { Report } from '../../../lib/index.ts';
import { type Keeper, keeper, type Settings } from '../keeper.ts';

/** Years, so that few partitions do, however many days the rows are of. */
export const YEARS: Settings = { interval: 'year', premake: 1 };

/** Converts by years, with what is asked for besides. */
export const convertByYears = (
  url: string,
  options: Parameters<Keeper['convert']>[0] = {},
): Promise<Report> => keeper({ url }, YEARS).convert(options);
