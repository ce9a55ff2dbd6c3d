import { createTestDatabase, type TestDatabase } from '../database.ts';
import { NEWEST, OLDEST, PREMAKE, type Setting } from './actions.ts';
import { type Axis, axisOf, type Moment } from './axis.ts';
import { type Coverage, createCoverage } from './coverage.ts';
import { createJournal, type Journal } from './journal.ts';
import { createModel, type Model } from './model.ts';

/** Everything those who act in a world share. */
export interface World extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly setting: Setting;
  readonly axis: Axis;
  readonly model: Model;
  readonly coverage: Coverage;
  readonly journal: Journal;
  /** Leads Partition Keeper to the database. */
  readonly keeperUrl: string;
  /** Owner of the partitioned table; null: the superuser. */
  readonly owner: string | null;
  /** One after the other: who takes strong locks waits for those who hold some, as migration tools do. */
  readonly turn: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

const ACCOUNTS = 5;

/** What the server has carried out, as told by itself: rolled back with what it is about. */
const WATCH = `
  CREATE SCHEMA watch;
  CREATE TABLE watch.ddl (n bigserial, application text, what text, object text, query text);
  CREATE FUNCTION watch.note_commands() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO watch.ddl (application, what, object, query)
    SELECT current_setting('application_name'), command_tag, object_identity, current_query()
    FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table';
  END $$;
  CREATE FUNCTION watch.note_drops() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO watch.ddl (application, what, object, query)
    SELECT current_setting('application_name'), 'DROP TABLE', object_identity, current_query()
    FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table' AND original;
  END $$;
  CREATE EVENT TRIGGER note_commands ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION watch.note_commands();
  CREATE EVENT TRIGGER note_drops ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION watch.note_drops();
`;

async function build(database: TestDatabase, setting: Setting, axis: Axis): Promise<void> {
  const reference = setting.foreignKey ? 'REFERENCES app.accounts (id)' : '';
  const partitions: string[] = [];
  for (let index = OLDEST; index <= NEWEST; index++) {
    if (setting.holes.includes(index)) continue;
    const { from, to } = axis.stretch(index);
    // Names are not as ours on purpose: nothing may be decided by them.
    partitions.push(
      `CREATE TABLE app.events_part${index - OLDEST} PARTITION OF app.events FOR VALUES FROM ('${axis.bound(from)}') TO ('${axis.bound(to)}');`,
    );
  }
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.accounts (id int PRIMARY KEY, changed int NOT NULL DEFAULT 0);
    INSERT INTO app.accounts SELECT generate_series(1, ${ACCOUNTS});
    CREATE TABLE app.events (id int NOT NULL, at ${setting.keyType} NOT NULL, account int NOT NULL ${reference},
      payload text NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE INDEX ON app.events (account);
    ${partitions.join('\n')}
    ${setting.defaultPartition ? 'CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;' : ''}
    CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    ${WATCH}
  `);
}

/** An owner of the tables and a member of it for Partition Keeper, which has no right on the referenced table. */
async function setRoles(database: TestDatabase): Promise<{ readonly url: string; readonly owner: string }> {
  const [owner, keeper] = [await database.createRole(), await database.createRole()];
  await database.query(`
    GRANT ${owner.name} TO ${keeper.name};
    GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
    GRANT REFERENCES ON app.accounts TO ${owner.name};
    DO $$ DECLARE part regclass; BEGIN
      FOR part IN SELECT relid FROM pg_partition_tree('app.events') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO ${owner.name}', part);
      END LOOP;
    END $$`);
  return { url: keeper.url, owner: owner.name };
}

/** A turn for everybody, in the order in which they ask. */
function createTurn(): World['turn'] {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}

export const serverNow = async (database: TestDatabase): Promise<Moment> => {
  const [row] = await database.query<{ now: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
  );
  return Math.floor(row?.now ?? 0);
};

/** Makes a database with the partitioned table `app.events`, some rows in each partition, and nobody at work yet. */
export async function createWorld(setting: Setting, actors: number): Promise<World> {
  const database = await createTestDatabase();
  const axis = axisOf(setting, await serverNow(database));
  await build(database, setting, axis);
  const { url, owner } = setting.leastPrivilege
    ? await setRoles(database)
    : { url: database.url, owner: null };

  const model = createModel();
  // Where there is a default partition, it has rows from the start that belong elsewhere.
  const last = setting.defaultPartition ? PREMAKE + 1 : NEWEST;
  for (let index = OLDEST; index <= last; index++) {
    if (setting.holes.includes(index) && !setting.defaultPartition) continue;
    for (let row = 0; row < 6; row++) {
      const id = (index - OLDEST) * 10 + row;
      const key = axis.key(index, row === 5 ? 9 : row);
      const payload = `at first ${id}`;
      const change = model.stage(id, id % actors, { key, payload });
      await database.query('INSERT INTO app.events (id, at, account, payload) VALUES ($1, $2, 1, $3)', [
        id,
        axis.text(key),
        payload,
      ]);
      change.commit();
    }
  }
  const lacking = [...setting.holes, ...Array.from({ length: 60 }, (_, index) => NEWEST + 1 + index)];
  return {
    database,
    setting,
    axis,
    model,
    coverage: createCoverage(lacking.map(axis.stretch)),
    journal: createJournal(),
    keeperUrl: url,
    owner,
    turn: createTurn(),
    [Symbol.asyncDispose]: () => database.drop(),
  };
}
