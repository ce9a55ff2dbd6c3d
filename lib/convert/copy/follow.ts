import type { ReportError } from '../../contract.ts';
import { isBounded, type Point } from '../../partition/range.ts';
import type { StatementContext } from '../../postgres/statements/common.ts';
import type { Step } from '../../postgres/step.ts';
import type { Unit } from '../unit.ts';
import { catchUpStep } from './changes.ts';
import { followingDigest, LAST_CHANGES, mirrorStep } from './mirror.ts';
import type { Pair } from './pair.ts';
import type { CopyState } from './state.ts';

export interface CopyPlan {
  readonly units: readonly Unit[];
  readonly refusal: ReportError | null;
}

/** What is outstanding while the other table follows, or is about to. */
export function followSteps(copy: CopyState | null, pair: Pair, context: StatementContext): Step[] {
  const outstanding = copy?.log?.outstanding ?? 'few';
  const follows = copy?.follows?.digest === followingDigest(pair);
  return [
    ...(copy?.follows == null && outstanding !== 'none' ? [catchUpStep(pair, LAST_CHANGES, context)] : []),
    ...(follows && outstanding === 'none' ? [] : [mirrorStep(pair, follows, context)]),
  ];
}

export const unit = (stage: Unit['stage'], steps: readonly Step[]): Unit[] =>
  steps.length === 0 ? [] : [{ stage, steps }];

export const boundsOf = (ranges: readonly { readonly from: Point; readonly to: Point }[]): Point[] =>
  [...new Set(ranges.flatMap(({ from, to }) => [from, to]))]
    .filter(isBounded)
    .sort((a, b) => (a < b ? -1 : 1));
