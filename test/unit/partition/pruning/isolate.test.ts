import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { toInstant } from '../../../../lib/partition/calendar.ts';
import { type KeyType, parseKeyText } from '../../../../lib/partition/key-type.ts';
import { isolate } from '../../../../lib/partition/pruning/isolate.ts';
import type { Key } from '../../../../lib/partition/pruning/key.ts';
import { floor, UNITS } from '../../../../lib/partition/pruning/moment.ts';
import { parseExpression } from '../../../../lib/partition/pruning/parse.ts';

const keyOf = (type: KeyType = 'timestamptz', timeZone = 'UTC'): Key => ({
  column: 'at',
  type,
  timeZone,
  aliases: ['e'],
});

function rewrite(condition: string, key = keyOf()): string | null {
  const parsed = parseExpression(condition);
  if (parsed.kind !== 'comparison') throw new Error(`no comparison: ${condition}`);
  const isolated = isolate(parsed, key);
  return isolated === null ? null : `${isolated.exact ? '' : 'about: '}${isolated.conditions.join(' AND ')}`;
}

const TSTZ = 'timestamp with time zone';
const TS = 'timestamp without time zone';

describe('a condition on an expression of the key becomes one on the key', () => {
  test.each<readonly [string, string | null]>([
    [
      `(date_trunc('month'::text, e.at) = '2026-01-01 00:00:00+00'::${TSTZ})`,
      "at >= '2026-01-01 00:00:00+00'::timestamptz AND at < '2026-02-01 00:00:00+00'::timestamptz",
    ],
    [
      `(date_trunc('quarter'::text, e.at) > '2026-01-01 00:00:00+00'::${TSTZ})`,
      "at >= '2026-04-01 00:00:00+00'::timestamptz",
    ],
    [
      `(date_trunc('day'::text, e.at) <= '2026-01-31 12:00:00+00'::${TSTZ})`,
      "at < '2026-02-01 00:00:00+00'::timestamptz",
    ],
    [
      "((e.at)::date = '2024-02-29'::date)",
      "at >= '2024-02-29 00:00:00+00'::timestamptz AND at < '2024-03-01 00:00:00+00'::timestamptz",
    ],
    ["('2024-02-29'::date <= (e.at)::date)", "at >= '2024-02-29 00:00:00+00'::timestamptz"],
    ['((e.at)::date = CURRENT_DATE)', 'at >= CURRENT_DATE AND at < (CURRENT_DATE + 1)'],
    ['((e.at)::date = $1)', 'at >= $1::date AND at < ($1::date + 1)'],
    [
      "(to_char(e.at, 'YYYY-MM'::text) = '2026-12'::text)",
      "at >= '2026-12-01 00:00:00+00'::timestamptz AND at < '2027-01-01 00:00:00+00'::timestamptz",
    ],
    ["(to_char(e.at, 'Month'::text) = 'May'::text)", null],
    ["(to_char(e.at, 'YYYY-MM'::text) = '2026-13'::text)", null],
    [
      "(EXTRACT(year FROM e.at) = '2026'::numeric)",
      "at >= '2026-01-01 00:00:00+00'::timestamptz AND at < '2027-01-01 00:00:00+00'::timestamptz",
    ],
    [
      "(date_part('year'::text, e.at) < '2026'::double precision)",
      "at < '2026-01-01 00:00:00+00'::timestamptz",
    ],
    ["(EXTRACT(dow FROM e.at) = '1'::numeric)", null],
    ["((now() - e.at) < '7 days'::interval)", "at > (now() - '7 days'::interval)"],
    ["((e.at + '1 day'::interval) > now())", "at > (now() - '1 day'::interval)"],
    ["((e.at - '1 mon'::interval) > now())", "about: at > (now() + '1 mon'::interval)"],
    [
      `(date_trunc('day'::text, e.at, 'Asia/Tokyo'::text) = date_trunc('day'::text, now(), 'Asia/Tokyo'::text))`,
      `about: at >= date_trunc('day'::text, now(), 'Asia/Tokyo'::text) AND at < (date_trunc('day'::text, now(), 'Asia/Tokyo'::text) + '1 day'::interval)`,
    ],
    [
      "((e.at)::text ~~ '2026-02%'::text)",
      "at >= '2026-02-01 00:00:00+00'::timestamptz AND at < '2026-03-01 00:00:00+00'::timestamptz",
    ],
    ["((e.at)::text ~~ '%2026'::text)", null],
    [
      `((e.at AT TIME ZONE 'Europe/Berlin'::text) >= '2026-07-01 00:00:00'::${TS})`,
      "at >= '2026-06-30 22:00:00+00'::timestamptz",
    ],
    ['(COALESCE(e.at, now()) > now())', null],
    [
      `(date_trunc('month'::text, e.at) = date_trunc('month'::text, now()))`,
      "at >= date_trunc('month'::text, now()) AND at < (date_trunc('month'::text, now()) + '1 month'::interval)",
    ],
  ])('%s', (condition, expected) => {
    expect(rewrite(condition)).toBe(expected);
  });

  test.each([
    ['month', "date_trunc('month'::text, now())", true],
    ['month', "date_trunc('month'::text, (CURRENT_DATE)::timestamp with time zone)", true],
    ['month', "(date_trunc('month'::text, now()) - '1 mon'::interval)", true],
    ['month', "(date_trunc('month'::text, now()) - '3 days'::interval)", false],
    ['week', "(date_trunc('week'::text, now()) - '14 days'::interval)", true],
    ['week', "(date_trunc('week'::text, now()) - '1 day'::interval)", false],
    ['quarter', "(date_trunc('quarter'::text, now()) - '1 year'::interval)", true],
    ['quarter', "(date_trunc('quarter'::text, now()) - '1 mon'::interval)", false],
    ['hour', "(date_trunc('hour'::text, now()) - '00:30:00'::interval)", false],
    ['day', "date_trunc('day'::text, now(), 'Asia/Tokyo'::text)", false],
  ])('the first moment of a %s is %s: %s', (unit, value, exact) => {
    const told = rewrite(`(date_trunc('${unit}'::text, e.at) = ${value})`);
    expect(told?.startsWith('about: ')).toBe(!exact);
  });

  test.each([
    ['timestamptz', 'UTC', "((now() - e.at) < '7 days'::interval)", true],
    ['timestamptz', 'Etc/UTC', "((now() - e.at) < '7 days'::interval)", true],
    ['timestamptz', 'Europe/Berlin', "((now() - e.at) < '7 days'::interval)", false],
    ['timestamptz', 'Europe/Berlin', "((now() - e.at) < '36:00:00'::interval)", true],
    ['timestamptz', 'Europe/Berlin', "((e.at + '1 day'::interval) > now())", false],
    [
      'timestamptz',
      'Europe/Berlin',
      "(((e.at AT TIME ZONE 'UTC'::text) + '1 day'::interval) > LOCALTIMESTAMP)",
      true,
    ],
    ['timestamptz', 'EST5EDT,M3.2.0,M11.1.0', "((now() - e.at) < '7 days'::interval)", false],
    ['timestamp', 'Europe/Berlin', "((LOCALTIMESTAMP - e.at) < '7 days'::interval)", true],
    ['date', 'Europe/Berlin', "((e.at + '1 day'::interval) > LOCALTIMESTAMP)", true],
    ['date', 'Europe/Berlin', '((CURRENT_DATE - e.at) < 7)', true],
  ] as const)('days of a %s in a session in %s: %s', (type, timeZone, condition, exact) => {
    expect(rewrite(condition, keyOf(type, timeZone))).toMatch(exact ? /^at / : /^about: at /);
  });

  test('a UUIDv7 is compared with the lowest one of the moment', () => {
    const condition = `(uuid_extract_timestamp(e.at) >= '2026-01-01 00:00:00+00'::${TSTZ})`;
    const low = Temporal.Instant.from('2026-01-01T00:00Z').epochMilliseconds.toString(16).padStart(12, '0');
    expect(rewrite(condition, keyOf('uuid'))).toBe(
      `at >= '${low.slice(0, 8)}-${low.slice(8)}-0000-0000-000000000000'::uuid`,
    );
  });

  test('a zone only the server knows is no reason to fail', () => {
    expect(
      rewrite(
        `(date_trunc('month'::text, e.at) = '2026-01-01 00:00:00+00'::${TSTZ})`,
        keyOf('timestamptz', 'EST5EDT,M3.2.0,M11.1.0'),
      ),
    ).toBeNull();
  });
});

const OPERATORS = ['=', '<', '<=', '>', '>='] as const;
const holds = (operator: string, order: number): boolean =>
  ({ '=': order === 0, '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 })[operator] ===
  true;

/** Whether the moment meets `at >= '..'::timestamptz AND at < ..`. */
function meets(conditions: string, at: Temporal.Instant): boolean {
  return conditions.split(' AND ').every((condition) => {
    const [, operator = '', text = ''] = /^at (\S+) '([^']*)'::timestamptz$/.exec(condition) ?? [];
    const point = parseKeyText('timestamptz', text);
    if (point === undefined) throw new Error(`cannot be read: ${condition}`);
    return holds(operator, Temporal.Instant.compare(at, toInstant(point)));
  });
}

const moment = fc
  .integer({ min: Date.UTC(1999, 0), max: Date.UTC(2040, 0) })
  .map((milliseconds) => Temporal.Instant.fromEpochMilliseconds(milliseconds));
// Where clocks change by whole hours and never at midnight, each wall-clock day and month begins once.
const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland');
const text = (at: Temporal.Instant): string => at.toString().replace('T', ' ').replace('Z', '+00');

describe('for exactly the same rows', () => {
  test('date_trunc, whatever the operator, the unit and the zone', () => {
    fc.assert(
      fc.property(
        moment,
        fc.integer({ min: -40 * 86_400_000, max: 40 * 86_400_000 }),
        fc.constantFrom(...UNITS.filter((unit) => unit !== 'minute' && unit !== 'hour')),
        fc.constantFrom(...OPERATORS),
        zone,
        fc.boolean(),
        (at, away, unit, operator, timeZone, whole) => {
          const near = at.add({ milliseconds: away });
          const begin = (instant: Temporal.Instant): Temporal.Instant =>
            floor(instant.toZonedDateTimeISO(timeZone).toPlainDateTime(), unit)
              .toZonedDateTime(timeZone)
              .toInstant();
          const value = whole ? begin(near) : near;
          const condition = `(date_trunc('${unit}'::text, e.at) ${operator} '${text(value)}'::${TSTZ})`;
          const rewritten = rewrite(condition, keyOf('timestamptz', timeZone)) ?? '';
          expect(meets(rewritten, at)).toBe(holds(operator, Temporal.Instant.compare(begin(at), value)));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('a cast to date, whatever the operator and the zone', () => {
    fc.assert(
      fc.property(
        moment,
        fc.integer({ min: -3, max: 3 }),
        fc.constantFrom(...OPERATORS),
        zone,
        (at, days, operator, timeZone) => {
          const day = at.toZonedDateTimeISO(timeZone).toPlainDate();
          const value = day.add({ days });
          const rewritten =
            rewrite(`((e.at)::date ${operator} '${value}'::date)`, keyOf('timestamptz', timeZone)) ?? '';
          expect(meets(rewritten, at)).toBe(holds(operator, Temporal.PlainDate.compare(day, value)));
        },
      ),
      { numRuns: 3000 },
    );
  });
});
