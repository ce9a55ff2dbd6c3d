import type { ReportError } from '../contract.ts';
import type { ServerFacts } from './session.ts';

/** For each major version that had a bug, the first minor one that has not. */
export type FixedIn = Readonly<Record<number, number>>;

/** Of indexes that are built while others write. */
export const CONCURRENT_INDEX_BUG: {
  readonly fixedIn: FixedIn;
  readonly what: string;
  readonly afterwards: string;
} = {
  fixedIn: { 14: 4 },
  what: 'CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY can leave out rows that are updated meanwhile, so that queries do not find them',
  afterwards: 'then rebuild every index that was made concurrently: npx partition-keeper reindex',
};

/** The version in which a bug of the server is mended; null: it has not got it. */
export function updateFor(versionNumber: number, fixedIn: FixedIn): string | null {
  const major = Math.floor(versionNumber / 10_000);
  const fixed = fixedIn[major];
  return fixed === undefined || versionNumber % 10_000 >= fixed ? null : `${major}.${fixed}`;
}

/** Why no index may be built concurrently on a server; null: it may. */
export function concurrentIndexProblem({
  version,
  versionNumber,
}: Pick<ServerFacts, 'version' | 'versionNumber'>): ReportError | null {
  const { fixedIn, what, afterwards } = CONCURRENT_INDEX_BUG;
  const updateTo = updateFor(versionNumber, fixedIn);
  if (updateTo === null) return null;
  return {
    code: 'concurrent-index-bug',
    message: `PostgreSQL ${version} has a bug that is mended in ${updateTo}: ${what}. No index is built.`,
    hint: `Update the server to the newest minor version, ${updateTo} or newer; ${afterwards}.`,
  };
}
