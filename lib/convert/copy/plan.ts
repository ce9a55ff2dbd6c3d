import type { StatementContext } from '../../postgres/statements/common.ts';
import { analyzeStep } from '../attach/steps.ts';
import type { Situation } from '../situation.ts';
import { discard, exchangeBack, finish, keepUp } from './afterwards.ts';
import { type CopyPlan, unit } from './follow.ts';
import { forward } from './forward.ts';
import type { CopyStrategy } from './strategy.ts';

/** What is wanted of a conversion: to go on, to go back, or to remove what is no longer needed. */
type Aim = 'convert' | 'undo' | 'finish';

export interface CopyWish {
  readonly aim: Aim;
  /** Goes on where a guard would refuse. */
  readonly approve: boolean;
  /** Rows a second at most; absent: as many as the server can. */
  readonly maxRate?: number | undefined;
}

/** What is left to do, in units after each of which the catalog is looked at anew. */
export function planCopy(
  situation: Situation,
  strategy: CopyStrategy,
  wish: CopyWish,
  context: StatementContext,
): CopyPlan {
  const { copy, table } = situation;
  const { aim, approve } = wish;
  if (copy?.phase === 'after') {
    if (aim === 'undo') return exchangeBack(situation, context, approve);
    if (aim === 'finish') return finish(situation, context);
    return {
      units: [
        ...keepUp(situation, context),
        ...(table.rows === null && table.mayManage ? unit('switch', [analyzeStep(table, context)]) : []),
      ],
      refusal: null,
    };
  }
  if (aim === 'undo')
    return { units: copy === null ? [] : unit('prepare', discard(situation, context)), refusal: null };
  return forward(situation, strategy, wish, context);
}
