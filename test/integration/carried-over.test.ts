import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { at, done, findingsOf, keeper, tableOf } from '../support/keeper.ts';
import { createNamedRole, type NamedRole } from '../support/roles.ts';
import { withTablespace } from '../support/tablespace.ts';

const NOW = at('2026-11-22T13:00:00Z');

let database: TestDatabase;
let owner: NamedRole;
let reader: NamedRole;

beforeAll(async () => {
  database = await createTestDatabase();
  owner = await createNamedRole(database, 'owner_');
  reader = await createNamedRole(database, 'reader_');
  await database.query('CREATE SCHEMA app; CREATE TABLE app.users (id int PRIMARY KEY)');
});

afterAll(async () => {
  await reader[Symbol.asyncDispose]();
  await owner[Symbol.asyncDispose]();
  await database.drop();
});

let number = 0;

/** Creates a table, two partitions of it by `create`, and says which of them is the new one. */
async function newPartition(
  columns: string,
  ...statements: readonly ((table: string) => string)[]
): Promise<string> {
  const table = `events_${++number}`;
  await database.query(`CREATE TABLE app.${table} (${columns}) PARTITION BY RANGE (at)`);
  for (const statement of statements) await database.query(statement(`app.${table}`));
  const created = done(await keeper(database, { table, premake: 1 }).create({ now: NOW }));
  expect(created).toContain(`create app.${table}_2026_12`);
  return `app.${table}_2026_12`;
}

async function classOf(relation: string): Promise<Record<string, unknown>> {
  const [row] = await database.query(
    `SELECT c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, t.reloptions AS toast, c.relpersistence,
            am.amname AS method, s.spcname AS tablespace, obj_description(c.oid, 'pg_class') AS comment, pg_get_userbyid(c.relowner) AS owner
     FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_am am ON am.oid = c.relam
     LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = $1::regclass`,
    [relation],
  );
  return row ?? {};
}

/** Privileges on the table and its columns, without the owner's. */
const grantsOf = (relation: string) =>
  database.query<{ column: string | null; grantee: string; privilege: string; grantable: boolean }>(
    `SELECT g.column, coalesce(r.rolname, 'PUBLIC') AS grantee, g.privilege_type AS privilege, g.is_grantable AS grantable
     FROM (SELECT NULL AS column, relowner, (aclexplode(relacl)).* FROM pg_class WHERE oid = $1::regclass
           UNION ALL
           SELECT attname, relowner, (aclexplode(attacl)).* FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE attrelid = $1::regclass
     ) AS g LEFT JOIN pg_roles r ON r.oid = g.grantee WHERE g.grantee <> g.relowner ORDER BY 1, 2, 3`,
    [relation],
  );

describe('a new partition has', () => {
  test('the owner and the grants of its table', async () => {
    const grants = (table: string) => `
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
      ALTER TABLE ${table} OWNER TO ${owner.name};
      GRANT SELECT ON ${table} TO PUBLIC;
      GRANT INSERT, UPDATE (note) ON ${table} TO ${reader.name} WITH GRANT OPTION;
      GRANT REFERENCES (id), SELECT (at) ON ${table} TO PUBLIC;
      GRANT TRUNCATE, TRIGGER ON ${table} TO pg_monitor`;
    const partition = await newPartition('id int, at timestamptz, note text', grants);
    const expected = [
      { column: 'at', grantee: 'PUBLIC', privilege: 'SELECT', grantable: false },
      { column: 'id', grantee: 'PUBLIC', privilege: 'REFERENCES', grantable: false },
      { column: 'note', grantee: reader.name, privilege: 'UPDATE', grantable: true },
      { column: null, grantee: 'pg_monitor', privilege: 'TRIGGER', grantable: false },
      { column: null, grantee: 'pg_monitor', privilege: 'TRUNCATE', grantable: false },
      { column: null, grantee: 'PUBLIC', privilege: 'SELECT', grantable: false },
      { column: null, grantee: reader.name, privilege: 'INSERT', grantable: true },
    ];
    expect(await grantsOf(partition)).toEqual(expect.arrayContaining(expected));
    expect(await grantsOf(partition)).toHaveLength(expected.length);
    expect(await grantsOf(partition)).toEqual(await grantsOf(partition.replace('_2026_12', '')));
    expect(await classOf(partition)).toMatchObject({ owner: owner.name });
  });

  test('no privilege that its table does not have, whatever new tables get by default', async () => {
    const role = await database.createRole();
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${role.name};
      ALTER DEFAULT PRIVILEGES FOR ROLE ${role.name} GRANT SELECT ON TABLES TO PUBLIC;
      ALTER DEFAULT PRIVILEGES FOR ROLE ${role.name} IN SCHEMA app GRANT INSERT, DELETE ON TABLES TO ${reader.name};
      CREATE TABLE app.discreet (at timestamptz) PARTITION BY RANGE (at);
      ALTER TABLE app.discreet OWNER TO ${role.name};
      GRANT INSERT ON app.discreet TO ${reader.name}`);
    done(await keeper(role, { table: 'discreet' }).create({ now: NOW }));
    expect(await grantsOf('app.discreet_2026_12')).toEqual([
      { column: null, grantee: reader.name, privilege: 'INSERT', grantable: false },
    ]);
  });

  test('the owner of its table when a role that is merely a member, and inherits nothing, creates it', async () => {
    const member = await database.createRole({ inherit: false });
    await database.query(`GRANT ${owner.name} TO ${member.name}; GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
      CREATE TABLE app.membership (id int, at timestamptz) PARTITION BY RANGE (at);
      GRANT SELECT ON app.membership TO ${reader.name};
      ALTER TABLE app.membership OWNER TO ${owner.name}`);
    const report = await keeper(member, { table: 'membership' }).create({ now: NOW });
    expect(done(report)).toHaveLength(4);
    expect(await classOf('app.membership_2026_11')).toMatchObject({ owner: owner.name });
    expect(await grantsOf('app.membership_2026_11')).toEqual([
      { column: null, grantee: reader.name, privilege: 'SELECT', grantable: false },
    ]);
    const indirect = await database.createRole({ inherit: false });
    await database.query(`GRANT ${member.name} TO ${indirect.name}`);
    expect(
      done(await keeper(indirect, { table: 'membership', premake: 4 }).create({ now: NOW })),
    ).toHaveLength(1);

    const stranger = await database.createRole();
    const refused = await keeper(stranger, { table: 'membership', premake: 9 }).create({ now: NOW });
    expect(tableOf(refused)).toMatchObject({ status: 'failed', steps: [], error: { code: 'permission' } });
    expect(tableOf(refused).error?.hint).toContain(`GRANT "${owner.name}" TO "${stranger.name}"`);
  });

  test.each([
    ['FULL', 'f'],
    ['NOTHING', 'n'],
    ['DEFAULT', 'd'],
  ])('the replica identity %s', async (identity, code) => {
    const partition = await newPartition(
      'id int, at timestamptz',
      (table) => `ALTER TABLE ${table} REPLICA IDENTITY ${identity}`,
    );
    expect(await classOf(partition)).toMatchObject({ relreplident: code });
  });

  test('the replica identity of an index, by the counterpart of that index', async () => {
    const partition = await newPartition(
      'id int NOT NULL, other int NOT NULL, at timestamptz NOT NULL',
      (
        table,
      ) => `CREATE UNIQUE INDEX ON ${table} (other, at); CREATE UNIQUE INDEX "Ident ""ity" ON ${table} (id, at);
        CREATE UNIQUE INDEX ON ${table} (at, id); ALTER TABLE ${table} REPLICA IDENTITY USING INDEX "Ident ""ity"`,
    );
    expect(await classOf(partition)).toMatchObject({ relreplident: 'i' });
    const [index] = await database.query<{ definition: string }>(
      'SELECT pg_get_indexdef(indexrelid) AS definition FROM pg_index WHERE indrelid = $1::regclass AND indisreplident',
      [partition],
    );
    expect(index?.definition).toContain('(id, at)');
  });

  test('the storage parameters of its newest sibling', async () => {
    const partition = await newPartition(
      'id int, at timestamptz, note text',
      (table) => `
        CREATE TABLE ${table}_old PARTITION OF ${table} FOR VALUES FROM ('2026-09-01') TO ('2026-10-01') WITH (fillfactor = 50);
        CREATE TABLE ${table}_new PARTITION OF ${table} FOR VALUES FROM ('2026-10-01') TO ('2026-11-01')
          WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_enabled = false)`,
    );
    expect(await classOf(partition)).toMatchObject({
      reloptions: ['fillfactor=70', 'autovacuum_vacuum_scale_factor=0.05'],
      toast: ['autovacuum_enabled=false'],
    });
  });

  test('a log even if its sibling has none', async () => {
    const partition = await newPartition(
      'id int, at timestamptz',
      (table) =>
        `CREATE UNLOGGED TABLE ${table}_new PARTITION OF ${table} FOR VALUES FROM ('2026-10-01') TO ('2026-11-01')`,
    );
    expect(await classOf(partition)).toMatchObject({ relpersistence: 'p' });
  });

  test('the access method of its newest sibling', async () => {
    await database.query('CREATE ACCESS METHOD "Heap 2" TYPE TABLE HANDLER heap_tableam_handler');
    const partition = await newPartition(
      'id int, at timestamptz',
      (table) =>
        `CREATE TABLE ${table}_new PARTITION OF ${table} FOR VALUES FROM ('2026-10-01') TO ('2026-11-01') USING "Heap 2"`,
    );
    expect(await classOf(partition)).toMatchObject({ method: 'Heap 2' });
    expect(await classOf(await newPartition('id int, at timestamptz'))).toMatchObject({ method: 'heap' });
  });

  test('row security and policies, for those who go to it directly', async () => {
    const table = (name: string) => `
      ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;
      ALTER TABLE ${name} FORCE ROW LEVEL SECURITY;
      GRANT SELECT, INSERT, DELETE ON ${name} TO ${reader.name};
      CREATE POLICY own ON ${name} FOR SELECT TO ${reader.name} USING (tenant = 'mine');
      CREATE POLICY "odd; ""one""" ON ${name} AS RESTRICTIVE FOR ALL TO PUBLIC, ${owner.name} USING (tenant <> 'a''b\\c') WITH CHECK (id > 0);
      CREATE POLICY checked ON ${name} FOR INSERT WITH CHECK (tenant = 'mine')`;
    const partition = await newPartition("id int, at timestamptz, tenant text DEFAULT 'mine'", table);
    expect(await classOf(partition)).toMatchObject({ relrowsecurity: true, relforcerowsecurity: true });
    const policiesOf = (name: string) =>
      database.query(
        'SELECT policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies WHERE schemaname = $1 AND tablename = $2 ORDER BY 1',
        name.split('.'),
      );
    const policies = await policiesOf(partition);
    expect(policies).toHaveLength(3);
    expect(policies).toEqual(await policiesOf(partition.replace('_2026_12', '')));

    await database.query(
      `INSERT INTO ${partition} VALUES (1, '2026-12-01', 'mine'), (2, '2026-12-01', 'theirs')`,
    );
    const client = await database.connect();
    await client.query(`GRANT USAGE ON SCHEMA app TO ${reader.name}; SET ROLE ${reader.name}`);
    expect((await client.query(`SELECT id FROM ${partition}`)).rows).toEqual([{ id: 1 }]);
    await expect(
      client.query(`INSERT INTO ${partition} VALUES (3, '2026-12-01', 'theirs')`),
    ).rejects.toMatchObject({
      code: '42501',
    });
  });

  test('policies that look into other tables, and into its own', async () => {
    await database.query(`
      CREATE TABLE app.members (name text, tenant text);
      INSERT INTO app.members VALUES ('${reader.name}', 'mine'), ('somebody', 'theirs')`);
    const partition = await newPartition(
      'id int, at timestamptz, tenant text',
      (table) => `
        ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;
        GRANT SELECT ON ${table}, app.members TO ${reader.name};
        CREATE POLICY members ON ${table} USING (EXISTS (
          SELECT FROM app.members AS m WHERE m.tenant = ${table}.tenant AND m.name = current_user AND '${table.slice(4)}.x' <> ${table}.tenant
            AND NOT EXISTS (SELECT FROM ${table} AS other WHERE other.id = -${table}.id)))`,
    );
    await database.query(
      `INSERT INTO ${partition} VALUES (1, '2026-12-01', 'mine'), (2, '2026-12-01', 'theirs')`,
    );
    const parent = partition.replace('_2026_12', '');
    const [policy] = await database.query<{ qual: string }>(
      "SELECT qual FROM pg_policies WHERE schemaname || '.' || tablename = $1",
      [partition],
    );
    // Columns of the row at hand are the partition's; the string and the other look at the whole table are as they were.
    expect(policy?.qual).toContain(`m.tenant = ${partition.slice(4)}.tenant`);
    expect(policy?.qual).toContain(`'${parent.slice(4)}.x'::text`);
    expect(policy?.qual).toMatch(new RegExp(`FROM ${parent} other\\s`));
  });

  test('no policy rather than some, if one cannot be carried over', async () => {
    const role = await database.createRole();
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${role.name};
      CREATE SCHEMA hidden;
      CREATE TABLE hidden.flags (on_hold boolean);
      CREATE TABLE app.held (id int, at timestamptz) PARTITION BY RANGE (at);
      ALTER TABLE app.held ENABLE ROW LEVEL SECURITY;
      CREATE POLICY everybody ON app.held USING (true);
      CREATE POLICY hold ON app.held AS RESTRICTIVE USING (NOT EXISTS (SELECT FROM hidden.flags WHERE on_hold));
      GRANT SELECT ON app.held TO ${reader.name};
      ALTER TABLE app.held OWNER TO ${role.name}`);
    expect(done(await keeper(role, { table: 'held', premake: 1 }).create({ now: NOW }))).toHaveLength(2);
    expect(await classOf('app.held_2026_12')).toMatchObject({ relrowsecurity: true });
    expect(
      await database.query("SELECT polname FROM pg_policy WHERE polrelid = 'app.held_2026_12'::regclass"),
    ).toEqual([]);
    await database.query("INSERT INTO app.held VALUES (1, '2026-12-01')");
    const client = await database.connect();
    await client.query(`SET ROLE ${reader.name}`);
    expect((await client.query('SELECT id FROM app.held_2026_12')).rows).toEqual([]);
  });

  test('the comments, the statistics targets and the extended statistics of its table', async () => {
    const partition = await newPartition(
      'id int, at timestamptz, "Note ""1""" text',
      (table) => `
        COMMENT ON TABLE ${table} IS 'It''s \\ "quoted"; $check$ DROP';
        COMMENT ON COLUMN ${table}.id IS 'a number';
        CREATE STATISTICS ${table}_together ON id, at FROM ${table};
        ALTER TABLE ${table} ALTER COLUMN "Note ""1""" SET STATISTICS 0, ALTER COLUMN id SET STATISTICS 1234, ALTER COLUMN "Note ""1""" SET STORAGE EXTERNAL`,
    );
    expect(await classOf(partition)).toMatchObject({ comment: `It's \\ "quoted"; $check$ DROP` });
    expect(
      await database.query(
        `SELECT attname AS name, coalesce(attstattarget, -1) AS target, attstorage AS storage, col_description(attrelid, attnum) AS comment
         FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
        [partition],
      ),
    ).toEqual([
      { name: 'id', target: 1234, storage: 'p', comment: 'a number' },
      { name: 'at', target: -1, storage: 'p', comment: null },
      { name: 'Note "1"', target: 0, storage: 'e', comment: null },
    ]);
    expect(
      await database.query('SELECT 1 FROM pg_statistic_ext WHERE stxrelid = $1::regclass', [partition]),
    ).toHaveLength(1);
  });

  test('numbers from the one sequence of its table', async () => {
    const partition = await newPartition(
      'always int GENERATED ALWAYS AS IDENTITY (START 7), bydefault bigint GENERATED BY DEFAULT AS IDENTITY, serial serial, at timestamptz',
    );
    const table = partition.replace('_2026_12', '');
    await database.query(`INSERT INTO ${table} (at) VALUES ('2026-12-01'), ('2026-11-30'), ('2026-12-02')`);
    expect(await database.query(`SELECT always, bydefault::int, serial FROM ${table} ORDER BY 1`)).toEqual([
      { always: 7, bydefault: 1, serial: 1 },
      { always: 8, bydefault: 2, serial: 2 },
      { always: 9, bydefault: 3, serial: 3 },
    ]);
    expect(
      await database.query("SELECT 1 FROM pg_class WHERE relkind = 'S' AND relname LIKE $1", [
        `${partition.slice(4)}%`,
      ]),
    ).toEqual([]);
  });

  test('generated columns, defaults, constraints, indexes, foreign keys and triggers', async () => {
    const partition = await newPartition(
      `id int NOT NULL DEFAULT 42, user_id int CONSTRAINT knows REFERENCES app.users ON DELETE CASCADE DEFERRABLE, note text COLLATE "C" CHECK (note <> ''),
       twice int GENERATED ALWAYS AS (id * 2) STORED, at timestamptz NOT NULL, PRIMARY KEY (id, at), UNIQUE (at, id) DEFERRABLE`,
      (table) => `
        CREATE INDEX ON ${table} USING hash (note);
        CREATE INDEX ON ${table} (lower(note) DESC NULLS LAST, id) INCLUDE (twice) WHERE id > 3;
        CREATE FUNCTION app.upper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := upper(NEW.note); RETURN NEW; END $$;
        CREATE TRIGGER "Up per" BEFORE INSERT OR UPDATE OF note ON ${table} FOR EACH ROW WHEN (NEW.note IS NOT NULL) EXECUTE FUNCTION app.upper()`,
    );
    const table = partition.replace('_2026_12', '');
    const shapeOf = async (name: string) =>
      await database.query(
        `SELECT definition FROM (
           SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING', 'USING') AS definition FROM pg_index WHERE indrelid = $1::regclass
           UNION ALL SELECT contype::text || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass
           UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass AND (NOT tgisinternal OR tgparentid <> 0 AND tgconstraint = 0)
           UNION ALL SELECT concat(attname, attnotnull, attgenerated, attcollation::regcollation) || coalesce(pg_get_expr(adbin, adrelid), '')
                     FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = $1::regclass AND attnum > 0
         ) AS d ORDER BY 1`,
        [name],
      );
    expect(await shapeOf(partition)).toEqual(await shapeOf(table));

    await database.query(
      `INSERT INTO app.users VALUES (1); INSERT INTO ${table} (user_id, note, at) VALUES (1, 'loud', '2026-12-03')`,
    );
    expect(await database.query(`SELECT id, twice, note FROM ${partition}`)).toEqual([
      { id: 42, twice: 84, note: 'LOUD' },
    ]);
    await expect(
      database.query(`INSERT INTO ${table} (user_id, at) VALUES (2, '2026-12-04')`),
    ).rejects.toMatchObject({ code: '23503' });
    await database.query('DELETE FROM app.users');
    expect(await database.query(`SELECT 1 FROM ${partition}`)).toEqual([]);
    // Attached to those of the table, not beside them.
    expect(
      await database.query(
        'SELECT 1 FROM pg_index x WHERE indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = x.indexrelid)',
        [partition],
      ),
    ).toEqual([]);
    const health = await keeper(database, { table: table.slice(4), premake: 1 }).health({ now: NOW });
    expect(findingsOf(health)).toEqual(['foreign-key']);
  });

  test('the tablespace of its table', async () => {
    await withTablespace(database, async (name) => {
      const partition = await newPartition(
        'id int, at timestamptz',
        (table) => `ALTER TABLE ${table} SET TABLESPACE ${name}`,
      );
      expect(await classOf(partition)).toMatchObject({ tablespace: name });
      await database.query(`DROP TABLE ${partition.replace('_2026_12', '')}`);
    });
  });

  test('all that, even if its table is a partition of another', async () => {
    await database.query(`
      CREATE TABLE app.regions (region text, id int GENERATED ALWAYS AS IDENTITY, user_id int REFERENCES app.users, at timestamptz NOT NULL)
        PARTITION BY LIST (region);
      CREATE INDEX ON app.regions (id);
      CREATE TABLE app.elsewhere PARTITION OF app.regions DEFAULT;
      CREATE TABLE app.europe PARTITION OF app.regions FOR VALUES IN ('europe') PARTITION BY RANGE (at)`);
    const report = await keeper(database, { table: 'europe' }).create({ now: NOW });
    expect(done(report)).toHaveLength(4);
    expect(tableOf(report).steps[0]?.hazards).toEqual([
      'a SHARE ROW EXCLUSIVE lock on app.users for a moment',
    ]);
    await database.query("INSERT INTO app.regions (region, at) VALUES ('europe', '2026-12-24')");
    expect(await database.query('SELECT region, id FROM app.europe_2026_12')).toEqual([
      { region: 'europe', id: 1 },
    ]);
    expect(findingsOf(await keeper(database, { table: 'europe' }).health({ now: NOW }))).toEqual([
      'foreign-key',
    ]);
  });

  // Before PostgreSQL 17, a partitioned table could not have an exclusion constraint.
  if (inject('serverVersion') >= 17) {
    test('exclusion constraints', async () => {
      await database.query('CREATE EXTENSION btree_gist');
      const partition = await newPartition(
        'id int, at timestamptz, EXCLUDE USING gist (at WITH =, int4range(id, id + 10) WITH &&)',
      );
      const table = partition.replace('_2026_12', '');
      await database.query(`INSERT INTO ${table} VALUES (1, '2026-12-01')`);
      await expect(database.query(`INSERT INTO ${table} VALUES (5, '2026-12-01')`)).rejects.toMatchObject({
        code: '23P01',
      });
    });

    test('the access method of its table, if it is the first', async () => {
      await database.query('CREATE ACCESS METHOD heap3 TYPE TABLE HANDLER heap_tableam_handler');
      const partition = await newPartition(
        'id int, at timestamptz',
        (table) => `ALTER TABLE ${table} SET ACCESS METHOD heap3`,
      );
      expect(await classOf(partition)).toMatchObject({ method: 'heap3' });
    });
  }
});
