import fc from 'fast-check';
import type pg from 'pg';
import { Temporal } from 'temporal-polyfill';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectionSettings } from '../../../lib/index.ts';
import { boundsSql, parseBounds } from '../../../lib/partition/bounds.ts';
import { calendarOf, INTERVALS, toInstant, toPoint } from '../../../lib/partition/calendar.ts';
import { findingsOf } from '../../../lib/partition/health.ts';
import { quoteLiteral } from '../../../lib/partition/identifiers.ts';
import { instantAt, keyText } from '../../../lib/partition/key-type.ts';
import { markerText } from '../../../lib/partition/marker.ts';
import type { PartitionedTable } from '../../../lib/partition/model.ts';
import { suffixOf } from '../../../lib/partition/names.ts';
import { planCleanup } from '../../../lib/partition/plan-cleanup.ts';
import { planCreate } from '../../../lib/partition/plan-create.ts';
import { isBounded, type Point } from '../../../lib/partition/range.ts';
import { before } from '../../../lib/partition/span.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { timeZoneSql } from '../../../lib/partition/time-zone-sql.ts';
import { inspect } from '../../../lib/postgres/inspect/inspect.ts';
import { openSession } from '../../../lib/postgres/session.ts';
import { createRoutine } from '../../../lib/sql/routine.ts';
import { installScript } from '../../../lib/sql/script.ts';
import { tablesRoutine } from '../../../lib/sql/tables.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { anyStoryZone, STORY_ZONES, YEARS } from '../../support/retention/story.ts';
import { KEY_TYPES } from '../../unit/support/arbitraries.ts';
import { anySettledSituation, type Situation } from '../../unit/support/situations.ts';
import { configOf } from '../../unit/support/tables.ts';

/** What stands where a new partition would get its name. */
type Blocked = {
  readonly which: number;
  readonly by: 'a table' | 'a detached table' | 'one of another time';
};

/** Zones that PostgreSQL reads in another way than the config, unless it is told them in other words. */
const OTHERWISE_READ = ['-05:00', '+05:30', 'CET', 'eet'];

interface Case {
  readonly situation: Situation;
  readonly settings: Pick<TableConfig, 'expired' | 'maxExpiredShare'>;
  readonly blocked: Blocked | null;
  readonly defaultRow: boolean;
}

const anyCase: fc.Arbitrary<Case> = fc.record({
  situation: anySettledSituation(
    fc.oneof(
      { weight: 4, arbitrary: anyStoryZone },
      { weight: 1, arbitrary: fc.constantFrom(...OTHERWISE_READ) },
    ),
    YEARS,
  ),
  settings: fc.record({
    expired: fc.constantFrom('drop', 'drop', 'drop', 'detach'),
    maxExpiredShare: fc.constantFrom(0.2, 0.5, 1),
  }),
  blocked: fc.option(
    fc.record({
      which: fc.nat(6),
      by: fc.constantFrom('a table', 'a detached table', 'one of another time'),
    }),
  ),
  defaultRow: fc.boolean(),
});

let database: TestDatabase;
let inspector: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(installScript([configOf()]));
  // Whatever the caller's session is like.
  await database.query("SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'");
  inspector = (await openSession(connectionSettings(database.url, {}), 'test', 'read')).client;
});

afterAll(async () => {
  await inspector.end();
  await database.drop();
});

/** Makes in the database what the situation says. */
async function realize(
  { situation: { table, now }, blocked, defaultRow, settings }: Case,
  config: TableConfig,
): Promise<void> {
  const { keyType, partitions, defaultPartition } = table;
  const statements = [
    'DROP SCHEMA IF EXISTS logs CASCADE; CREATE SCHEMA logs',
    `CREATE TABLE logs.events (created_at ${keyType} NOT NULL, PRIMARY KEY (created_at)) PARTITION BY RANGE (created_at)`,
    ...partitions.map(
      ({ name, range }) => `CREATE TABLE logs.${name} PARTITION OF logs.events ${boundsSql(keyType, range)}`,
    ),
    ...partitions.flatMap(({ name, referencedBy }, index) =>
      referencedBy.length === 0
        ? []
        : [`CREATE TABLE logs.referring_${index} (at ${keyType} REFERENCES logs.${name})`],
    ),
    ...partitions.flatMap(({ name, detachPending, marker, range }) =>
      !detachPending
        ? []
        : [
            `UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'logs.${name}'::regclass`,
            ...(marker === null ? [] : [markerSql(name, boundsSql(keyType, range))]),
          ],
    ),
  ];
  if (defaultPartition !== null) {
    statements.push('CREATE TABLE logs.events_default PARTITION OF logs.events DEFAULT');
    // Beyond everything, where no partition ends it.
    const free = partitions.every(({ range }) => isBounded(range.to));
    if (defaultRow && free)
      statements.push(
        `INSERT INTO logs.events_default VALUES ('${keyText(keyType, 4_000_000_000_000_000n)}')`,
      );
  }
  if (blocked !== null) {
    const steps = planCreate(table, { ...config, ...settings }, { now }).steps;
    const step = steps[blocked.which % Math.max(1, steps.length)];
    if (step !== undefined) {
      statements.push(`CREATE TABLE logs.${step.name} (LIKE logs.events)`);
      const year = 365n * 86_400_000_000n;
      const elsewhere = { from: step.range.from + year, to: step.range.to + year };
      if (blocked.by !== 'a table')
        statements.push(
          markerSql(
            step.name,
            boundsSql(keyType, blocked.by === 'a detached table' ? step.range : elsewhere),
          ),
        );
    }
  }
  await database.query(statements.join(';\n'));
}

const markerSql = (name: string, bounds: string): string => {
  const marker = (parentOid: string) =>
    markerText({
      parentOid: 0,
      parent: 'logs.events',
      bounds,
      detachedAt: '2026-01-01T00:00:00Z',
      by: 'a test',
      runId: 'none',
      comment: null,
    }).replace('"parentOid":0', `"parentOid":${parentOid}`);
  return `DO $do$ BEGIN EXECUTE format('COMMENT ON TABLE logs.${name} IS %L', replace(${quoteLiteral(marker('0'))}, '"parentOid":0', '"parentOid":' || 'logs.events'::regclass::oid)); END $do$`;
};

const told = { creations: 0, blocked: 0, removals: 0, kept: 0, refusals: 0, findings: 0 };

/** The findings that the functions know. */
const FINDINGS = [
  'missing-current',
  'missing-next',
  'missing',
  'expired',
  'detach-pending',
  'default-rows',
  'referenced',
  'too-few',
];

async function creations(table: PartitionedTable, config: TableConfig, now: Temporal.Instant): Promise<void> {
  const plan = planCreate(table, config, { now });
  const rows = await database.query<{ name: string; bounds: string; reason: string; problem: string | null }>(
    `SELECT * FROM partition_keeper._plan_create('logs', 'events', '${now}', NULL, NULL, NULL, NULL)`,
  );
  const made = rows.filter(({ problem }) => problem === null);
  expect(
    made.map(({ name, bounds, reason }) => ({ name, bounds, reason })),
    'created',
  ).toEqual(
    plan.steps.map(({ name, range, reason }) => ({ name, bounds: boundsSql(table.keyType, range), reason })),
  );
  const problems = rows.filter(({ problem }) => problem !== null);
  expect(problems.length, 'cannot be created').toBe(plan.problems.length);
  for (const [index, { name }] of problems.entries())
    expect(plan.problems[index]?.message).toContain(`logs.${name} `);
  told.creations += made.length;
  told.blocked += problems.length;
}

async function removals(table: PartitionedTable, config: TableConfig, now: Temporal.Instant): Promise<void> {
  const plan = planCleanup(table, config, { now, serverClock: now, localClock: now });
  const rows = await database.query<{ name: string; kept_because: string | null; refusal: string | null }>(
    `SELECT * FROM partition_keeper._plan_cleanup('logs', 'events', '${now}')`,
  );
  const dropped = rows.flatMap(({ name, kept_because }) => (kept_because === null ? [name] : []));
  expect(dropped, 'dropped').toEqual(
    plan.steps.flatMap((step) =>
      step.kind === 'drop' && step.from === 'attached' ? [step.partition.name] : [],
    ),
  );
  // What the functions cannot do is kept, and named.
  const kept = rows.flatMap(({ name, kept_because }) => (kept_because === null ? [] : [name]));
  const others = plan.steps.flatMap((step) => (step.kind === 'drop' ? [] : [step.partition.name]));
  expect(kept, 'kept').toEqual(expect.arrayContaining(others));
  const refused = rows.some(({ refusal }) => refusal !== null);
  if (config.expired === 'drop') expect(refused, 'refused').toBe(plan.refusal !== null);
  told.removals += dropped.length;
  told.kept += kept.length;
  told.refusals += refused ? 1 : 0;
}

async function health(table: PartitionedTable, config: TableConfig, now: Temporal.Instant): Promise<void> {
  // One whose detach is unfinished is told of as that, whoever began it.
  const pending = table.partitions.flatMap(({ detachPending, name }) =>
    detachPending ? [`logs.${name}`] : [],
  );
  const expected = findingsOf({ table, config, now, serverClock: now, localClock: now }).flatMap(
    ({ finding, partition }) =>
      FINDINGS.includes(finding) && !(finding === 'referenced' && pending.includes(partition ?? ''))
        ? [finding]
        : [],
  );
  const rows = await database.query<{ finding: string }>(
    `SELECT finding FROM partition_keeper._findings('logs', 'events', '${now}')`,
  );
  expect(rows.map(({ finding }) => finding).toSorted(), 'found').toEqual([...new Set(expected)].toSorted());
  told.findings += rows.length;
}

async function compare(one: Case): Promise<void> {
  const config: TableConfig = { ...one.situation.config, ...one.settings };
  const { now } = one.situation;
  await realize(one, config);
  await database.query(createRoutine('partition_keeper', tablesRoutine([config])));
  const [inspected] = await inspect(inspector, [config]);
  if (inspected === undefined || 'error' in inspected)
    throw new Error(`cannot be inspected: ${inspected?.error.message}`);
  await creations(inspected.table, config, now);
  await removals(inspected.table, config, now);
  await health(inspected.table, config, now);
}

/** For replays and long runs. */
const { SQL_SEED, SQL_PATH, SQL_RUNS } = process.env;
const RUNS = Number(SQL_RUNS ?? 100);

test(
  'the functions plan and find what Partition Keeper plans and finds, whatever the table, config and moment',
  async () => {
    await fc.assert(fc.asyncProperty(anyCase, compare), {
      numRuns: RUNS,
      ...(SQL_SEED === undefined ? {} : { seed: Number(SQL_SEED) }),
      ...(SQL_PATH === undefined ? {} : { path: SQL_PATH }),
    });
    console.log(told);
    if (SQL_PATH !== undefined) return;
    for (const [what, times] of Object.entries(told)) expect(times, what).toBeGreaterThan(0);
  },
  60_000 + RUNS * 1000,
);

/** Beside every change of the clocks of a zone in these years. */
function placesBesideChanges(zone: string): Point[] {
  // Also where clocks never change.
  const places: Point[] = [
    toPoint(Temporal.Instant.from('2010-01-01T02:00Z')),
    toPoint(Temporal.Instant.from('2010-07-01T02:00Z')),
  ];
  let change: Temporal.ZonedDateTime | null = Temporal.PlainDate.from({
    year: YEARS.min,
    month: 1,
    day: 1,
  }).toZonedDateTime(zone);
  for (
    change = change.getTimeZoneTransition('next');
    change !== null && change.year < YEARS.max;
    change = change.getTimeZoneTransition('next')
  ) {
    const at = toPoint(change.toInstant());
    for (const minutes of [-24 * 60, -60, -30, 0, 60])
      for (const micros of [-1n, 0n]) places.push(at + BigInt(minutes) * 60_000_000n + micros);
  }
  return places;
}

const EPOCH = "timestamp 'epoch' + p.place::bigint * interval '1 microsecond'";
const MICROS = (place: string): string => `(extract(epoch FROM ${place}) * 1000000)::bigint::text`;

test('calendars, bounds and retention are the same wherever clocks change', async () => {
  let compared = 0;
  for (const zone of [...STORY_ZONES, ...OTHERWISE_READ]) {
    const places = placesBesideChanges(zone);
    const parameters = [places.map(String), timeZoneSql(zone)];
    for (const interval of INTERVALS) {
      const calendar = calendarOf(interval, zone);
      const rows = await database.query(
        `SELECT ${MICROS('c.starts')} AS "from", ${MICROS('c.ends')} AS "to", partition_keeper._suffix('${interval}', c.label) AS suffix
         FROM unnest($1::text[]) WITH ORDINALITY AS p(place, number)
         CROSS JOIN LATERAL partition_keeper._containing(${EPOCH}, '${interval}', $2) AS c ORDER BY p.number`,
        parameters,
      );
      const expected = places.map((place) => {
        const { from, to, label } = calendar.containing(place);
        return { from: String(from), to: String(to), suffix: suffixOf(interval, label) };
      });
      expect(rows, `${interval} in ${zone}`).toEqual(expected);
      compared += rows.length;
    }
    for (const span of [{ days: 1 }, { months: 1 }, { years: 1, hours: 1 }]) {
      const instants = places.map((place) => toInstant(place).toZonedDateTimeISO(zone).add(span).toInstant());
      const { hours = 0, ...calendar } = { years: 0, months: 0, days: 0, hours: 0, ...span };
      const rows = await database.query(
        `SELECT ${MICROS(`partition_keeper._before((${EPOCH}) AT TIME ZONE 'UTC',
           make_interval(years => ${calendar.years}, months => ${calendar.months}, days => ${calendar.days}), ${hours}, $2)`)} AS cutoff
         FROM unnest($1::text[]) WITH ORDINALITY AS p(place, number) ORDER BY p.number`,
        [instants.map((instant) => String(toPoint(instant))), timeZoneSql(zone)],
      );
      expect(rows, `before in ${zone}`).toEqual(
        instants.map((instant) => ({ cutoff: String(toPoint(before(instant, span, zone))) })),
      );
    }
    const latest = await database.query(
      `SELECT ${MICROS(`partition_keeper._latest('timestamp', $2, ${EPOCH})`)} AS latest
       FROM unnest($1::text[]) WITH ORDINALITY AS p(place, number) ORDER BY p.number`,
      parameters,
    );
    expect(latest, `latest in ${zone}`).toEqual(
      places.map((place) => ({ latest: String(toPoint(instantAt('timestamp', zone, place))) })),
    );
  }
  expect(compared).toBeGreaterThan(2500);
});

test('bounds are read alike', async () => {
  const texts = {
    timestamptz: [
      "'0044-03-15 12:00:00+00 BC'",
      "'12026-01-01 00:00:00.000001+00'",
      "'infinity'",
      'MAXVALUE',
    ],
    timestamp: ["'2026-02-28 23:59:59.999999'", "'-infinity'", 'MAXVALUE'],
    date: ["'2026-02-28'", "'0001-01-01 BC'", 'MAXVALUE'],
    uuid: [
      "'018cc251-f400-0000-0000-000000000000'",
      "'018cc251-f400-7000-8000-000000000000'",
      "'018cc251-f400-7000-8000-000000000001'",
      "'ffffffff-ffff-7abc-8000-000000000001'",
    ],
  };
  for (const keyType of KEY_TYPES) {
    for (const text of texts[keyType]) {
      const parsed = parseBounds(keyType, `FOR VALUES FROM (MINVALUE) TO (${text})`);
      if (parsed.kind !== 'range') throw new Error(`cannot be read: ${text}`);
      const [row] = await database.query<{ place: string | null; micros: string }>(
        `SELECT (extract(epoch FROM p.place) * 1000000)::text AS micros FROM partition_keeper._bound('${keyType}', ${quoteLiteral(text)}, true) AS p(place)`,
      );
      const { to } = parsed.range;
      expect(row?.micros, text).toBe(isBounded(to) ? `${to}.000000` : `${to < 0n ? '-' : ''}Infinity`);
      if (isBounded(to)) expect(toInstant(to)).toBeInstanceOf(Temporal.Instant);
    }
  }
});
