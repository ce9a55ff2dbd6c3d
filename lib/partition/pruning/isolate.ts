import { Temporal } from 'temporal-polyfill';
import { toPoint } from '../calendar.ts';
import { displayIdentifier } from '../identifiers.ts';
import { type KeyType, keyText } from '../key-type.ts';
import { isAligned, isFixed } from './exactness.ts';
import type { Comparison, Expression } from './expression.ts';
import { flipped, isKey, type Key, mentionsKey } from './key.ts';
import {
  asType,
  floor,
  following,
  instantIn,
  type Moment,
  momentOf,
  momentSql,
  sql,
  timeTypeOf,
  UNITS,
  type Unit,
  wall,
  wallIn,
} from './moment.ts';

/** A condition on the bare key that says the same as one on an expression of it. */
export interface Isolated {
  readonly conditions: readonly string[];
  /** Whether it holds for exactly the same rows, whatever the values are that are not known yet. */
  readonly exact: boolean;
}

type Solved = Isolated | null;

const joined = (...parts: readonly Solved[]): Solved =>
  parts.reduce<Solved>(
    (all, part) =>
      all === null || part === null
        ? null
        : { conditions: [...all.conditions, ...part.conditions], exact: all.exact && part.exact },
    { conditions: [], exact: true },
  );

const inexact = (solved: Solved): Solved => (solved === null ? null : { ...solved, exact: false });

/** A parameter takes the type of what it is compared with: elsewhere it has to be said. */
const typed = (text: string, type: string): string => (/^\$\d+$/.test(text) ? `${text}::${type}` : text);

const constant = (expression: Expression | undefined): string | undefined =>
  expression?.kind === 'constant' ? expression.value : undefined;

/** The type of an expression of the key, as far as it is one of time. */
function typeOf(expression: Expression, key: Key): KeyType | undefined {
  if (isKey(expression, key)) return key.type;
  if (expression.kind === 'cast') return timeTypeOf(expression.type);
  if (expression.kind !== 'call') return undefined;
  const [first, second] = expression.args;
  switch (expression.name) {
    case 'date_trunc':
      return second === undefined ? undefined : typeOf(second, key);
    case 'timezone':
      if (second === undefined) return undefined;
      return typeOf(second, key) === 'timestamptz' ? 'timestamp' : 'timestamptz';
    case 'date':
      return 'date';
    case 'uuid_extract_timestamp':
      return first !== undefined && isKey(first, key) ? 'timestamptz' : undefined;
    default:
      return undefined;
  }
}

/** `trunc(inner) operator value`, where trunc goes back to the first moment of the unit, by the clock of the zone. */
function truncated(
  inner: Expression,
  unit: Unit,
  operator: string,
  value: Moment,
  key: Key,
  zone = key.timeZone,
): Solved {
  const type = typeOf(inner, key);
  if (type === undefined || value.kind === 'sql') return null;
  const at = value.kind === 'wall' ? value.at : wallIn(value.at, zone);
  const begin = floor(at, unit);
  const end = following(begin, unit);
  const whole = begin.equals(at);
  const moment = (point: Temporal.PlainDateTime): Moment =>
    type === 'timestamptz' ? instantIn(point, zone) : wall(point);
  const from = (point: Temporal.PlainDateTime): Solved => solve(inner, '>=', moment(point), key);
  const to = (point: Temporal.PlainDateTime): Solved => solve(inner, '<', moment(point), key);
  switch (operator) {
    case '=':
      return joined(from(whole ? begin : end), to(end));
    case '>=':
      return from(whole ? begin : end);
    case '>':
      return from(end);
    case '<':
      return to(whole ? begin : end);
    case '<=':
      return to(end);
    default:
      return null;
  }
}

/** The same with a value that is not known here, which counts as the first moment of a unit. */
function truncatedAt(inner: Expression, operator: string, text: string, step: string, key: Key): Solved {
  const next = sql(`(${text} + ${step})`);
  switch (operator) {
    case '=':
      return joined(solve(inner, '>=', sql(text), key), solve(inner, '<', next, key));
    case '>=':
    case '<':
      return solve(inner, operator, sql(text), key);
    case '>':
      return solve(inner, '>=', next, key);
    case '<=':
      return solve(inner, '<', next, key);
    default:
      return null;
  }
}

function day(inner: Expression, operator: string, value: Moment, key: Key): Solved {
  if (value.kind === 'sql') return truncatedAt(inner, operator, typed(value.text, 'date'), '1', key);
  return value.kind === 'wall' ? truncated(inner, 'day', operator, value, key) : null;
}

function dateTrunc(
  [field, inner, zone]: readonly Expression[],
  operator: string,
  value: Moment,
  key: Key,
): Solved {
  const unit = UNITS.find((one) => one === constant(field)?.toLowerCase());
  if (unit === undefined || inner === undefined) return null;
  if (value.kind !== 'sql') return truncated(inner, unit, operator, value, key, constant(zone));
  const solved = truncatedAt(
    inner,
    operator,
    typed(value.text, typeOf(inner, key) ?? key.type),
    `'${unit === 'quarter' ? '3 months' : `1 ${unit}`}'::interval`,
    key,
  );
  // In another zone, the next one may begin at another time by the session's clock.
  return zone === undefined && isAligned(value.text, unit) ? solved : inexact(solved);
}

const FORMATS: Readonly<Record<string, readonly [Unit, RegExp]>> = {
  YYYY: ['year', /^(\d{4})$/],
  'YYYY-MM': ['month', /^(\d{4})-(\d\d)$/],
  'YYYY/MM': ['month', /^(\d{4})\/(\d\d)$/],
  YYYYMM: ['month', /^(\d{4})(\d\d)$/],
  YYYY_MM: ['month', /^(\d{4})_(\d\d)$/],
  'YYYY-MM-DD': ['day', /^(\d{4})-(\d\d)-(\d\d)$/],
  'YYYY/MM/DD': ['day', /^(\d{4})\/(\d\d)\/(\d\d)$/],
  YYYYMMDD: ['day', /^(\d{4})(\d\d)(\d\d)$/],
};

/** @throws RangeError for a date that no calendar has */
const dateOf = ([, year, month = '1', day = '1']: readonly (string | undefined)[]): Temporal.PlainDateTime =>
  Temporal.PlainDateTime.from(
    { year: Number(year), month: Number(month), day: Number(day) },
    { overflow: 'reject' },
  );

function formatted(
  [inner, format]: readonly Expression[],
  operator: string,
  text: string | undefined,
  key: Key,
): Solved {
  const [unit, pattern] = FORMATS[constant(format) ?? ''] ?? [];
  const match = pattern?.exec(text ?? '');
  if (inner === undefined || unit === undefined || match === null || match === undefined) return null;
  return truncated(inner, unit, operator, wall(dateOf(match)), key);
}

/** `extract(year from key) = 2026`; other fields name no range. */
function year(
  [field, inner]: readonly Expression[],
  operator: string,
  text: string | undefined,
  key: Key,
): Solved {
  if (constant(field)?.toLowerCase() !== 'year' || inner === undefined || !/^\d{4}$/.test(text ?? ''))
    return null;
  return truncated(inner, 'year', operator, wall(dateOf([undefined, text])), key);
}

/** A UUIDv7 begins with its milliseconds. */
function uuidTime(operator: string, value: Moment, key: Key): Solved {
  if (value.kind !== 'instant') return null;
  const point = toPoint(value.at);
  const below = point - (((point % 1000n) + 1000n) % 1000n);
  const above = below === point ? below : below + 1000n;
  const bound = (sign: string, at: bigint): Solved => ({
    conditions: [`${displayIdentifier(key.column)} ${sign} '${keyText('uuid', at)}'::uuid`],
    exact: true,
  });
  switch (operator) {
    case '=':
      return joined(bound('>=', above), bound('<', below + 1000n));
    case '>=':
      return bound('>=', above);
    case '>':
      return bound('>=', below + 1000n);
    case '<':
      return bound('<', above);
    case '<=':
      return bound('<', below + 1000n);
    default:
      return null;
  }
}

function arithmetic(
  { operator: sign, left, right }: Comparison,
  operator: string,
  value: Moment,
  key: Key,
): Solved {
  const bare = momentSql(value, key.timeZone);
  if (mentionsKey(left, key) && !mentionsKey(right, key) && (sign === '+' || sign === '-')) {
    const text = typed(bare, key.type);
    const solved = solve(left, operator, sql(`(${text} ${sign === '+' ? '-' : '+'} ${right.text})`), key);
    return isFixed(right.text, typeOf(left, key), key.timeZone) ? solved : inexact(solved);
  }
  const other = flipped(operator);
  if (sign !== '-' || mentionsKey(left, key) || other === undefined) return null;
  const text = typed(bare, 'interval');
  const solved = solve(right, other, sql(`(${left.text} - ${text})`), key);
  return isFixed(text, typeOf(right, key), key.timeZone) ? solved : inexact(solved);
}

function call(name: string, args: readonly Expression[], operator: string, value: Moment, key: Key): Solved {
  const [first, second] = args;
  if (first === undefined) return null;
  switch (name) {
    case 'date':
      return day(first, operator, value, key);
    case 'date_trunc':
      return dateTrunc(args, operator, value, key);
    case 'uuid_extract_timestamp':
      return isKey(first, key) ? uuidTime(operator, value, key) : null;
    case 'age': {
      const other = flipped(operator);
      if (second === undefined || other === undefined) return null;
      return inexact(solve(second, other, sql(`(${first.text} - ${momentSql(value, key.timeZone)})`), key));
    }
    case 'timezone': {
      const zone = constant(first);
      if (second === undefined) return null;
      if (value.kind === 'sql')
        return solve(second, operator, sql(`(${value.text} AT TIME ZONE ${first.text})`), key);
      if (zone === undefined) return null;
      const type = typeOf(second, key);
      if (type === 'timestamptz' && value.kind === 'wall')
        return solve(second, operator, instantIn(value.at, zone), key);
      if (type === 'timestamp' && value.kind === 'instant')
        return solve(second, operator, wall(wallIn(value.at, zone)), key);
      return null;
    }
    default:
      return null;
  }
}

/** `expression operator value`, turned round until the key stands alone. */
function solve(expression: Expression, operator: string, value: Moment, key: Key): Solved {
  if (isKey(expression, key)) {
    if (key.type === 'uuid') return null;
    const bound = momentSql(asType(value, key.type, key.timeZone), key.timeZone);
    return { conditions: [`${displayIdentifier(key.column)} ${operator} ${bound}`], exact: true };
  }
  if (expression.kind === 'cast') {
    const type = timeTypeOf(expression.type);
    if (type === 'date') return day(expression.operand, operator, value, key);
    const inner = typeOf(expression.operand, key);
    if (type === undefined || inner === undefined) return null;
    return solve(
      expression.operand,
      operator,
      asType(asType(value, type, key.timeZone), inner, key.timeZone),
      key,
    );
  }
  if (expression.kind === 'comparison') return arithmetic(expression, operator, value, key);
  return expression.kind === 'call' ? call(expression.name, expression.args, operator, value, key) : null;
}

const PREFIX = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?(-|\s)?%$/;

/** `(key)::text LIKE '2026-01%'`. */
function beginning(left: Expression, pattern: string | undefined, key: Key): Solved {
  const [, yearText, month, dayText, last] = PREFIX.exec(pattern ?? '') ?? [];
  if (left.kind !== 'cast' || left.type !== 'text' || yearText === undefined) return null;
  if (dayText !== undefined && last === '-') return null;
  const unit = dayText !== undefined ? 'day' : month !== undefined ? 'month' : 'year';
  return truncated(left.operand, unit, '=', wall(dateOf([undefined, yearText, month, dayText])), key);
}

/** One comparison with the key on its left side. */
function isolated({ operator, left, right }: Comparison, key: Key): Solved {
  const text = constant(right);
  if (operator === '~~') return beginning(left, text, key);
  if (left.kind === 'call' && left.name === 'to_char') return formatted(left.args, operator, text, key);
  if (left.kind === 'call' && (left.name === 'extract' || left.name === 'date_part'))
    return year(left.args, operator, text, key);
  return solve(left, operator, momentOf(right), key);
}

/** The comparison with its sides so that the key is on the left; undefined where it is on both, or the order is unknown. */
export function keyFirst(comparison: Comparison, key: Key): Comparison | undefined {
  const { left, right, operator, quantifier } = comparison;
  const onLeft = mentionsKey(left, key);
  if (onLeft !== mentionsKey(right, key) && onLeft) return comparison;
  const other = flipped(operator);
  if (onLeft || other === undefined || quantifier !== null) return undefined;
  return { ...comparison, operator: other, left: right, right: left };
}

/**
 * A condition on an expression of the key, rewritten as one on the key; null where none is known that holds for the
 * same rows. Constants are computed: `date_trunc('month', key) = '2026-01-01'` ends before 2026-02-01.
 */
export function isolate(comparison: Comparison, key: Key): Isolated | null {
  const turned = keyFirst(comparison, key);
  if (turned === undefined || turned.quantifier !== null) return null;
  try {
    return isolated(turned, key);
  } catch (error) {
    // A date that no calendar has, or a zone that only the server knows.
    if (error instanceof RangeError) return null;
    throw error;
  }
}
