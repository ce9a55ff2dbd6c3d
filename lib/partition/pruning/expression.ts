/** A condition of a plan, as the server prints it: every operator in parentheses, every constant with its type. */
export type Expression = { readonly text: string } & (
  | { readonly kind: 'column'; readonly relation: string | null; readonly name: string }
  /** A constant with its type, where it was printed: `'2026-01-01'::date`. */
  | { readonly kind: 'constant'; readonly value: string; readonly type: string | null }
  | { readonly kind: 'parameter' }
  /** The result of a subquery, which is known only while the statement runs. */
  | { readonly kind: 'subplan' }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[] }
  | { readonly kind: 'cast'; readonly operand: Expression; readonly type: string }
  | {
      readonly kind: 'comparison';
      readonly operator: string;
      readonly quantifier: 'ANY' | 'ALL' | null;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'and' | 'or' | 'row'; readonly operands: readonly Expression[] }
  | { readonly kind: 'other'; readonly operands: readonly Expression[] }
);

export type Comparison = Extract<Expression, { kind: 'comparison' }>;

export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'call':
      return expression.args;
    case 'cast':
      return [expression.operand];
    case 'comparison':
      return [expression.left, expression.right];
    case 'and':
    case 'or':
    case 'row':
    case 'other':
      return expression.operands;
    default:
      return [];
  }
}

/** Whether any part of it, or the whole, is of the kind asked for. */
export const some = (expression: Expression, is: (part: Expression) => boolean): boolean =>
  is(expression) || partsOf(expression).some((part) => some(part, is));
