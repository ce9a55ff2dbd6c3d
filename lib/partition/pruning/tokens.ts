export interface Token {
  readonly kind: 'string' | 'number' | 'parameter' | 'word' | 'name' | 'operator' | 'punctuation';
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const KINDS: readonly (readonly [Token['kind'] | 'space', RegExp])[] = [
  ['space', /(?:\s+|--[^\n]*|\/\*[\s\S]*?\*\/)/y],
  [
    'string',
    /[eE]'(?:[^'\\]|\\.|'')*'|[bBxX]?'(?:[^']|'')*'|\$([A-Za-z_\u0080-\uffff]\w*)?\$[\s\S]*?\$\1\$/y,
  ],
  ['name', /"(?:[^"]|"")*"/y],
  ['parameter', /\$\d+/y],
  ['number', /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y],
  ['word', /[A-Za-z_\u0080-\u{10ffff}][\w$\u0080-\u{10ffff}]*/uy],
  ['punctuation', /::|[()[\],.:;]/y],
  ['operator', /[-+*/<>=~!@#%^&|`?]+/y],
];

function next(text: string, start: number): readonly [Token['kind'] | 'space', number] | undefined {
  for (const [kind, pattern] of KINDS) {
    pattern.lastIndex = start;
    if (pattern.test(text) && pattern.lastIndex > start) return [kind, pattern.lastIndex];
  }
  return undefined;
}

/** The words of a piece of SQL, comments left out; undefined where it is none. */
export function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let start = 0; start < text.length; ) {
    const found = next(text, start);
    if (found === undefined) return undefined;
    const [kind, end] = found;
    if (kind !== 'space') tokens.push({ kind, text: text.slice(start, end), start, end });
    start = end;
  }
  return tokens;
}

/** An identifier as the catalog has it. */
export const nameOf = ({ kind, text }: Token): string =>
  kind === 'name' ? text.slice(1, -1).replaceAll('""', '"') : text;
