import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  displayIdentifier,
  displayName,
  qualified,
  quoteIdentifier,
  quoteLiteral,
  shellWord,
} from '../../../lib/partition/identifiers.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom('"', "'", '\\', '.', ';', '-', '$', ' ', '\n', 'a', 'Ü'),
    maxLength: 12,
  }),
);

/** Reads a quoted identifier as PostgreSQL does; undefined if it ends early or late. */
const readIdentifier = (sql: string): string | undefined =>
  /^"(?:[^"]|"")*"$/.test(sql) ? sql.slice(1, -1).replaceAll('""', '"') : undefined;

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

/** Reads a line as a POSIX shell does that knows single quotes and backslashes; undefined for anything more. */
function readShellWords(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  for (const [token] of line.matchAll(/'[^']*'|\\.|[ \t\n]+|./gs)) {
    if (/^[ \t\n]/.test(token)) {
      if (word !== undefined) words.push(word);
      word = undefined;
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
    ['s', 'a\n', 's."a\n"'],
    ['s', '', 's.""'],
    ['_s', 'a$1', '_s.a$1'],
  ])('of %s and %s is %s', (schema, name, expected) => {
    expect(displayName(schema, name)).toBe(expected);
  });

  test('an identifier without quotes is one that PostgreSQL would not fold or cut', () => {
    fc.assert(
      fc.property(anyText, (name) => {
        const shown = displayIdentifier(name);
        expect(shown === name ? name : readIdentifier(shown)).toBe(name);
        if (shown === name) expect(name).toMatch(/^[a-z_][a-z0-9_$]*$/);
      }),
    );
  });
});

describe('shellWord', () => {
  test('is read as exactly one word, the text itself', () => {
    fc.assert(
      fc.property(anyText, anyText, (text, other) => {
        expect(readShellWords(`${shellWord(text)} ${shellWord(other)}`)).toEqual([text, other]);
      }),
      { numRuns: 20000 },
    );
  });

  test.each([
    ['platform.audit_logs', 'platform.audit_logs'],
    ['a b', "'a b'"],
    ["it's", "'it'\\''s'"],
    ['$(rm -rf /)', "'$(rm -rf /)'"],
    ['a\n', "'a\n'"],
    ['*', "'*'"],
    ['~', "'~'"],
    ['größe', "'größe'"],
    ['', "''"],
  ])('%s becomes %s', (text, expected) => {
    expect(shellWord(text)).toBe(expected);
  });
});
