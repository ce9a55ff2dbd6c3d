import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundsSql, parseBounds } from '../../../lib/partition/bounds.ts';
import { type KeyType, parseKeyText } from '../../../lib/partition/key-type.ts';
import {
  MAXVALUE,
  MINUS_INFINITY,
  MINVALUE,
  PLUS_INFINITY,
  type Point,
} from '../../../lib/partition/range.ts';
import { KEY_TYPES, pointBetween } from '../support/arbitraries.ts';
import { DAY, point, rangeText } from '../support/points.ts';

/** The bounds as `rangeText` writes them, or the kind they are of. */
function read(keyType: KeyType, text: string): string {
  const bounds = parseBounds(keyType, text);
  return bounds.kind === 'range' ? rangeText(bounds.range) : bounds.kind;
}

describe('bounds of the catalog', () => {
  test.each<readonly [KeyType, string, string]>([
    [
      'timestamptz',
      "FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')",
      '2026-11-01 .. 2026-12-01',
    ],
    [
      'timestamp',
      "FOR VALUES FROM ('2026-11-01 00:00:00') TO ('2026-12-01 00:00:00')",
      '2026-11-01 .. 2026-12-01',
    ],
    ['date', "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')", '2026-11-01 .. 2026-12-01'],
    ['date', "FOR VALUES FROM (MINVALUE) TO ('2026-12-01')", 'MINVALUE .. 2026-12-01'],
    ['date', "FOR VALUES FROM ('2026-11-01') TO (MAXVALUE)", '2026-11-01 .. MAXVALUE'],
    ['date', 'FOR VALUES FROM (MINVALUE) TO (MAXVALUE)', 'MINVALUE .. MAXVALUE'],
    ['date', "FOR VALUES FROM ('-infinity') TO ('infinity')", '-infinity .. infinity'],
    ['timestamptz', "FOR VALUES FROM ('infinity') TO (MAXVALUE)", 'infinity .. MAXVALUE'],
    [
      'timestamptz',
      "FOR VALUES FROM ('0044-03-15 00:00:00+00 BC') TO ('10000-01-01 00:00:00+00')",
      '-000043-03-15 .. +010000-01-01',
    ],
    [
      'uuid',
      "FOR VALUES FROM ('01a19467-e800-0000-0000-000000000000') TO ('01a22ee6-b000-0000-0000-000000000000')",
      '2026-11-01 .. 2026-12-01',
    ],
  ])('%s %s', (keyType, text, expected) => {
    expect(read(keyType, text)).toBe(expected);
  });

  test('DEFAULT is the default partition', () => {
    expect(KEY_TYPES.map((keyType) => parseBounds(keyType, 'DEFAULT'))).toEqual(
      KEY_TYPES.map(() => ({ kind: 'default' })),
    );
  });

  test.each<readonly [string, string]>([
    ['nothing', ''],
    ['another case', 'default'],
    ['something after the default', 'DEFAULT '],
    ['a list of the default', 'FOR VALUES IN (DEFAULT)'],
    ['numbers', 'FOR VALUES FROM (1) TO (10)'],
    ['numbers in quotes', "FOR VALUES FROM ('1') TO ('10')"],
    ['a list', "FOR VALUES IN ('2026-11-01')"],
    ['a hash', 'FOR VALUES WITH (modulus 4, remainder 0)'],
    ['two columns', "FOR VALUES FROM ('2026-11-01', 1) TO ('2026-12-01', 1)"],
    ['two columns of dates', "FOR VALUES FROM ('2026-11-01', '2026-11-01') TO ('2026-12-01', '2026-12-01')"],
    ['two columns, one open', "FOR VALUES FROM ('2026-11-01', MINVALUE) TO ('2026-12-01', MINVALUE)"],
    ['ends the wrong way round', "FOR VALUES FROM (MAXVALUE) TO ('2026-12-01')"],
    ['a quote in it', "FOR VALUES FROM ('2026-11-01''') TO ('2026-12-01')"],
    ['one end readable', "FOR VALUES FROM ('2026-11-01') TO ('some day')"],
    ['the other end readable', "FOR VALUES FROM ('some day') TO ('2026-12-01')"],
    ['a date there never was', "FOR VALUES FROM ('2026-02-01') TO ('2026-02-30')"],
    ['a month there never is', "FOR VALUES FROM ('2026-00-01') TO ('2026-02-01')"],
    ['something before it', " FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')"],
    ['something after it', "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01');"],
    ['a line after it', "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')\n"],
    ['another style of dates', "FOR VALUES FROM ('01.11.2026') TO ('01.12.2026')"],
    ['lower case', "for values from ('2026-11-01') to ('2026-12-01')"],
  ])('%s cannot be read', (_name, text) => {
    expect(read('date', text)).toBe('unreadable');
  });

  test('any text can be read or not, and is never an error', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KEY_TYPES), fc.string(), fc.string(), (keyType, from, to) => {
        const whole = `FOR VALUES FROM ('${from}') TO ('${to}')`;
        expect(read(keyType, whole)).toBe('unreadable');
        expect(read(keyType, from)).toBe('unreadable');
      }),
    );
  });

  test('a time in another form than the type of the key is not guessed at', () => {
    expect(read('timestamptz', "FOR VALUES FROM ('2026-11-01 00:00:00') TO ('2026-12-01 00:00:00')")).toBe(
      'unreadable',
    );
    expect(
      read('timestamp', "FOR VALUES FROM ('2026-11-01 00:00:00+01') TO ('2026-12-01 00:00:00+01')"),
    ).toBe('unreadable');
  });
});

describe('bounds as SQL', () => {
  test('have an explicit offset where the type knows one', () => {
    const november = { from: point('2026-11-01'), to: point('2026-12-01') };
    expect(KEY_TYPES.map((keyType) => boundsSql(keyType, november))).toEqual([
      "FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00')",
      "FOR VALUES FROM ('2026-11-01 00:00:00') TO ('2026-12-01 00:00:00')",
      "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')",
      "FOR VALUES FROM ('01a19467-e800-0000-0000-000000000000') TO ('01a22ee6-b000-0000-0000-000000000000')",
    ]);
  });

  test('are read back as the same range', () => {
    const whole = (keyType: KeyType, at: Point): Point =>
      keyType === 'date' ? at - (at % DAY) : keyType === 'uuid' ? at - (at % 1000n) : at;
    const end = pointBetween('1970-01-01', '2500-01-01');
    const unbounded: readonly Point[] = [MINVALUE, MINUS_INFINITY, PLUS_INFINITY, MAXVALUE];
    fc.assert(
      fc.property(fc.constantFrom(...KEY_TYPES), end, end, fc.nat(3), (keyType, a, b, open) => {
        let [from, to] =
          a < b ? [whole(keyType, a), whole(keyType, b)] : [whole(keyType, b), whole(keyType, a)];
        if (open === 1) from = MINVALUE;
        if (open === 2) to = MAXVALUE;
        if (open === 3 && keyType !== 'uuid') [from = MINVALUE, to = MAXVALUE] = unbounded.slice(1, 3);
        expect(parseBounds(keyType, boundsSql(keyType, { from, to }))).toEqual({
          kind: 'range',
          range: { from, to },
        });
      }),
      { numRuns: 10000 },
    );
  });
});

describe('bounds of UUIDs in the midst of a millisecond', () => {
  // A UUIDv7 that somebody took from a row: 1 November 2026 and a bit.
  const taken = '01a19467-e800-7abc-9def-0123456789ab';
  const next = '01a19467-e801-0000-0000-000000000000';

  test('are widened, so that what is left free beside them can be written without overlap', () => {
    const upper = parseBounds('uuid', `FOR VALUES FROM (MINVALUE) TO ('${taken}')`);
    const lower = parseBounds('uuid', `FOR VALUES FROM ('${taken}') TO (MAXVALUE)`);
    expect(upper).toEqual({ kind: 'range', range: { from: MINVALUE, to: parseKeyText('uuid', next) } });
    expect(lower).toEqual({ kind: 'range', range: { from: point('2026-11-01'), to: MAXVALUE } });
  });
});
