import type { ConvertJobOptions, Report } from '../../../lib/index.ts';
import { type Keeper, keeper, type Settings } from '../keeper.ts';

/** Years, so that few partitions do, however many days the rows are of. */
export const YEARS: Settings = { interval: 'year', premake: 1 };

type Options = Parameters<Keeper['convert']>[0];

/** Converts by years, with what is asked for besides. */
export const convertByYears = (url: string, options: Options = {}): Promise<Report> =>
  keeper({ url }, YEARS).convert(options);

type StepKind = Parameters<NonNullable<ConvertJobOptions['onStep']>>[0]['step']['kind'];

/** Copies until a step of the kind has been done, and no further. */
export async function copyUntil(url: string, kind: StepKind): Promise<Report> {
  const end = new AbortController();
  return await convertByYears(url, {
    strategy: 'copy',
    signal: end.signal,
    onStep: ({ step }) => {
      if (step.kind === kind) end.abort();
    },
  });
}
