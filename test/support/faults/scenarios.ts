import type { Report } from '../../../lib/index.ts';
import type { TestDatabase } from '../database.ts';
import { describeSchema, keeper, type Settings } from '../keeper.ts';
import { monthStart } from '../traffic.ts';
import { leaveDetachUnfinished } from '../unfinished-detach.ts';

/** A state of the table `app.events`, and a job that has something to do there. */
export interface Scenario {
  readonly name: string;
  /** Months that have a partition; 0 is the present one. */
  readonly months: readonly number[];
  /** Statements that make it special. */
  readonly special?: readonly string[];
  /** The month of a partition whose concurrent detach was begun and not finished. */
  readonly unfinished?: number;
  readonly settings: Settings;
  readonly job: 'create' | 'cleanup';
}

const settings: Settings = { premake: 1, retention: { months: 1 }, maxExpiredShare: 1 };

export const partition = (month: number): string =>
  `events_${monthStart(month).slice(0, 7).replace('-', '_')}`;

const detachConcurrently = (month: number): string =>
  `ALTER TABLE app.events DETACH PARTITION app.${partition(month)} CONCURRENTLY`;

/** As we write it: anything else, and the table is not ours. */
const marker = (month: number): string => `
  DO $$ BEGIN
    EXECUTE format('COMMENT ON TABLE app.${partition(month)} IS %L', '{"partition-keeper":' || replace(replace(json_build_object(
      'parentOid', 'app.events'::regclass::oid::int8, 'parent', 'app.events',
      'bounds', (SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'app.${partition(month)}'::regclass),
      'detachedAt', '2020-01-01T00:00:00Z', 'by', 'a test', 'runId', 'none', 'comment', NULL)::text, ' : ', ':'), ', "', ',"') || '}');
  END $$`;

const DEFAULT_PARTITION = 'CREATE TABLE app.events_default PARTITION OF app.events DEFAULT';

/** What runs do most of the time. */
export const USUAL: readonly Scenario[] = [
  { name: 'create', months: [-1, 0], settings: { ...settings, premake: 2 }, job: 'create' },
  {
    name: 'create that moves rows out of the default partition',
    months: [-1, 0],
    special: [
      DEFAULT_PARTITION,
      `INSERT INTO app.events (id, at, account) SELECT n, '${monthStart(1)} 12:00Z', 1 FROM generate_series(1001, 1050) AS n`,
    ],
    settings,
    job: 'create',
  },
  { name: 'cleanup that drops', months: [-4, -3, 0, 1], settings, job: 'cleanup' },
  {
    name: 'cleanup that detaches',
    months: [-4, -3, 0, 1],
    settings: { ...settings, expired: 'detach' },
    job: 'cleanup',
  },
  {
    name: 'cleanup that drops what was detached before',
    months: [-4, -3, 0, 1],
    special: [marker(-4), detachConcurrently(-4)],
    settings: { ...settings, grace: { days: 1 } },
    job: 'cleanup',
  },
];

/** What they do beside an empty default partition, and with what an interrupted run has left: other statements. */
const UNUSUAL: readonly Scenario[] = [
  {
    name: 'create beside an empty default partition',
    months: [-1, 0],
    special: [DEFAULT_PARTITION],
    settings,
    job: 'create',
  },
  {
    name: 'cleanup that detaches beside a default partition',
    months: [-4, 0, 1],
    special: [DEFAULT_PARTITION],
    settings: { ...settings, expired: 'detach' },
    job: 'cleanup',
  },
  {
    name: 'cleanup that finishes a detach',
    months: [-4, 0, 1],
    special: [marker(-4)],
    unfinished: -4,
    settings: { ...settings, expired: 'detach' },
    job: 'cleanup',
  },
  {
    name: 'cleanup that finishes a detach in order to drop',
    months: [-4, 0, 1],
    special: [marker(-4)],
    unfinished: -4,
    settings,
    job: 'cleanup',
  },
];

/** Together, all statements of all kinds of steps. */
export const SCENARIOS: readonly Scenario[] = [...USUAL, ...UNUSUAL];

/** The first one whose name ends like this. */
export function scenarioThat(ending: string): Scenario {
  const found = SCENARIOS.find(({ name }) => name.endsWith(ending));
  if (found === undefined) throw new Error(`There is no scenario that ${ending}.`);
  return found;
}

/** The one in which a new partition takes rows from the default partition. */
export const MOVES_ROWS = scenarioThat('out of the default partition');

/** Makes the schema anew. */
export async function prepare(
  database: TestDatabase,
  { months, special = [], unfinished }: Scenario,
): Promise<void> {
  await database.query(`
    DROP SCHEMA IF EXISTS app CASCADE;
    CREATE SCHEMA app;
    CREATE TABLE app.accounts (id int PRIMARY KEY);
    INSERT INTO app.accounts VALUES (1);
    CREATE TABLE app.events (id int NOT NULL, at timestamptz NOT NULL, account int REFERENCES app.accounts (id), PRIMARY KEY (id, at))
      PARTITION BY RANGE (at);
    CREATE INDEX ON app.events (account);
    COMMENT ON TABLE app.events IS 'what happened';
  `);
  for (const month of months) {
    const [from, to] = [monthStart(month), monthStart(month + 1)];
    await database.query(`
      CREATE TABLE app.${partition(month)} PARTITION OF app.events FOR VALUES FROM ('${from} 00:00+00') TO ('${to} 00:00+00');
      INSERT INTO app.events SELECT n, timestamptz '${from} 00:00Z' + n * interval '1 hour', 1 FROM generate_series(1, 50) AS n;
    `);
  }
  for (const statement of special) await database.query(statement);
  if (unfinished !== undefined)
    await leaveDetachUnfinished(database, 'app.events', `app.${partition(unfinished)}`);
}

/** @param maxWaitMs how long a step may wait for locks; as long as usual unless given */
export const runJob = (url: string, { job, settings: of }: Scenario, maxWaitMs?: number): Promise<Report> =>
  keeper({ url }, of)[job]({ maxWaitMs });

/** What a marker says of the moment, which differs between runs. */
const momentary = (text: string): string =>
  text
    .replaceAll(/\\"parentOid\\":\d+/g, '"parentOid"')
    .replaceAll(/\\"(detachedAt|runId)\\":\\"[^"]*\\"/g, '"$1"');

interface Content {
  readonly name: string;
  readonly rows: number;
  readonly checksum: string | null;
}

/** How many rows each table has, and a checksum over them. */
async function contents(database: TestDatabase): Promise<Content[]> {
  const tables = await database.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' ORDER BY 1",
  );
  const found: Content[] = [];
  for (const { name } of tables) {
    found.push(
      ...(await database.query<{ name: string; rows: number; checksum: string | null }>(
        `SELECT '${name}' AS name, count(*)::int AS rows, md5(string_agg(t::text, ',' ORDER BY t::text)) AS checksum FROM ONLY app.${name} AS t`,
      )),
    );
  }
  return found;
}

/** Everything that can be told apart: relations with all that belongs to them, rows, unfinished business. */
export interface State {
  readonly schema: string;
  readonly contents: readonly Content[];
  readonly pending: number;
}

export async function stateOf(database: TestDatabase): Promise<State> {
  const [pending] = await database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM pg_inherits WHERE inhdetachpending',
  );
  return {
    schema: momentary(JSON.stringify(await describeSchema(database))),
    contents: await contents(database),
    pending: pending?.count ?? 0,
  };
}

/** The partitions and former partitions, each with the state it is in. */
export async function lifecycleOf(database: TestDatabase): Promise<Record<string, string>> {
  const rows = await database.query<{ name: string; state: string }>(`
    SELECT c.relname AS name, CASE
        WHEN i.inhdetachpending THEN 'pending detach'
        WHEN i.inhrelid IS NOT NULL THEN 'attached'
        WHEN obj_description(c.oid, 'pg_class') LIKE '{"partition-keeper":%' THEN 'detached, marked'
        ELSE 'orphan' END AS state
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'events\\_%'`);
  return Object.fromEntries(rows.map(({ name, state }) => [name, state]));
}
