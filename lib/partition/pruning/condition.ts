import type { Pruning, PruningFindingName } from '../../contract.ts';
import type { KeyType } from '../key-type.ts';
import { type Comparison, type Expression, some } from './expression.ts';
import { type Isolated, isolate, keyFirst } from './isolate.ts';
import { isKey, type Key, mentionsKey, mentionsOwn } from './key.ts';
import { timeTypeOf } from './moment.ts';

/** What is known of the functions and parameters in conditions. */
export interface Knowledge {
  readonly isVolatile: (functionName: string) => boolean;
  /** Parameters that are results of subqueries. */
  readonly subqueries: ReadonlySet<string>;
}

/** What a condition does for pruning: it names a range of the key, stands in the way, or is about something else. */
export type Judged =
  | {
      readonly kind: 'range';
      readonly when: Exclude<Pruning, 'never'>;
      /** Whether it bounds the key below and above. */
      readonly from: boolean;
      readonly to: boolean;
      /** Why it is not known at planning; null: it is. */
      readonly late: Extract<
        PruningFindingName,
        'type' | 'stable' | 'parameter' | 'subquery' | 'join'
      > | null;
    }
  | { readonly kind: 'obstacle'; readonly finding: PruningFindingName; readonly isolated: Isolated | null }
  | { readonly kind: 'irrelevant' };

const IRRELEVANT: Judged = { kind: 'irrelevant' };
const obstacle = (finding: PruningFindingName, isolated: Isolated | null = null): Judged => ({
  kind: 'obstacle',
  finding,
  isolated,
});

/** Types whose comparison with the key depends on the session's time zone, and so waits for the execution. */
const isForeign = (type: string | null, keyType: KeyType): boolean => {
  const other = timeTypeOf((type ?? '').replace(/\[\]$/, ''));
  return other !== undefined && (other === 'timestamptz') !== (keyType === 'timestamptz');
};

function value(right: Expression, key: Key, { isVolatile, subqueries }: Knowledge) {
  if (some(right, (part) => part.kind === 'call' && isVolatile(part.name))) return 'volatile';
  if (mentionsOwn(right, key)) return 'own-column';
  if (some(right, (part) => part.kind === 'column')) return 'join';
  if (
    some(right, (part) => part.kind === 'subplan' || (part.kind === 'parameter' && subqueries.has(part.text)))
  )
    return 'subquery';
  if (some(right, ({ kind }) => kind === 'parameter')) return 'parameter';
  if (right.kind !== 'constant') return 'stable';
  return isForeign(right.type, key.type) ? 'type' : null;
}

const WHEN = {
  type: 'start',
  stable: 'start',
  parameter: 'start',
  subquery: 'running',
  join: 'running',
} as const;

/** `key operator value`. */
function bareKey({ operator, right }: Comparison, key: Key, knowledge: Knowledge): Judged {
  if (!/^(=|<=?|>=?)$/.test(operator)) return obstacle('inequality');
  const late = value(right, key, knowledge);
  if (late === 'volatile' || late === 'own-column') return obstacle(late);
  return {
    kind: 'range',
    when: late === null ? 'planning' : WHEN[late],
    from: operator !== '<' && operator !== '<=',
    to: operator !== '>' && operator !== '>=',
    late,
  };
}

const ORDER: readonly Pruning[] = ['planning', 'start', 'running', 'never'];
type RangeOf = Extract<Judged, { kind: 'range' }>;
const isRange = (judged: Judged): judged is RangeOf => judged.kind === 'range';
const byTime = (a: RangeOf, b: RangeOf): number => ORDER.indexOf(a.when) - ORDER.indexOf(b.when);

/** What a list of conditions that all hold says of the key together. */
export function together(judged: readonly Judged[]): RangeOf | null {
  const ranges = judged.filter(isRange).toSorted(byTime);
  const [first] = ranges;
  if (first === undefined) return null;
  return { ...first, from: ranges.some(({ from }) => from), to: ranges.some(({ to }) => to) };
}

function either(branches: readonly Expression[], key: Key, knowledge: Knowledge): Judged {
  const ranges = branches.map((branch) =>
    together((branch.kind === 'and' ? branch.operands : [branch]).map((one) => judge(one, key, knowledge))),
  );
  const known = ranges.flatMap((range) => range ?? []).toSorted(byTime);
  const last = known.at(-1);
  if (last === undefined || known.length < branches.length) return obstacle('or');
  return { ...last, from: known.every(({ from }) => from), to: known.every(({ to }) => to) };
}

/** What one condition of the query does for the pruning of the table. */
export function judge(condition: Expression, key: Key, knowledge: Knowledge): Judged {
  if (!mentionsKey(condition, key)) return IRRELEVANT;
  if (condition.kind === 'or') return either(condition.operands, key, knowledge);
  if (condition.kind === 'and')
    return together(condition.operands.map((one) => judge(one, key, knowledge))) ?? obstacle('expression');
  if (condition.kind === 'other') {
    if (/ IS NOT NULL\)?$/.test(condition.text)) return IRRELEVANT;
    const [only] = condition.operands;
    if (/ IS NULL\)?$/.test(condition.text) && only !== undefined && isKey(only, key))
      return { kind: 'range', when: 'planning', from: true, to: true, late: null };
    return obstacle('expression');
  }
  if (condition.kind !== 'comparison') return obstacle('expression');
  const { left, right, operator } = condition;
  if (left.kind === 'row' || right.kind === 'row')
    return obstacle(operator === '=' ? 'expression' : 'row-comparison');
  const turned = keyFirst(condition, key);
  if (turned === undefined) {
    // The key on both sides, or behind an operator that has no counterpart.
    const bare = isKey(left, key) || isKey(right, key);
    return obstacle(
      bare && mentionsOwn(left, key) && mentionsOwn(right, key)
        ? 'own-column'
        : bare
          ? 'inequality'
          : 'expression',
    );
  }
  if (isKey(turned.left, key)) return bareKey(turned, key, knowledge);
  return obstacle('expression', isolate(condition, key));
}
