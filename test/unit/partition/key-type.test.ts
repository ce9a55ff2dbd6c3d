import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { toInstant } from '../../../lib/partition/calendar.ts';
import {
  boundSql,
  gridZone,
  instantAt,
  isoText,
  type KeyType,
  keyText,
  parseKeyText,
  pointAt,
} from '../../../lib/partition/key-type.ts';
import {
  MAXVALUE,
  MINUS_INFINITY,
  MINVALUE,
  PLUS_INFINITY,
  type Point,
} from '../../../lib/partition/range.ts';
import { anyZone, KEY_TYPES, pointBetween, zonedPoint } from '../support/arbitraries.ts';
import { DAY, HOUR, instant, point } from '../support/points.ts';

const MILLISECOND = 1000n;
const LAST_UUID_MOMENT = (1n << 48n) * MILLISECOND;
const wallClockType = fc.constantFrom<KeyType>('timestamp', 'date');

const floorTo = (unit: bigint, value: Point): Point => value - (((value % unit) + unit) % unit);

/** Points that the type can hold: what PostgreSQL's types reach to, and 2026 more often than the rest. */
function pointOf(keyType: KeyType): fc.Arbitrary<Point> {
  if (keyType === 'uuid') {
    return fc
      .bigInt({ min: 0n, max: LAST_UUID_MOMENT / MILLISECOND - 1n })
      .map((milliseconds) => milliseconds * MILLISECOND);
  }
  const any = fc.oneof(
    pointBetween('2026-01-01', '2027-01-01'),
    pointBetween('-004712-01-01', '0010-01-01'),
    pointBetween('1900-01-01', '2200-01-01'),
    pointBetween('9990-01-01', '+269999-12-31'),
  );
  return keyType === 'date' ? any.map((value) => floorTo(DAY, value)) : any;
}

describe('the text of a point', () => {
  test.each<readonly [KeyType, string, string]>([
    ['timestamptz', '2026-11-01', '2026-11-01 00:00:00+00'],
    ['timestamp', '2026-11-01', '2026-11-01 00:00:00'],
    ['date', '2026-11-01', '2026-11-01'],
    ['timestamptz', '2026-10-31T23:00:00.000001Z', '2026-10-31 23:00:00.000001+00'],
    ['timestamp', '2026-11-01T12:30:00.25Z', '2026-11-01 12:30:00.25'],
    ['timestamptz', '+012026-11-01', '12026-11-01 00:00:00+00'],
    ['timestamptz', '0001-01-01', '0001-01-01 00:00:00+00'],
    ['timestamptz', '0000-12-31', '0001-12-31 00:00:00+00 BC'],
    ['timestamp', '-004712-01-01', '4713-01-01 00:00:00 BC'],
    ['date', '-000043-03-15', '0044-03-15 BC'],
    ['date', '+010000-01-01', '10000-01-01'],
    ['timestamptz', 'infinity', 'infinity'],
    ['date', '-infinity', '-infinity'],
    ['uuid', '1970-01-01', '00000000-0000-0000-0000-000000000000'],
    ['uuid', '2026-11-01', '01a19467-e800-0000-0000-000000000000'],
    ['uuid', '2026-11-01T00:00:00.001Z', '01a19467-e801-0000-0000-000000000000'],
  ])('%s at %s is %s, and read as such', (keyType, at, expected) => {
    expect(keyText(keyType, point(at))).toBe(expected);
    expect(parseKeyText(keyType, expected)).toBe(point(at));
  });

  test.each(KEY_TYPES)('of type %s is read as the same point', (keyType) => {
    fc.assert(
      fc.property(pointOf(keyType), (value) => {
        expect(parseKeyText(keyType, keyText(keyType, value))).toBe(value);
      }),
      { numRuns: 10000 },
    );
  });

  test('stands in quotes in SQL, MINVALUE and MAXVALUE without', () => {
    expect(boundSql('timestamptz', point('2026-11-01'))).toBe("'2026-11-01 00:00:00+00'");
    expect(boundSql('date', PLUS_INFINITY)).toBe("'infinity'");
    expect(boundSql('date', MINUS_INFINITY)).toBe("'-infinity'");
    expect(KEY_TYPES.map((keyType) => boundSql(keyType, MINVALUE))).toEqual(KEY_TYPES.map(() => 'MINVALUE'));
    expect(KEY_TYPES.map((keyType) => boundSql(keyType, MAXVALUE))).toEqual(KEY_TYPES.map(() => 'MAXVALUE'));
  });

  test('there is none of a UUID before 1970 or after the year 10889', () => {
    expect(() => keyText('uuid', -1n)).toThrow(RangeError);
    expect(() => keyText('uuid', LAST_UUID_MOMENT)).toThrow(RangeError);
    expect(keyText('uuid', LAST_UUID_MOMENT - MILLISECOND)).toBe('ffffffff-ffff-0000-0000-000000000000');
  });
});

describe('texts of the server', () => {
  test.each<readonly [string, string]>([
    ['2026-11-01 00:00:00+00', '2026-11-01'],
    ['2026-11-01 05:45:00+05:45', '2026-11-01'],
    ['2026-10-31 20:30:00-03:30', '2026-11-01'],
    ['2026-10-31 16:00:00-08', '2026-11-01'],
    ['1900-01-01 05:53:28+05:53:28', '1900-01-01'],
    ['1899-12-31 23:15:30.5-00:44:30', '1900-01-01T00:00:00.5Z'],
    ['2026-11-01 00:00:00.5+00', '2026-11-01T00:00:00.5Z'],
    ['2026-11-01 00:00:00.000001+00', '2026-11-01T00:00:00.000001Z'],
    ['0044-03-15 00:00:00+00 BC', '-000043-03-15'],
    ['10000-01-01 00:00:00+00', '+010000-01-01'],
    ['123456-01-01 00:00:00+00', '+123456-01-01'],
  ])('%s is %s', (text, expected) => {
    expect(parseKeyText('timestamptz', text)).toBe(point(expected));
  });

  test('what lies beyond the calendar in use is later than everything else', () => {
    const far = parseKeyText('timestamptz', '294276-12-31 23:59:59.999999+00');
    expect(far).toBeDefined();
    expect((far ?? 0n) > point('+200000-01-01') && (far ?? 0n) < PLUS_INFINITY).toBe(true);
    expect(() => toInstant(far ?? 0n)).not.toThrow();
  });

  test.each<readonly [KeyType, string]>([
    ['timestamptz', ''],
    ['timestamptz', 'now'],
    ['timestamptz', '42'],
    ['timestamptz', '2026'],
    ['timestamptz', '2026-11'],
    ['timestamptz', 'Sun Nov 01 00:00:00 2026 UTC'],
    ['timestamptz', '01/11/2026 00:00:00 CET'],
    ['timestamptz', '2026-11-01 00:00:00 Europe/Berlin'],
    ['timestamptz', '2026-11-01T00:00:00Z'],
    ['timestamptz', '2026-11-01 00:00:00+00; DROP TABLE x'],
    ['timestamptz', ' 2026-11-01 00:00:00+00'],
    ['timestamptz', '2026-11-01 00:00:00+00\n'],
    ['timestamptz', '2026-02-30 00:00:00+00'],
    ['timestamptz', '2026-13-01 00:00:00+00'],
    ['timestamptz', '2026-00-10 00:00:00+00'],
    ['timestamptz', '2026-01-00 00:00:00+00'],
    ['timestamptz', '2026-11-01 24:00:01+00'],
    ['timestamptz', '2026-11-01 00:60:00+00'],
    ['timestamptz', '2026-11-01 00:00:61+00'],
    ['timestamptz', '0000-01-01 00:00:00+00'],
    ['timestamptz', '999999-01-01 00:00:00+00 BC'],
    ['timestamptz', '2026-11-01 00:00:00.1234567+00'],
    ['timestamptz', '２０２６-11-01 00:00:00+00'],
    ['timestamptz', '2026-11-01 00:00:00'],
    ['timestamptz', '2026-11-01'],
    ['timestamp', '2026-11-01 00:00:00+02'],
    ['timestamp', '2026-11-01'],
    ['date', '2026-11-01 12:00:00'],
    ['date', '2026-11-01+02'],
    ['date', '2026-11-31'],
    ['date', '20261101'],
    ['date', '5874897-12-31'],
    ['uuid', 'infinity'],
    ['uuid', '2026-11-01'],
    ['uuid', '01a19467e8000000000000000000000'],
    ['uuid', '{01a19467-e800-0000-0000-000000000000}'],
    ['uuid', '01A19467-E800-0000-0000-000000000000'],
    ['uuid', '01a19467-e800-0000-0000-00000000000g'],
  ])('not a %s: %j', (keyType, text) => {
    expect(parseKeyText(keyType, text)).toBeUndefined();
  });

  test('any text of digits and separators is a point or not one, and never an error', () => {
    const anyDateLike = fc
      .tuple(fc.nat(999_999), fc.nat(99), fc.nat(99), fc.nat(99), fc.nat(99), fc.nat(99))
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')))
      .map(([y = '', mo, d, h, mi, s]) => `${y.padStart(4, '0')}-${mo}-${d} ${h}:${mi}:${s}`);
    fc.assert(
      fc.property(
        fc.constantFrom(...KEY_TYPES),
        fc.oneof(fc.string(), anyDateLike, fc.uuid()),
        fc.constantFrom('', '+00', ' BC', '+00 BC', '-99:99'),
        (keyType, text, tail) => {
          const read = parseKeyText(keyType, text + tail);
          // What is read is written the same way, save for an offset other than ours and far-away years.
          if (read !== undefined && keyType !== 'uuid' && tail !== '-99:99' && read < point('+269999-01-01'))
            expect(keyText(keyType, read)).toBe(text + tail);
        },
      ),
      { numRuns: 30000 },
    );
  });
});

describe('UUIDs of version 7', () => {
  /** One as a client makes it: 48 bits of Unix milliseconds, version, variant, chance. */
  const uuidOf = (milliseconds: bigint, random: readonly [number, number, bigint]): string => {
    const hex = milliseconds.toString(16).padStart(12, '0');
    const version = `7${random[0].toString(16).padStart(3, '0')}`;
    const variant = (0x8000 + random[1]).toString(16);
    return `${hex.slice(0, 8)}-${hex.slice(8)}-${version}-${variant}-${random[2].toString(16).padStart(12, '0')}`;
  };
  const chance = fc.tuple(
    fc.oneof(fc.constantFrom(0, 0xfff), fc.nat(0xfff)),
    fc.oneof(fc.constantFrom(0, 0x3fff), fc.nat(0x3fff)),
    fc.oneof(fc.constantFrom(0n, (1n << 48n) - 1n), fc.bigInt({ min: 0n, max: (1n << 48n) - 1n })),
  );
  const moment = fc.oneof(
    fc.bigInt({ min: 0n, max: 20n }),
    fc.bigInt({ min: 1_790_000_000_000n, max: 1_790_000_000_020n }),
    fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }),
  );

  test('sort inside the bounds exactly when their moment lies inside', () => {
    fc.assert(
      fc.property(moment, moment, moment, chance, (from, at, to, random) => {
        const uuid = uuidOf(at, random);
        const inside =
          keyText('uuid', from * MILLISECOND) <= uuid && uuid < keyText('uuid', to * MILLISECOND);
        expect(inside).toBe(from <= at && at < to);
      }),
      { numRuns: 30000 },
    );
  });

  test('as the upper bound of a partition never hide a younger row', () => {
    fc.assert(
      fc.property(moment, chance, moment, chance, (bound, boundRandom, at, random) => {
        const boundText = uuidOf(bound, boundRandom);
        const upper = parseKeyText('uuid', boundText, 'to') ?? -1n;
        if (uuidOf(at, random) < boundText) expect(at * MILLISECOND < upper).toBe(true);
      }),
      { numRuns: 30000 },
    );
  });

  test('as the lower bound of a partition never hide an older row', () => {
    fc.assert(
      fc.property(moment, chance, moment, chance, (bound, boundRandom, at, random) => {
        const boundText = uuidOf(bound, boundRandom);
        const lower = parseKeyText('uuid', boundText, 'from') ?? -1n;
        if (uuidOf(at, random) >= boundText) expect(at * MILLISECOND >= lower).toBe(true);
        expect(keyText('uuid', lower) <= boundText).toBe(true);
      }),
      { numRuns: 30000 },
    );
  });

  test('an upper bound that another tool wrote with the lowest random part is its millisecond', () => {
    const read = (text: string) => parseKeyText('uuid', text, 'to');
    expect(read('01a19467-e800-7000-8000-000000000000')).toBe(point('2026-11-01'));
    expect(read('01a19467-e800-7000-8000-000000000001')).toBe(point('2026-11-01T00:00:00.001Z'));
  });
});

describe('wall-clock keys', () => {
  test('lie where the clock of the zone stood', () => {
    expect(pointAt('timestamp', 'Europe/Berlin', instant('2026-07-01T12:00Z'))).toBe(
      point('2026-07-01T14:00Z'),
    );
    expect(pointAt('date', 'Asia/Kathmandu', instant('2026-07-01T12:00Z'))).toBe(point('2026-07-01T17:45Z'));
    expect(pointAt('timestamptz', 'Europe/Berlin', instant('2026-07-01T12:00Z'))).toBe(
      point('2026-07-01T12:00Z'),
    );
    expect(pointAt('uuid', 'Europe/Berlin', instant('2026-07-01T12:00Z'))).toBe(point('2026-07-01T12:00Z'));
  });

  test.each<readonly [string, string, string, string]>([
    ['an ordinary time', 'Europe/Berlin', '2026-07-01T14:00Z', '2026-07-01T12:00:00Z'],
    ['a repeated time: the later one', 'Europe/Berlin', '2026-10-25T02:30Z', '2026-10-25T01:30:00Z'],
    ['the end of the repeated hour', 'Europe/Berlin', '2026-10-25T03:00Z', '2026-10-25T02:00:00Z'],
    ['a skipped time: after the change', 'Europe/Berlin', '2026-03-29T02:30Z', '2026-03-29T01:30:00Z'],
    ['a skipped day', 'Pacific/Apia', '2011-12-30T12:00Z', '2011-12-30T22:00:00Z'],
    [
      'a midnight that clocks went back across',
      'America/St_Johns',
      '2010-11-07T00:00Z',
      '2010-11-07T03:30:00Z',
    ],
  ])('as a bound, %s', (_name, zone, wall, expected) => {
    expect(instantAt('timestamp', zone, point(wall)).toString()).toBe(expected);
    expect(isoText('timestamp', zone, point(wall))).toBe(expected);
  });

  test('the instant of a bound is the latest it could mean: no row below it is younger', () => {
    fc.assert(
      fc.property(
        zonedPoint(anyZone),
        wallClockType,
        fc.bigInt({ min: -30n * HOUR, max: 30n * HOUR }),
        ({ zone, at }, keyType, offset) => {
          const bound = pointAt(keyType, zone, toInstant(at)) + offset;
          const latest = instantAt(keyType, zone, bound);
          // A row that is written at or after that instant lies at or above the bound.
          expect(pointAt(keyType, zone, latest) >= bound).toBe(true);
          for (const later of [1n, HOUR / 2n, HOUR, 5n * HOUR, 26n * HOUR]) {
            const row = pointAt(keyType, zone, toInstant(at));
            const written = toInstant(at);
            if (row < bound) expect(Temporal.Instant.compare(written, latest)).toBe(-1);
            expect(
              pointAt(keyType, zone, latest.add({ microseconds: Number(later) })) >= bound,
              `${later} µs after it`,
            ).toBe(true);
          }
        },
      ),
      { numRuns: 20000 },
    );
  });

  test('and their instants correspond, but for repeated times', () => {
    fc.assert(
      fc.property(zonedPoint(anyZone), wallClockType, ({ zone, at }, keyType) => {
        const written = toInstant(at);
        const read = instantAt(keyType, zone, pointAt(keyType, zone, written));
        expect(Temporal.Instant.compare(read, written)).toBeGreaterThanOrEqual(0);
        expect(pointAt(keyType, zone, read)).toBe(pointAt(keyType, zone, written));
      }),
      { numRuns: 10000 },
    );
  });

  test('have a grid without daylight saving on their own axis', () => {
    expect(KEY_TYPES.map((keyType) => gridZone(keyType, 'Europe/Berlin'))).toEqual([
      'Europe/Berlin',
      'UTC',
      'UTC',
      'Europe/Berlin',
    ]);
  });
});

test('reports show no instant for an open end', () => {
  expect(
    [MINVALUE, MINUS_INFINITY, PLUS_INFINITY, MAXVALUE].map((end) => isoText('date', 'UTC', end)),
  ).toEqual([null, null, null, null]);
  expect(isoText('timestamptz', 'Europe/Berlin', point('2026-11-01'))).toBe('2026-11-01T00:00:00Z');
});
