import type { Report } from '../../../lib/index.ts';
import { keeper, tableOf } from '../keeper.ts';
import { countDeadlocks } from '../traffic.ts';
import { waitUntil } from '../wait.ts';
import { KEEP, PREMAKE } from './actions.ts';
import { isExpired } from './application.ts';
import type { Leftovers } from './hands.ts';
import { type Deeds, PLAIN, runKeeper, settingsOf, stretchOf } from './keepers.ts';
import type { Frozen, Shown } from './model.ts';
import { serverNow, type World } from './world.ts';

/** What remains of the work of hands that nobody but they can end, as the runbook tells them to. */
async function tidyUp({ database }: World, left: Leftovers): Promise<void> {
  const pending = await database.query<{ name: string; marked: boolean; oid: number }>(`
    SELECT c.relname AS name, c.oid::int8::float8 AS oid, coalesce(obj_description(c.oid, 'pg_class') LIKE '{"partition-keeper":%', false) AS marked
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhdetachpending`);
  for (const { name, marked, oid } of pending)
    if (!marked || left.claimed.has(oid))
      await database.query(`ALTER TABLE app.events DETACH PARTITION app.${name} FINALIZE`);
  const invalid = await database.query<{ name: string }>(
    'SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid',
  );
  for (const { name } of invalid) await database.query(`DROP INDEX ${name}`);
  // A table detached by hand keeps its name, which a new partition may need.
  const orphans = await database.query<{ name: string }>(
    `
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND NOT relispartition
      AND oid = ANY ($1::oid[])`,
    [[...left.claimed]],
  );
  for (const [index, { name }] of orphans.entries())
    await database.query(`ALTER TABLE app.${name} RENAME TO events_kept_${index}`);
}

/** All rows: those of the table, and those of what was detached. */
async function allRows({ database, axis }: World): Promise<Shown[]> {
  const tables = await database.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND relname LIKE 'events%'",
  );
  const rows: Shown[] = [];
  for (const { name } of tables)
    rows.push(
      ...(await database.query<Shown & Record<string, unknown>>(
        `SELECT id, ${axis.sql} AS key, payload FROM ONLY app.${name}`,
      )),
    );
  return rows;
}

async function compareRows(world: World, deeds: Deeds, frozen: Frozen, terminated: boolean): Promise<void> {
  const dropped = deeds.steps.filter(({ kind }) => kind === 'drop');
  // Gone with a partition that was dropped after the row had come; who was ended by force may have had no time to say so.
  const wrong = world.model.complaints(
    frozen,
    await allRows(world),
    (_, { key }, since) =>
      isExpired(world, key) &&
      (terminated ||
        dropped.some((step) => {
          const stretch = stretchOf(step);
          return stretch !== undefined && stretch.from <= key && key < stretch.to && step.endedAt >= since;
        })),
    'there',
  );
  for (const complaint of wrong) world.journal.complain('the end', complaint);
}

/** Values of columns that others have added meanwhile. */
async function compareColumns({ database, journal }: World, left: Leftovers): Promise<void> {
  for (const [column, ids] of left.columns) {
    const lost = await database.query<{ id: number }>(
      `SELECT id FROM app.events WHERE ${column} IS DISTINCT FROM id AND id = ANY ($1)`,
      [ids],
    );
    if (lost.length > 0) journal.complain('the end', `rows ${lost.map(({ id }) => id)} have lost ${column}`);
  }
}

/** Every step that is done happened, once; nothing happened that no report tells of. */
async function compareDeeds(
  { database, journal }: World,
  { steps }: Deeds,
  terminated: boolean,
): Promise<void> {
  const log = await database.query<{ what: string; object: string; query: string }>(
    "SELECT what, object, query FROM watch.ddl WHERE application LIKE 'partition-keeper/%' AND object LIKE 'app.%' ORDER BY n",
  );
  const count = (items: readonly string[]): Map<string, number> =>
    items.reduce((counts, item) => counts.set(item, (counts.get(item) ?? 0) + 1), new Map<string, number>());
  const compare = (what: string, happened: Map<string, number>, told: Map<string, number>): void => {
    for (const name of new Set([...happened.keys(), ...told.keys()])) {
      const [is, says] = [happened.get(name) ?? 0, told.get(name) ?? 0];
      if (terminated ? is < says : is !== says)
        journal.complain('the end', `${what} ${name} happened ${is} times, told ${says} times`);
    }
  };
  const happened = (what: string) =>
    count(log.filter((entry) => entry.what === what).map(({ object }) => object));
  const told = (...kinds: readonly string[]) =>
    count(steps.filter(({ kind }) => kinds.includes(kind)).map(({ partition }) => partition));
  compare('drop', happened('DROP TABLE'), told('drop'));
  compare('create', happened('CREATE TABLE'), told('create', 'move-rows'));
  const detached = log.filter(({ query }) => query.includes('DETACH PARTITION'));
  for (const { kind, partition } of steps.filter(({ kind }) => kind === 'finalize-detach'))
    if (!detached.some(({ query }) => query.includes(`"${partition.replace('app.', '')}"`)))
      journal.complain('the end', `${kind} ${partition} did not happen`);
}

/** What must not be left, whoever did what. */
async function compareLeftovers({ database, journal }: World, left: Leftovers): Promise<void> {
  const wrong = await database.query<{ what: string }>(
    `SELECT 'an advisory lock' AS what FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND datname = current_database()
     UNION ALL SELECT 'temporary table ' || relname FROM pg_class WHERE relpersistence = 't'
     UNION ALL SELECT 'pending detach of ' || inhrelid::regclass FROM pg_inherits WHERE inhdetachpending
     UNION ALL SELECT 'nobody''s table ' || relname FROM pg_class c WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND relname LIKE 'events%'
       AND NOT relispartition AND coalesce(obj_description(oid, 'pg_class'), '') NOT LIKE '{"partition-keeper":%' AND oid <> ALL ($1::oid[])
     UNION ALL SELECT 'claimed table ' || o || ' is gone' FROM unnest($2::oid[]) AS o WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = o)`,
    [[...left.claimed], [...left.claimed]],
  );
  for (const { what } of wrong) journal.complain('the end', `left behind: ${what}`);
}

/** Rows of now and of the look-ahead have partitions; what is wholly past retention is gone. */
async function compareCoverage(world: World, cutoff: number): Promise<void> {
  const { database, axis, journal, setting } = world;
  for (let index = 0; index <= PREMAKE; index++) {
    for (const tenth of [0, 9]) {
      const [row] = await database
        .query<{ partition: string }>(
          `INSERT INTO app.events (id, at, account, payload) VALUES (-1, '${axis.text(axis.key(index, tenth))}', 1, '') RETURNING tableoid::regclass::text AS partition`,
        )
        .catch(() => []);
      await database.query('DELETE FROM app.events WHERE id = -1');
      if (row === undefined || row.partition === 'app.events_rest')
        journal.complain('the end', `no partition for interval ${index}`);
    }
  }
  const partitions = await database.query<{ name: string; bounds: string }>(
    "SELECT inhrelid::regclass::text AS name, pg_get_expr(relpartbound, 0) AS bounds FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'app.events'::regclass",
  );
  for (const { name, bounds } of partitions) {
    const stretch = axis.parse(bounds);
    if (stretch === undefined && !(setting.defaultPartition && bounds === 'DEFAULT'))
      journal.complain('the end', `unreadable bounds: ${name} ${bounds}`);
    if (stretch !== undefined && stretch.to <= cutoff)
      journal.complain('the end', `${name} is past retention and still there`);
  }
}

const INFO: ReadonlySet<string> = new Set(['default-rows']);

/** With the world quiet, plain runs do what is left, and then there is nothing left to do. */
async function settle(world: World, deeds: Deeds): Promise<void> {
  const { journal, keeperUrl } = world;
  for (const job of ['create', 'cleanup'] as const) {
    const before = journal.counts[`${job}: ok`] ?? 0;
    await runKeeper(world, 'the end', { ...PLAIN, job, process: false, pause: 0 }, deeds);
    if ((journal.counts[`${job}: ok`] ?? 0) === before)
      journal.complain('the end', `a plain ${job} does not succeed`);
  }
  const plain = keeper({ url: keeperUrl }, settingsOf(world, PLAIN));
  const expectQuiet = (report: Report): void => {
    const { status, steps, findings } = tableOf(report);
    const loud = findings.filter(({ finding, severity }) => severity !== 'info' && !INFO.has(finding));
    if (status !== 'ok' || steps.length + loud.length > 0)
      journal.complain(
        'the end',
        `${report.job}: ${status} ${steps.map(({ kind, partition }) => `${kind} ${partition}`)} ${loud.map(({ message }) => message)}`,
      );
  };
  expectQuiet(await plain.plan());
  expectQuiet(await plain.health());
}

/** Everything that must hold when all are at rest. */
export async function examine(world: World, deeds: Deeds, left: Leftovers): Promise<void> {
  const { database, axis, journal, model } = world;
  await waitUntil(
    async () =>
      (
        await database.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
      ).length === 0,
    { what: 'all sessions are gone', timeoutMs: 30_000 },
  );
  const deadlocks = await countDeadlocks(database);
  if (deadlocks > 0) journal.complain('the end', `${deadlocks} deadlocks`);
  await compareRows(world, deeds, model.freeze(), left.terminated);
  await tidyUp(world, left);
  const cutoff = axis.before(await serverNow(database), KEEP);
  await settle(world, deeds);
  await compareRows(world, deeds, model.freeze(), left.terminated);
  await compareColumns(world, left);
  await compareDeeds(world, deeds, left.terminated);
  await compareLeftovers(world, left);
  await compareCoverage(world, cutoff);
}
