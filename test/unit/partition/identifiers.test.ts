import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  displayIdentifier,
  displayName,
  parseDisplayName,
  qualified,
  quoteIdentifier,
  quoteLiteral,
  shellWord,
} from '../../../lib/partition/identifiers.ts';
import { hasControls } from '../../../lib/partition/legible.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom(
      '"',
      "'",
      '\\',
      '.',
      ';',
      '-',
      '$',
      ' ',
      '\n',
      '\u001b',
      '\u202e',
      '0',
      'U&',
      'a',
      'Ü',
    ),
    maxLength: 12,
  }),
);

/** Reads a quoted identifier as PostgreSQL does; undefined if it ends early or late, or has an escape that is none. */
function readIdentifier(sql: string): string | undefined {
  const [, unicode, text] = /^(U&)?"((?:[^"]|"")*)"$/.exec(sql) ?? [];
  if (text === undefined) return undefined;
  const name = text.replaceAll('""', '"');
  if (unicode === undefined) return name;
  if (/\\(?![0-9a-fA-F]{4})/.test(name.replaceAll('\\\\', ''))) return undefined;
  return name.replace(/\\(\\|[0-9a-fA-F]{4})/g, (_, code) =>
    code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

/** Reads a string constant as PostgreSQL does with either setting of standard_conforming_strings. */
function readLiteral(sql: string, conforming: boolean): string | undefined {
  const escapes = sql.startsWith('E') || !conforming;
  const body = sql.startsWith('E') ? sql.slice(1) : sql;
  if (!/^'(?:[^']|'')*'$/s.test(body)) return undefined;
  const inner = body.slice(1, -1).replaceAll("''", "'");
  if (!escapes) return inner;
  // Of all escapes only the doubled backslash is ours.
  return /\\(?!\\)/.test(inner.replaceAll('\\\\', '')) ? undefined : inner.replaceAll('\\\\', '\\');
}

/** Reads a line as a shell does that knows single quotes, also after a $, and backslashes; undefined for anything more. */
function readShellWords(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  for (const [token] of line.matchAll(/\$'(?:[^'\\]|\\.)*'|'[^']*'|\\.|[ \t\n]+|./gs)) {
    if (/^[ \t\n]/.test(token)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (token.startsWith("$'")) {
      word =
        (word ?? '') +
        token
          .slice(2, -1)
          .replace(/\\(?:u([0-9a-f]{4})|(.))/gs, (_, code, escaped) =>
            code === undefined ? escaped : String.fromCharCode(Number.parseInt(code, 16)),
          );
    } else if (token.length > 1) {
      word = (word ?? '') + (token.startsWith("'") ? token.slice(1, -1) : token.slice(1));
    } else if (/[A-Za-z0-9_@%+=:,./-]/.test(token)) {
      word = (word ?? '') + token;
    } else {
      return undefined;
    }
  }
  return word === undefined ? words : [...words, word];
}

describe('quoteIdentifier', () => {
  test('reads back as the name, and is one identifier', () => {
    fc.assert(
      fc.property(anyText, (name) => {
        expect(readIdentifier(quoteIdentifier(name))).toBe(name);
      }),
      { numRuns: 10000 },
    );
  });

  test.each([
    ['events', '"events"'],
    ['Größe', '"Größe"'],
    ['a"b', '"a""b"'],
    ['x"; DROP TABLE y; --', '"x""; DROP TABLE y; --"'],
  ])('%s becomes %s', (name, expected) => {
    expect(quoteIdentifier(name)).toBe(expected);
  });

  test('both parts of a qualified name are quoted', () => {
    expect(qualified('my.schema', 'a"b')).toBe('"my.schema"."a""b"');
  });
});

describe('quoteLiteral', () => {
  test('reads back as the text, whatever standard_conforming_strings says', () => {
    fc.assert(
      fc.property(anyText, fc.boolean(), (text, conforming) => {
        expect(readLiteral(quoteLiteral(text), conforming)).toBe(text);
      }),
      { numRuns: 20000 },
    );
  });

  test.each([
    ['plain', "'plain'"],
    ["it's", "'it''s'"],
    ['a\\b', "E'a\\\\b'"],
    ["\\'; DROP TABLE y; --", "E'\\\\''; DROP TABLE y; --'"],
    ['', "''"],
  ])('%s becomes %s', (text, expected) => {
    expect(quoteLiteral(text)).toBe(expected);
  });
});

describe('displayName', () => {
  test.each([
    ['platform', 'audit_logs', 'platform.audit_logs'],
    ['platform', 'AuditLogs', 'platform."AuditLogs"'],
    ['my schema', 't', '"my schema".t'],
    ['s', '2026', 's."2026"'],
    ['s', 'a.b', 's."a.b"'],
    ['s', 'größe', 's."größe"'],
    ['s', 'a\n', 's.U&"a\\000a"'],
    ['\u001b', 'a\\"\u2028', 'U&"\\001b".U&"a\\\\""\\2028"'],
    ['s', '', 's.""'],
    ['_s', 'a$1', '_s.a$1'],
  ])('of %s and %s is %s', (schema, name, expected) => {
    expect(displayName(schema, name)).toBe(expected);
  });

  test('an identifier without quotes is one that PostgreSQL would not fold or cut', () => {
    fc.assert(
      fc.property(anyText, (name) => {
        const shown = displayIdentifier(name);
        expect(hasControls(shown)).toBe(false);
        expect(shown === name ? name : readIdentifier(shown)).toBe(name);
        if (shown === name) expect(name).toMatch(/^[a-z_][a-z0-9_$]*$/);
      }),
    );
  });
});

describe('parseDisplayName', () => {
  test('reads what displayName writes of names that a server takes', () => {
    const aName = anyText.filter((name) => name !== '' && !name.includes('\0'));
    fc.assert(
      fc.property(aName, aName, (schema, name) => {
        expect(parseDisplayName(displayName(schema, name))).toEqual({ schema, name });
      }),
      { numRuns: 10000 },
    );
  });

  test('reads the quotes of any name', () => {
    expect(parseDisplayName('s."a\n"')).toEqual({ schema: 's', name: 'a\n' });
  });

  test.each([
    '',
    'events',
    'a.b.c',
    'App.events',
    'app.',
    'app."a',
    'app."a"b"',
    'app.U&"a\\0000"',
    'app."a\0"',
  ])('does not read %j', (text) => {
    expect(parseDisplayName(text)).toBeNull();
  });
});

describe('shellWord', () => {
  test('is read as exactly one word, the text itself', () => {
    fc.assert(
      fc.property(anyText, anyText, (text, other) => {
        const line = `${shellWord(text)} ${shellWord(other)}`;
        expect(hasControls(line)).toBe(false);
        expect(readShellWords(line)).toEqual([text, other]);
      }),
      { numRuns: 20000 },
    );
  });

  test.each([
    ['platform.audit_logs', 'platform.audit_logs'],
    ['a b', "'a b'"],
    ["it's", "'it'\\''s'"],
    ['$(rm -rf /)', "'$(rm -rf /)'"],
    ['a\n', "$'a\\u000a'"],
    ["\u001b\\'", "$'\\u001b\\\\\\''"],
    ['*', "'*'"],
    ['~', "'~'"],
    ['größe', "'größe'"],
    ['', "''"],
  ])('%s becomes %s', (text, expected) => {
    expect(shellWord(text)).toBe(expected);
  });
});
