import type { Expression } from './expression.ts';
import { nameOf, type Token, tokensOf } from './tokens.ts';

/** What stands for a value without arguments or quotes. */
const VALUES: ReadonlySet<string> = new Set([
  'CURRENT_DATE',
  'CURRENT_TIME',
  'CURRENT_TIMESTAMP',
  'LOCALTIME',
  'LOCALTIMESTAMP',
  'CURRENT_USER',
  'SESSION_USER',
  'CURRENT_ROLE',
  'CURRENT_CATALOG',
  'CURRENT_SCHEMA',
]);

class NotUnderstood extends Error {}

/** Reads one expression by recursive descent. What it does not know ends it with NotUnderstood. */
class Reader {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.text = text;
    this.tokens = tokens;
  }

  get ended(): boolean {
    return this.at >= this.tokens.length;
  }

  private get next(): Token | undefined {
    return this.tokens[this.at];
  }

  private is(...texts: readonly string[]): boolean {
    return texts.every((text, index) => {
      const token = this.tokens[this.at + index];
      return token !== undefined && token.kind !== 'name' && token.kind !== 'string' && token.text === text;
    });
  }

  private take(...texts: readonly string[]): boolean {
    if (!this.is(...texts)) return false;
    this.at += texts.length;
    return true;
  }

  private demand(text: string): void {
    if (!this.take(text)) throw new NotUnderstood(text);
  }

  private since(start: number): string {
    return this.text.slice(this.tokens[start]?.start, this.tokens[this.at - 1]?.end);
  }

  expression(): Expression {
    const start = this.at;
    let left = this.operand();
    while (!this.ended && !this.is(')') && !this.is(',') && !this.is(']') && !this.is('FROM'))
      left = this.continued(left, start);
    return left;
  }

  private continued(left: Expression, start: number): Expression {
    const connective = this.is('AND') ? 'and' : this.is('OR') ? 'or' : undefined;
    if (connective !== undefined) {
      const operands = [left];
      while (this.take(connective.toUpperCase())) operands.push(this.operand());
      return { kind: connective, operands, text: this.since(start) };
    }
    if (this.take('AT', 'TIME', 'ZONE')) {
      const zone = this.operand();
      return { kind: 'call', name: 'timezone', args: [zone, left], text: this.since(start) };
    }
    if (this.take('IS')) {
      this.skip();
      return { kind: 'other', operands: [left], text: this.since(start) };
    }
    const operator = this.next;
    if (operator?.kind !== 'operator') throw new NotUnderstood(operator?.text);
    this.at++;
    const quantifier = this.take('ANY') ? 'ANY' : this.take('ALL') ? 'ALL' : null;
    const right = this.operand();
    return { kind: 'comparison', operator: operator.text, quantifier, left, right, text: this.since(start) };
  }

  /** Goes to the end of the parentheses it is in. */
  private skip(): void {
    for (let depth = 0; !this.ended; this.at++) {
      if (this.is('(')) depth++;
      else if (this.is(')') && --depth < 0) return;
    }
  }

  private operand(): Expression {
    const start = this.at;
    if (this.take('NOT')) return { kind: 'other', operands: [this.operand()], text: this.since(start) };
    if (this.next?.kind === 'operator') {
      this.at++;
      return { kind: 'other', operands: [this.operand()], text: this.since(start) };
    }
    let value = this.primary();
    while (this.take('::')) {
      const type = this.type();
      const text = this.since(start);
      value =
        value.kind === 'constant'
          ? { ...value, type: value.type ?? type, text }
          : { kind: 'cast', operand: value, type, text };
    }
    return value;
  }

  private primary(): Expression {
    const start = this.at;
    const token = this.next;
    if (token === undefined) throw new NotUnderstood('the end');
    if (this.take('(')) return this.parenthesis(start);
    this.at++;
    switch (token.kind) {
      case 'string':
        return {
          kind: 'constant',
          value: token.text.slice(1, -1).replaceAll("''", "'"),
          type: null,
          text: token.text,
        };
      case 'number':
        return { kind: 'constant', value: token.text, type: null, text: token.text };
      case 'parameter':
        return { kind: 'parameter', text: token.text };
      case 'name':
      case 'word':
        return this.named(token, start);
      default:
        throw new NotUnderstood(token.text);
    }
  }

  private parenthesis(start: number): Expression {
    if (this.is('InitPlan') || this.is('SubPlan') || this.is('hashed', 'SubPlan')) {
      this.skip();
      this.demand(')');
      if (this.take('.')) this.at++;
      return { kind: 'subplan', text: this.since(start) };
    }
    const inner = this.expression();
    this.demand(')');
    return { ...inner, text: this.since(start) };
  }

  private list(closing: string): Expression[] {
    const items: Expression[] = [];
    while (!this.take(closing)) {
      items.push(this.expression());
      if (!this.is(closing)) this.demand(',');
    }
    return items;
  }

  private named(token: Token, start: number): Expression {
    if (token.kind === 'word') {
      if (token.text === 'true' || token.text === 'false' || token.text === 'NULL')
        return { kind: 'constant', value: token.text, type: null, text: token.text };
      if (VALUES.has(token.text)) {
        if (this.take('(')) this.list(')');
        return { kind: 'call', name: token.text, args: [], text: this.since(start) };
      }
      if (token.text === 'ROW' && this.take('('))
        return { kind: 'row', operands: this.list(')'), text: this.since(start) };
      if (token.text === 'ARRAY' && this.take('['))
        return { kind: 'other', operands: this.list(']'), text: this.since(start) };
      if (token.text === 'EXTRACT' && this.take('(')) return this.extract(start);
    }
    const path = [nameOf(token)];
    while (this.take('.')) {
      const part = this.next;
      if (part?.kind !== 'word' && part?.kind !== 'name') throw new NotUnderstood(part?.text);
      this.at++;
      path.push(nameOf(part));
    }
    if (this.take('(')) {
      const args = this.list(')');
      return { kind: 'call', name: path.join('.'), args, text: this.since(start) };
    }
    const name = path.at(-1) ?? '';
    return { kind: 'column', relation: path.at(-2) ?? null, name, text: this.since(start) };
  }

  private extract(start: number): Expression {
    const field = this.next;
    this.at++;
    this.demand('FROM');
    const source = this.expression();
    this.demand(')');
    const unit: Expression = {
      kind: 'constant',
      value: field?.text ?? '',
      type: null,
      text: field?.text ?? '',
    };
    return { kind: 'call', name: 'extract', args: [unit, source], text: this.since(start) };
  }

  /** The name of a type, which may be of several words: `timestamp(3) with time zone`, `integer[]`. */
  private type(): string {
    const start = this.at;
    this.at++;
    while (this.take('.')) this.at++;
    if (!this.take('varying')) this.take('precision');
    if (this.take('(')) this.list(')');
    if (!this.take('with', 'time', 'zone')) this.take('without', 'time', 'zone');
    if (this.take('[')) this.demand(']');
    return this.since(start);
  }
}

/** A condition of a plan; what is not understood is one part without structure, which only its text describes. */
export function parseExpression(text: string): Expression {
  const tokens = tokensOf(text);
  if (tokens === undefined) return { kind: 'other', operands: [], text };
  try {
    const reader = new Reader(text, tokens);
    const expression = reader.expression();
    if (reader.ended) return expression;
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
  }
  // Its columns are there all the same.
  const operands = tokens.flatMap((token): Expression[] =>
    token.kind === 'word' || token.kind === 'name'
      ? [{ kind: 'column', relation: null, name: nameOf(token), text: token.text }]
      : [],
  );
  return { kind: 'other', operands, text };
}

/** The parts of `((a) AND (b))`, each read by itself, so that one that is not understood spoils no other. */
export function conjunctsOf(text: string): Expression[] {
  const tokens = tokensOf(text) ?? [];
  const [first, last] = [tokens[0], tokens.at(-1)];
  if (first?.text !== '(' || last?.text !== ')') return [parseExpression(text)];
  const cuts: number[] = [first.end];
  let depth = 0;
  for (const { kind, text: word, start, end } of tokens) {
    if (kind === 'punctuation' && word === '(') depth++;
    if (kind === 'punctuation' && word === ')' && --depth === 0 && end !== last.end)
      return [parseExpression(text)];
    if (depth === 1 && kind === 'word' && word === 'AND') cuts.push(start, end);
  }
  cuts.push(last.start);
  if (cuts.length === 2) return [parseExpression(text)];
  return Array.from({ length: cuts.length / 2 }, (_, index) =>
    parseExpression(text.slice(cuts[index * 2], cuts[index * 2 + 1]).trim()),
  );
}
