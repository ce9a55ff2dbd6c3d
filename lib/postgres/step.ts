import type { StepKind } from '../contract.ts';
import type { Range } from '../partition/range.ts';

/** Lock modes of PostgreSQL as `pg_locks` spells them, weakest first. */
export const LOCK_MODES = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
] as const;
export type LockMode = (typeof LOCK_MODES)[number];

/** A lock that a step is going to take on a relation others use. */
export interface LockNeed {
  readonly oid: number;
  readonly relation: string;
  readonly mode: 'ShareUpdateExclusiveLock' | 'ShareRowExclusiveLock' | 'AccessExclusiveLock';
}

/**
 * One unit of work, as data: what is printed by a dry run is exactly what is executed. Statements from the
 * savepoint on, if there is one, are repeated on their own when a lock cannot be had in time.
 */
export interface Step {
  readonly kind: StepKind;
  readonly partition: string;
  readonly partitionOid: number | null;
  readonly range: Range;
  readonly reason: string;
  /** What may be felt by others, in words. */
  readonly hazards: readonly string[];
  /** Waited for outside any lock queue before every attempt. */
  readonly locks: readonly LockNeed[];
  readonly statements: readonly string[];
  /**
   * All statements are repeated until these say `done`: one of them is a query, which also says how much of `total`
   * is `finished`, and how many `rows` that is.
   */
  readonly progress?: readonly string[];
  /** The statement that gives a privilege which the step lacks, by the catalog's word. */
  readonly missingGrant?: string;
  /** Takes back what the step committed before it failed. */
  readonly undo?: readonly string[];
  /**
   * What to do instead when the parent is never free: steps that need no lock on it that readers would feel. Or, when
   * the default partition turns out to hold rows of a new partition: the step that moves them.
   */
  readonly fallback?: readonly Step[];
}

export const SAVEPOINT = 'SAVEPOINT partition_keeper';
