import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MARKER_PREFIX, type Marker, markerText, parseMarker } from '../../../lib/partition/marker.ts';

const marker: Marker = {
  parentOid: 16_385,
  parent: 'platform.audit_logs',
  bounds: "FOR VALUES FROM ('2019-01-01 00:00:00+00') TO ('2019-02-01 00:00:00+00')",
  detachedAt: '2026-11-22T12:00:00.123456Z',
  by: 'keeper',
  runId: '2f0f6f0e-6a0f-4e0e-8b63-0f2d2c3a1b11',
  comment: null,
};

test('what is written is read', () => {
  expect(parseMarker(markerText(marker))).toEqual(marker);
  fc.assert(
    fc.property(
      fc.record({
        parentOid: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        parent: fc.string({ unit: 'binary' }),
        bounds: fc.string({ unit: 'binary' }),
        detachedAt: fc
          .date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
          .map((date) => date.toISOString()),
        by: fc.string({ unit: 'binary' }),
        runId: fc.uuid(),
        comment: fc.option(fc.string({ unit: 'binary' })),
      }),
      (written) => {
        expect(parseMarker(markerText(written))).toEqual(written);
      },
    ),
    { numRuns: 1000 },
  );
});

test('a comment there was before is kept in it, even if it looks like a marker', () => {
  const nested = { ...marker, comment: markerText(marker) };
  expect(parseMarker(markerText(nested))).toEqual(nested);
});

test('the text begins as the search in the catalog expects', () => {
  expect(MARKER_PREFIX).toBe('{"partition-keeper":');
  expect(markerText(marker).startsWith(MARKER_PREFIX)).toBe(true);
});

describe('not a marker', () => {
  const changed = (fields: Readonly<Record<string, unknown>>): string =>
    JSON.stringify({ 'partition-keeper': { ...marker, ...fields } });
  const { by: _, ...withoutBy } = marker;

  test.each<readonly [string, string | null]>([
    ['no comment', null],
    ['an empty one', ''],
    ['one of people', 'Sessions of January; ask the platform team before dropping.'],
    ['one that mentions us', 'partition-keeper'],
    ['the beginning only', MARKER_PREFIX],
    ['a text cut off', markerText(marker).slice(0, -1)],
    ['a text with something after it', `${markerText(marker)} and more`],
    ['a text with something before it', ` ${markerText(marker)}`],
    ['a foreign key first', `{"x":1,${markerText(marker).slice(1)}`],
    ['a foreign key last', `${markerText(marker).slice(0, -1)},"x":1}`],
    ['a list', `[${markerText(marker)}]`],
    ['null inside', '{"partition-keeper":null}'],
    ['a text inside', '{"partition-keeper":"yes"}'],
    ['nothing inside', '{"partition-keeper":{}}'],
    ['a field missing', JSON.stringify({ 'partition-keeper': withoutBy })],
    ['a field too many', changed({ dropAlso: 'everything' })],
    ['an oid as text', changed({ parentOid: '16385' })],
    ['half an oid', changed({ parentOid: 1.5 })],
    ['bounds of another type', changed({ bounds: ['a', 'b'] })],
    ['no date', changed({ detachedAt: 'yesterday' })],
    ['a date without time', changed({ detachedAt: '2026-11-22' })],
    ['a time without offset', changed({ detachedAt: '2026-11-22T12:00:00' })],
    ['a date there never was', changed({ detachedAt: '2026-02-30T12:00:00Z' })],
    ['an hour there never is', changed({ detachedAt: '2026-02-20T25:00:00Z' })],
    ['an offset apart from its time', changed({ detachedAt: '2026-02-20T12:00:00 +02' })],
    ['a comment of another type', changed({ comment: 1 })],
  ])('%s', (_name, comment) => {
    expect(parseMarker(comment)).toBeNull();
  });

  test('any text at all is a marker or not, and never an error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), fc.boolean(), (text, prefixed) => {
        expect(parseMarker(prefixed ? `${MARKER_PREFIX}${text}}` : text)).toBeNull();
      }),
      { numRuns: 10000 },
    );
  });

  test('one changed character makes another marker or none, never an error', () => {
    const text = markerText(marker);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 1 }), (index, character) => {
        const read = parseMarker(text.slice(0, index) + character + text.slice(index + 1));
        if (read !== null) expect(Object.keys(read)).toEqual(Object.keys(marker));
      }),
      { numRuns: 10000 },
    );
  });
});
