import { describe, expect, test } from 'vitest';
import { type Appearance, verdictOf } from '../../../../lib/partition/pruning/judge.ts';
import { conjunctsOf } from '../../../../lib/partition/pruning/parse.ts';
import { type PlanNode, referencesOf, removedWholly } from '../../../../lib/partition/pruning/plan.ts';

const appearance = (filter: string | null, fields: Partial<Appearance> = {}): Appearance => ({
  keyColumn: 'at',
  keyType: 'timestamptz',
  timeZone: 'UTC',
  partitions: 12,
  scanned: 12,
  aliases: ['e'],
  conditions: filter === null ? [] : conjunctsOf(filter),
  joins: [],
  pruningEnabled: true,
  knowledge: { isVolatile: (name) => name === 'clock_timestamp', subqueries: new Set(['$0']) },
  ...fields,
});

/** `never: expression`, the warnings with a mark. */
function judged(filter: string | null, fields: Partial<Appearance> = {}): string {
  const { pruning, findings } = verdictOf(appearance(filter, fields));
  const names = findings.map(({ finding, severity }) => (severity === 'warning' ? `${finding}!` : finding));
  return [pruning, ...names].join(' ');
}

const FROM = "(e.at >= '2026-01-01 00:00:00+00'::timestamp with time zone)";
const TO = "(e.at < '2026-02-01 00:00:00+00'::timestamp with time zone)";

describe('why partitions are read', () => {
  test.each<readonly [string | null, string]>([
    [null, 'never no-condition!'],
    ['(e.u = 5)', 'never no-condition!'],
    [`(${FROM} AND ${TO})`, 'planning'],
    [FROM, 'planning open-ended'],
    [`(${FROM} AND (e.at < now()))`, 'planning stable'],
    ['((e.at >= $1) AND (e.at < $2))', 'start parameter'],
    ["((e.at >= '2026-01-01'::date) AND (e.at < '2026-02-01'::date))", 'start type'],
    ['(e.at = (InitPlan 1).col1)', 'running subquery'],
    ['(e.at = $0)', 'running subquery'],
    ['(e.at = o.at)', 'running join'],
    ["(e.at > (clock_timestamp() - '1 day'::interval))", 'never volatile!'],
    ['(e.at > e.changed_at)', 'never own-column!'],
    ["((e.at)::date = '2026-01-01'::date)", 'never expression!'],
    [`(${FROM} AND ${TO} AND ((e.at)::date = '2026-01-01'::date))`, 'planning expression'],
    [`(${FROM} OR (e.u = 5))`, 'never or!'],
    [`((${FROM} AND ${TO}) OR (e.at = '2026-05-01 00:00:00+00'::timestamp with time zone))`, 'planning'],
    [`(((e.at > now()) AND (e.u = 1)) OR ${TO})`, 'start stable'],
    [
      "(ROW(e.at, e.id) > ROW('2026-01-01 00:00:00+00'::timestamp with time zone, 5))",
      'never row-comparison!',
    ],
    ['((e.at >= $1) AND (ROW(e.at, e.id) > ROW($1, 5)))', 'never row-comparison!'],
    ['((e.at >= $2) AND (ROW(e.at, e.id) > ROW($1, 5)))', 'start row-comparison parameter open-ended'],
    ["(e.at <> '2026-01-01 00:00:00+00'::timestamp with time zone)", 'never inequality!'],
    ['(e.at IS NOT NULL)', 'never no-condition!'],
    ['(e.at IS NULL)', 'planning'],
    ['(e.at = ANY (\'{"2026-01-01 00:00:00+00"}\'::timestamp with time zone[]))', 'planning'],
    ['((hashed SubPlan 1) OR (o.at = 5))', 'never no-condition!'],
  ])('%s: %s', (filter, expected) => {
    expect(judged(filter)).toBe(expected);
  });

  test('a join elsewhere in the plan', () => {
    expect(judged(null, { joins: conjunctsOf('(e.at = o.at)') })).toBe('never join!');
    expect(judged(null, { joins: conjunctsOf('(e.id = o.id)') })).toBe('never no-condition!');
  });

  test('nothing is wrong where there is one partition, or one is read', () => {
    expect(judged(null, { partitions: 1, scanned: 1 })).toBe('never no-condition');
    expect(judged(null, { scanned: 1 })).toBe('never no-condition');
  });

  test('a setting that switches it off, and keys that are not judged', () => {
    expect(judged(`(${FROM} AND ${TO})`, { pruningEnabled: false })).toBe('never pruning-off!');
    expect(judged(null, { keyType: null, scanned: 3 })).toBe('planning not-analysed');
  });

  test('for a wall-clock key, values of a zone are those of another type', () => {
    const filter = `(${FROM} AND ${TO})`;
    expect(judged(filter, { keyType: 'timestamp' })).toBe('start type');
    expect(judged("(e.at = '2026-01-01'::date)", { keyType: 'timestamp' })).toBe('planning');
  });

  test('what is said names the condition as people write it', () => {
    const { findings, keyConditions } = verdictOf(
      appearance(`(${FROM} AND (e.u = 5) AND ((e.at)::date = '2026-01-01'::date))`),
    );
    expect(keyConditions).toEqual([
      "(at >= '2026-01-01 00:00:00+00'::timestamptz)",
      "((at)::date = '2026-01-01'::date)",
    ]);
    expect(findings[0]).toMatchObject({
      condition: "((at)::date = '2026-01-01'::date)",
      rewritten: "at >= '2026-01-01 00:00:00+00'::timestamptz AND at < '2026-01-02 00:00:00+00'::timestamptz",
    });
  });
});

describe('appearances in a plan', () => {
  const scan = (name: string, alias: string, filter: string): PlanNode => ({
    'Node Type': 'Seq Scan',
    'Parent Relationship': 'Member',
    Schema: 'app',
    'Relation Name': name,
    Alias: alias,
    Filter: filter,
  });
  const events = { name: 'events' };
  const tableOf = (_: string, name: string) => (name.startsWith('events_') ? events : undefined);

  test('the partitions under an Append are one, one that is read again begins another', () => {
    const plan: PlanNode = {
      'Node Type': 'Append',
      'Subplans Removed': 4,
      Plans: [
        scan('events_1', 'e_1', '(e_1.u = 1)'),
        scan('events_2', 'e_2', '(e_2.u = 1)'),
        scan('events_1', 'e_3', '(e_3.u = 2)'),
        scan('events_3', 'e_4', '(e_4.u = 2)'),
        scan('others', 'o', '(o.u = 2)'),
      ],
    };
    const references = referencesOf(plan, tableOf);
    expect(
      references.map(({ alias, scans, removedAtStart }) => [alias, scans.length, removedAtStart]),
    ).toEqual([
      ['e', 2, 4],
      ['e', 2, 0],
    ]);
  });

  test('one that is left alone keeps its name; conditions of bitmaps and joins belong to it', () => {
    const plan: PlanNode = {
      'Node Type': 'Nested Loop',
      'Join Filter': '(e_1.at = o.at)',
      Plans: [
        {
          ...scan('events_1', 'e_1', '(e_1.u = 1)'),
          'Node Type': 'Bitmap Heap Scan',
          Plans: [{ 'Node Type': 'Bitmap Index Scan', 'Index Name': 'i', 'Index Cond': '(e_1.at > now())' }],
        },
      ],
    };
    const [reference] = referencesOf(plan, tableOf);
    expect(reference).toMatchObject({ alias: 'e_1', scans: [{ indexes: ['i'] }] });
    expect(reference?.scans[0]?.conditions.map(({ text }) => text)).toEqual([
      '(e_1.u = 1)',
      '(e_1.at > now())',
    ]);
    expect(reference?.joins.map(({ text }) => text)).toEqual(['(e_1.at = o.at)']);
  });

  test('an Append of which nothing is left may have lost its name', () => {
    const plan: PlanNode = { 'Node Type': 'Append', 'Subplans Removed': 7, Plans: [] };
    expect(referencesOf(plan, tableOf)).toEqual([]);
    expect(removedWholly(plan, 'e')).toBe(7);
    expect(removedWholly({ ...plan, Output: ['o.id'] }, 'e')).toBe(0);
  });
});
