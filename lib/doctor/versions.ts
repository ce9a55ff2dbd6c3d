import { CONCURRENT_INDEX_BUG, updateFor } from '../postgres/concurrent-indexes.ts';

/** The day on which the last minor version of a major one is published. */
const END_OF_LIFE: Readonly<Record<number, string>> = {
  14: '2026-11-12',
  15: '2027-11-11',
  16: '2028-11-09',
  17: '2029-11-08',
  18: '2030-11-14',
};

/** What a table has to have for a bug to matter to it. */
export type Concern = 'any' | 'default partition' | 'foreign key to itself' | 'foreign key';

export interface KnownBug {
  /** For each major version that had it, the first minor one that has not. */
  readonly fixedIn: Readonly<Record<number, number>>;
  readonly severity: 'critical' | 'warning' | 'info';
  readonly concerns: Concern;
  readonly what: string;
  /** What to do besides the update. */
  readonly afterwards: string | null;
}

/** Bugs of minor versions that partitions, or what we do with them, run into; from the release notes of the server. */
const KNOWN_BUGS: readonly KnownBug[] = [
  {
    ...CONCURRENT_INDEX_BUG,
    severity: 'critical',
    concerns: 'any',
  },
  {
    fixedIn: { 14: 24, 15: 19, 16: 15, 17: 11, 18: 5 },
    severity: 'warning',
    concerns: 'default partition',
    what: 'queries can leave out the default partition though it holds rows they ask for, as with key IS NOT NULL AND key = ANY (..)',
    afterwards: 'until then, keep the default partition empty',
  },
  {
    fixedIn: { 14: 14, 15: 9, 16: 5, 17: 1 },
    severity: 'warning',
    concerns: 'any',
    what: 'queries can fail, or end their session, when a partition is dropped right after it was detached concurrently, as cleanup does where readers never leave the table free',
    afterwards: null,
  },
  {
    fixedIn: { 14: 14, 15: 9, 16: 5, 17: 1 },
    severity: 'info',
    concerns: 'foreign key',
    what: 'a detached partition whose foreign keys refer to a partitioned table does not enforce them any more',
    afterwards: 'then drop and add these keys of tables that were detached and kept',
  },
  {
    fixedIn: { 14: 18, 15: 13, 16: 9, 17: 5 },
    severity: 'warning',
    concerns: 'foreign key to itself',
    what: 'foreign keys of a partitioned table that refer to itself are not enforced in full on new partitions',
    afterwards: 'then drop and add these keys',
  },
];

const majorOf = (versionNumber: number): number => Math.floor(versionNumber / 10_000);

/** The bugs that a server has, each with the version to update to. */
export const bugsOf = (versionNumber: number): readonly (KnownBug & { readonly updateTo: string })[] =>
  KNOWN_BUGS.flatMap((bug) => {
    const updateTo = updateFor(versionNumber, bug.fixedIn);
    return updateTo === null ? [] : [{ ...bug, updateTo }];
  });

/** When support for a server ends, or has ended; null where that is not known yet. */
export const endOfLife = (versionNumber: number): string | null =>
  END_OF_LIFE[majorOf(versionNumber)] ?? null;
