import { setTimeout as delay } from 'node:timers/promises';
import { passGrace } from '../traffic.ts';
import { type Handiwork, KEEP, LOCK_MODES } from './actions.ts';
import type { Stretch } from './axis.ts';
import type { Session } from './session.ts';
import type { World } from './world.ts';

/**
 * What administrators and migrations may run into, and nobody is to blame for:
 * 55P03 their own lock timeout; 42P01, 42704, 42703 what they meant is gone; 42P07, 42701 somebody has made it before
 * them; 42P17 their partition overlaps one that came before; 23514 the default partition has rows for theirs; 55000,
 * 42809 the table is being detached, or is no partition any more; 42P16, 42804 its columns are no longer those of the
 * parent.
 */
const FORGIVEN: ReadonlySet<string> = new Set([
  '55P03',
  '42P01',
  '42704',
  '42703',
  '42P07',
  '42701',
  '42P17',
  '23514',
  '55000',
  '42809',
  '42P16',
  '42804',
]);

/** A table of the schema: a partition, or one that was. */
interface Table {
  readonly oid: number;
  readonly name: string;
  readonly stretch: Stretch | undefined;
}

const DAY = 86_400_000;

/** What has been left by hand: keys of what is compared, undone or forgiven at the end. */
export interface Leftovers {
  readonly columns: Map<string, readonly number[]>;
  readonly indexes: Set<string>;
  /** Tables that no longer are Partition Keeper's, by oid. */
  readonly claimed: Set<number>;
  terminated: boolean;
  made: number;
}

export const noLeftovers = (): Leftovers => ({
  columns: new Map(),
  indexes: new Set(),
  claimed: new Set(),
  terminated: false,
  made: 0,
});

/** A failure to be forgiven or not; what it is thrown for is rolled back. */
class Refused extends Error {}

export interface Hand {
  readonly world: World;
  readonly session: Session;
  readonly left: Leftovers;
}

/** Runs a statement that must succeed for the work to go on. */
async function must(
  { session, world }: Hand,
  sql: string,
  params: readonly unknown[] = [],
): Promise<readonly Record<string, unknown>[]> {
  const answer = await session.run(sql, params);
  if (answer.ok) return answer.rows;
  world.journal.count(`by hand: ${answer.code}`);
  if (!FORGIVEN.has(answer.code))
    world.journal.complain(session.who, `${answer.code} ${answer.message}: ${sql}`);
  throw new Refused(answer.code);
}

async function transaction(hand: Hand, work: () => Promise<void>): Promise<void> {
  await must(hand, 'BEGIN');
  try {
    await work();
    await must(hand, 'COMMIT');
  } catch (error) {
    await hand.session.run('ROLLBACK');
    throw error;
  }
}

const picked = <Item>(items: readonly Item[], pick: number): Item => {
  const item = items[pick % Math.max(1, items.length)];
  if (item === undefined) throw new Refused('there is none');
  return item;
};

/** Partitions, or tables that carry a marker of Partition Keeper, in the order of their names. */
async function tables(hand: Hand, which: 'attached' | 'marked'): Promise<Table[]> {
  const rows = await must(
    hand,
    which === 'attached'
      ? `SELECT c.oid::int8::float8 AS oid, c.relname AS name, pg_get_expr(c.relpartbound, 0) AS bounds FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = (SELECT oid FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'p') AND NOT i.inhdetachpending AND pg_get_expr(c.relpartbound, 0) <> 'DEFAULT' ORDER BY 2`
      : `SELECT c.oid::int8::float8 AS oid, c.relname AS name, obj_description(c.oid, 'pg_class')::json -> 'partition-keeper' ->> 'bounds' AS bounds
         FROM pg_class c WHERE c.relnamespace = 'app'::regnamespace AND NOT c.relispartition AND obj_description(c.oid, 'pg_class') LIKE '{"partition-keeper":%' ORDER BY 2`,
  );
  return rows.map(({ oid, name, bounds }) => ({
    oid: Number(oid),
    name: String(name),
    stretch: hand.world.axis.parse(String(bounds)),
  }));
}

/** Runs come to that late; it is waited for a while, so that people have something to answer it with. */
async function detachedByRuns(hand: Hand): Promise<Table[]> {
  if (hand.world.setting.expired === 'drop') return [];
  for (let look = 1; ; look++) {
    const found = await tables(hand, 'marked');
    if (found.length > 0 || look === 40) return found;
    await delay(25);
  }
}

/** Locks what a partition is taken from: nobody then has rows of it that are not committed. */
async function lockParent(hand: Hand): Promise<void> {
  if (hand.world.setting.foreignKey) await must(hand, 'LOCK TABLE app.accounts IN SHARE ROW EXCLUSIVE MODE');
  await must(hand, 'LOCK TABLE ONLY app.events IN ACCESS EXCLUSIVE MODE');
}

/** Takes a partition away, with all rows in it. */
async function takeAway(hand: Hand, { pick, variant }: Handiwork, how: 'drop' | 'detach'): Promise<void> {
  const { world, left } = hand;
  const { oid, name, stretch } = picked(await tables(hand, 'attached'), pick);
  if (stretch === undefined) return;
  const gap = world.coverage.open(stretch);
  let taken: ReturnType<World['model']['take']> | undefined;
  try {
    await transaction(hand, async () => {
      await lockParent(hand);
      const rows = await must(hand, `SELECT id FROM app.${name}`);
      taken = world.model.take(rows.map(({ id }) => Number(id)));
      if (how === 'drop') return void (await must(hand, `DROP TABLE app.${name}`));
      await must(hand, `ALTER TABLE app.events DETACH PARTITION app.${name}`);
      // A run that was ended may have been about to detach it, and a later one would take it for its own.
      if (left.terminated) await must(hand, `COMMENT ON TABLE app.${name} IS NULL`);
      if (variant % 2 === 0)
        await must(hand, `ALTER TABLE app.${name} RENAME TO events_archive_${++left.made}`);
    });
    if (how === 'drop') taken?.destroy();
    else left.claimed.add(oid);
  } catch (error) {
    taken?.putBack();
    gap.keep();
    throw error;
  } finally {
    gap.settle();
  }
}

/**
 * Past retention, where nobody relies on a row: which rows go cannot be told while others write. What stays pending is
 * finished at the end. Where a marker says so, Partition Keeper was about to detach it, and takes it for its own.
 */
async function detachConcurrently(hand: Hand, { pick }: Handiwork): Promise<void> {
  const { world, left } = hand;
  const old = (await tables(hand, 'attached')).filter(
    ({ stretch }) => stretch !== undefined && stretch.to <= world.axis.before(Date.now(), KEEP),
  );
  const { oid, name } = picked(old, pick);
  try {
    await must(hand, `ALTER TABLE app.events DETACH PARTITION app.${name} CONCURRENTLY`);
  } finally {
    const [ours] = await must(
      hand,
      `SELECT FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid WHERE c.oid = ${oid} AND coalesce(i.inhdetachpending, true)
         AND coalesce(obj_description(c.oid, 'pg_class') NOT LIKE '{"partition-keeper":%', true)`,
    );
    if (ours !== undefined) left.claimed.add(oid);
  }
}

/** Makes a partition as people do: in the future, in a hole, in the past, on the grid or half off it. */
async function attach(hand: Hand, { pick, variant }: Handiwork): Promise<void> {
  const { world, left } = hand;
  const { axis, setting, owner } = world;
  const { from, to } = axis.stretch(picked([-8, -6, -4, -3, -1, 1, 2, 3, 4, 5, 8], pick));
  const wholeDays = setting.keyType === 'date' ? DAY : 1;
  const half = from + Math.floor((to - from) / 2 / wholeDays) * wholeDays;
  const start = variant % 3 === 0 ? half : from;
  const name = `events_hand_${++left.made}`;
  await transaction(hand, async () => {
    if (setting.foreignKey) await must(hand, 'LOCK TABLE app.accounts IN SHARE ROW EXCLUSIVE MODE');
    if (setting.defaultPartition) await must(hand, 'LOCK TABLE ONLY app.events IN SHARE ROW EXCLUSIVE MODE');
    await must(hand, `CREATE TABLE app.${name} (LIKE app.events INCLUDING ALL)`);
    if (owner !== null) await must(hand, `ALTER TABLE app.${name} OWNER TO ${owner}`);
    await must(
      hand,
      `ALTER TABLE app.events ATTACH PARTITION app.${name} FOR VALUES FROM ('${axis.bound(start)}') TO ('${axis.bound(to)}')`,
    );
  });
}

/** Wants back what Partition Keeper has detached. */
async function attachAgain(hand: Hand, { pick }: Handiwork): Promise<void> {
  const { name, stretch } = picked(await detachedByRuns(hand), pick);
  if (stretch === undefined) return;
  const { axis } = hand.world;
  await transaction(hand, async () => {
    await lockParent(hand);
    await must(
      hand,
      `ALTER TABLE app.events ATTACH PARTITION app.${name} FOR VALUES FROM ('${axis.bound(stretch.from)}') TO ('${axis.bound(stretch.to)}')`,
    );
  });
}

/** Takes over what Partition Keeper has detached, by its comment; or lets its grace pass. */
async function claimDetached(hand: Hand, { pick, variant }: Handiwork): Promise<void> {
  const { oid, name } = picked(await detachedByRuns(hand), pick);
  if (variant % 2 === 0) {
    await passGrace(hand.world.database, `app.${name}`).catch(() => undefined);
    return;
  }
  await must(hand, `COMMENT ON TABLE app.${name} IS 'wanted'`);
  hand.left.claimed.add(oid);
}

/** A column with a value in each row that is not its default: copies that leave it out would lose it. */
async function addColumn(hand: Hand): Promise<void> {
  const name = `extra_${++hand.left.made}`;
  let rows: readonly Record<string, unknown>[] = [];
  await transaction(hand, async () => {
    await must(hand, `ALTER TABLE app.events ADD COLUMN ${name} int`);
    // A partition whose detach is pending does not get the column, and some servers then never finish the detach.
    const pending = await must(hand, 'SELECT FROM pg_inherits WHERE inhdetachpending');
    if (pending.length > 0) throw new Refused('a detach is pending');
    rows = await must(hand, `UPDATE app.events SET ${name} = id RETURNING id`);
  });
  hand.left.columns.set(
    name,
    rows.map(({ id }) => Number(id)),
  );
}

async function createIndex(hand: Hand): Promise<void> {
  const name = `events_own_${++hand.left.made}`;
  await must(hand, `CREATE INDEX ${name} ON app.events (payload)`);
  hand.left.indexes.add(name);
}

async function lock(hand: Hand, { pick, variant, hold }: Handiwork): Promise<void> {
  const partitions = (await tables(hand, 'attached')).map(({ name }) => `app.${name}`);
  const table = picked(['app.events', 'app.accounts', picked(partitions, pick)], pick);
  await transaction(hand, async () => {
    // Never a stronger lock on a table that is locked already: that is a deadlock with whoever waits in between.
    if (!['app.events', 'app.accounts'].includes(table))
      await must(hand, 'LOCK TABLE ONLY app.events IN ROW EXCLUSIVE MODE');
    await must(hand, `LOCK TABLE ${table} IN ${picked(LOCK_MODES, variant)} MODE`);
    await delay(hold);
  });
}

/** In one transaction nobody sees it; in two, the table is gone for a moment. */
async function renameParent(hand: Hand, { variant, hold }: Handiwork): Promise<void> {
  if (variant % 2 === 0)
    return await transaction(hand, async () => {
      await must(hand, 'ALTER TABLE app.events RENAME TO events_renamed');
      await must(hand, 'ALTER TABLE app.events_renamed RENAME TO events');
    });
  await must(hand, 'ALTER TABLE app.events RENAME TO events_renamed');
  await delay(hold / 4);
  let answer = await hand.session.run('ALTER TABLE app.events_renamed RENAME TO events');
  while (!answer.ok && answer.code === '55P03')
    answer = await hand.session.run('ALTER TABLE app.events_renamed RENAME TO events');
}

async function dropOne(
  hand: Hand,
  names: Iterable<string>,
  pick: number,
  sql: (name: string) => string,
): Promise<string> {
  const name = picked([...names], pick);
  await must(hand, sql(name));
  return name;
}

const WORK: Readonly<Record<Handiwork['what'], (hand: Hand, work: Handiwork) => Promise<unknown>>> = {
  lock,
  'add column': addColumn,
  'drop column': async (hand, { pick }) => {
    // Seldom has anybody added one by then.
    if (hand.left.columns.size === 0) await addColumn(hand);
    hand.left.columns.delete(
      await dropOne(
        hand,
        hand.left.columns.keys(),
        pick,
        (name) => `ALTER TABLE app.events DROP COLUMN ${name}`,
      ),
    );
  },
  'create index': createIndex,
  'drop index': async (hand, { pick }) => {
    if (hand.left.indexes.size === 0) await createIndex(hand);
    hand.left.indexes.delete(
      await dropOne(hand, hand.left.indexes, pick, (name) => `DROP INDEX app.${name}`),
    );
  },
  attach,
  'attach again': attachAgain,
  detach: (hand, work) => takeAway(hand, work, 'detach'),
  'detach concurrently': async (hand, work) =>
    hand.world.setting.defaultPartition || (await detachConcurrently(hand, work)),
  drop: (hand, work) => takeAway(hand, work, 'drop'),
  'rename partition': async (hand, { pick }) =>
    must(
      hand,
      `ALTER TABLE app.${picked(await tables(hand, 'attached'), pick).name} RENAME TO events_renamed_${++hand.left.made}`,
    ),
  'rename parent': renameParent,
  trigger: (hand) =>
    must(
      hand,
      `CREATE TRIGGER own_${++hand.left.made} BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.nothing()`,
    ),
  'column default': (hand, { variant }) =>
    must(hand, `ALTER TABLE app.events ALTER COLUMN payload SET DEFAULT 'none ${variant}'`),
  grant: (hand) => must(hand, 'GRANT SELECT ON app.events TO PUBLIC'),
  'claim detached': claimDetached,
  vacuum: (hand) => must(hand, 'VACUUM app.events'),
  analyze: (hand) => must(hand, 'ANALYZE app.events'),
  'index concurrently': async (hand, { pick }) =>
    must(
      hand,
      `CREATE INDEX CONCURRENTLY ON app.${picked(await tables(hand, 'attached'), pick).name} (account, payload)`,
    ),
  terminate: async (hand, { variant }) => {
    if (variant % 3 > 0) throw new Refused('not this time');
    hand.left.terminated = true;
    const ended = await must(
      hand,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper/%'",
    );
    if (ended.length === 0) throw new Refused('there is no run');
  },
};

/** Works by hand, when nobody else does. */
export const workByHand = (hand: Hand, work: Handiwork): Promise<void> =>
  hand.world.turn(async () => {
    hand.world.journal.tell(hand.session.who, `by hand: ${work.what}`);
    const end = hand.world.journal.disturb(work.what);
    try {
      await WORK[work.what](hand, work);
      hand.world.journal.count(`by hand: ${work.what}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    } finally {
      end();
    }
  });
