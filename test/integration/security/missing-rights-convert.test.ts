import { expect, inject, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, configFile, keeper, type Settings, stepsOf } from '../../support/keeper.ts';

const settings: Settings = { premake: 1 };

interface Names {
  readonly owner: string;
  /** Owns a view, and a function that reads the table. */
  readonly viewer: string;
  /** Owns the publication. */
  readonly publisher: string;
  /** Who converts. */
  readonly role: string;
  readonly database: string;
}

interface Scene {
  readonly database: TestDatabase;
  readonly url: string;
  readonly names: Names;
}

/** A table with all that takes a right to convert, and the rights: those that the documentation asks for, and no more. */
async function leastPrivilege(): Promise<Scene> {
  const database = await createTestDatabase();
  const role = await database.createRole();
  const [owner, viewer, publisher] = [
    (await database.createRole()).name,
    (await database.createRole()).name,
    (await database.createRole()).name,
  ];
  await database.query(`
    REVOKE ALL ON DATABASE ${database.name} FROM PUBLIC;
    CREATE SCHEMA app; CREATE SCHEMA reports; CREATE SCHEMA tools; CREATE SCHEMA others;
    CREATE TABLE others.accounts (id int PRIMARY KEY);
    INSERT INTO others.accounts VALUES (1);
    CREATE TABLE app.events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), account int REFERENCES others.accounts, note text);
    CREATE FUNCTION tools.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    REVOKE EXECUTE ON FUNCTION tools.stamp FROM PUBLIC;
    CREATE TRIGGER stamp BEFORE INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION tools.stamp();
    CREATE VIEW reports.newest AS SELECT id, at FROM app.events;
    CREATE FUNCTION reports.number() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM app.events; END;
    CREATE POLICY everybody ON app.events USING (note IS NULL);
    CREATE PUBLICATION news_${database.name} FOR TABLE app.events;
    INSERT INTO app.events (at, account) SELECT now() - n * interval '1 day', 1 FROM generate_series(1, 20) AS n;

    ALTER TABLE app.events OWNER TO ${owner};
    ALTER VIEW reports.newest OWNER TO ${viewer}; ALTER FUNCTION reports.number OWNER TO ${viewer};
    GRANT CREATE ON DATABASE ${database.name} TO ${publisher};
    ALTER PUBLICATION news_${database.name} OWNER TO ${publisher};
    REVOKE CREATE ON DATABASE ${database.name} FROM ${publisher};

    GRANT CONNECT ON DATABASE ${database.name} TO ${role.name}; GRANT TEMPORARY ON DATABASE ${database.name} TO ${owner};
    GRANT ${owner}, ${viewer}, ${publisher} TO ${role.name};
    GRANT USAGE, CREATE ON SCHEMA app TO ${owner};
    GRANT USAGE ON SCHEMA others TO ${owner}; GRANT REFERENCES ON others.accounts TO ${owner};
    GRANT USAGE ON SCHEMA tools TO ${owner}; GRANT EXECUTE ON FUNCTION tools.stamp TO ${owner};
    GRANT USAGE ON SCHEMA app TO ${viewer}; GRANT SELECT ON app.events TO ${viewer};
    GRANT USAGE, CREATE ON SCHEMA reports TO ${viewer}`);
  return {
    database,
    url: role.url,
    names: { owner, viewer, publisher, role: role.name, database: database.name },
  };
}

/** A right, how it gets lost, and the statement that the error names. */
interface Right {
  readonly name: string;
  readonly revoke: (names: Names) => string;
  readonly grant: (names: Names) => string;
  /** The statement as it is told, where it is not just that. */
  readonly told?: (names: Names) => string;
  readonly from?: number;
  readonly to?: number;
}

const version = inject('serverVersion');
const WITH_SET = version >= 16 ? ' WITH SET TRUE' : '';

const ALL: readonly Right[] = [
  {
    name: 'membership in the owner',
    revoke: ({ owner, role }) => `REVOKE ${owner} FROM ${role}`,
    grant: ({ owner, role }) => `GRANT ${owner} TO ${role}${WITH_SET}`,
  },
  {
    name: 'CREATE on the schema',
    revoke: ({ owner }) => `REVOKE CREATE ON SCHEMA app FROM ${owner}`,
    grant: ({ owner }) => `GRANT USAGE, CREATE ON SCHEMA app TO ${owner}`,
  },
  {
    name: 'REFERENCES on a table that a foreign key refers to',
    revoke: ({ owner }) => `REVOKE REFERENCES ON others.accounts FROM ${owner}`,
    grant: ({ owner }) => `GRANT REFERENCES ON others.accounts TO ${owner}`,
  },
  {
    name: 'USAGE on the schema of that table',
    revoke: ({ owner }) => `REVOKE USAGE ON SCHEMA others FROM ${owner}`,
    grant: ({ owner }) => `GRANT USAGE ON SCHEMA others TO ${owner}`,
  },
  {
    name: 'EXECUTE on the function of a trigger',
    revoke: ({ owner }) => `REVOKE EXECUTE ON FUNCTION tools.stamp FROM ${owner}`,
    grant: ({ owner }) => `GRANT EXECUTE ON FUNCTION tools.stamp() TO ${owner}`,
  },
  {
    name: 'USAGE on the schema of that function',
    revoke: ({ owner }) => `REVOKE USAGE ON SCHEMA tools FROM ${owner}`,
    grant: ({ owner }) => `GRANT USAGE ON SCHEMA tools TO ${owner}`,
  },
  {
    name: 'membership in the owner of a view and a function',
    revoke: ({ viewer, role }) => `REVOKE ${viewer} FROM ${role}`,
    grant: ({ viewer, role }) => `GRANT ${viewer} TO ${role}${WITH_SET}`,
  },
  {
    name: 'membership with SET in the owner of a view and a function',
    from: 16,
    revoke: ({ viewer, role }) => `GRANT ${viewer} TO ${role} WITH SET FALSE`,
    grant: ({ viewer, role }) => `GRANT ${viewer} TO ${role} WITH SET TRUE`,
  },
  {
    name: 'CREATE on the schema of a view and a function',
    revoke: ({ viewer }) => `REVOKE CREATE ON SCHEMA reports FROM ${viewer}`,
    grant: ({ viewer }) => `GRANT USAGE, CREATE ON SCHEMA reports TO ${viewer}`,
  },
  {
    name: 'USAGE on the schema of a view and a function',
    revoke: ({ viewer }) => `REVOKE USAGE ON SCHEMA reports FROM ${viewer}`,
    grant: ({ viewer }) => `GRANT USAGE, CREATE ON SCHEMA reports TO ${viewer}`,
  },
  {
    name: 'membership in the owner of a publication',
    revoke: ({ publisher, role }) => `REVOKE ${publisher} FROM ${role}`,
    grant: ({ publisher, owner, role }) =>
      version >= 16
        ? `GRANT ${publisher}, ${owner} TO ${role} WITH INHERIT TRUE`
        : `GRANT ${publisher} TO ${role}`,
  },
  {
    name: "the table owner's rights without SET ROLE, where another role owns a publication",
    from: 16,
    revoke: ({ owner, role }) => `GRANT ${owner} TO ${role} WITH INHERIT FALSE`,
    grant: ({ publisher, owner, role }) => `GRANT ${publisher}, ${owner} TO ${role} WITH INHERIT TRUE`,
  },
  {
    name: "both owners' rights without SET ROLE, where another role owns a publication",
    to: 15,
    revoke: ({ role }) => `ALTER ROLE ${role} NOINHERIT`,
    grant: ({ role }) => `ALTER ROLE ${role} INHERIT`,
  },
  {
    name: 'sight of all rows',
    revoke: () =>
      'ALTER TABLE app.events ENABLE ROW LEVEL SECURITY; ALTER TABLE app.events FORCE ROW LEVEL SECURITY',
    grant: () => 'ALTER TABLE app.events NO FORCE ROW LEVEL SECURITY',
    told: () => 'ALTER TABLE "app"."events" NO FORCE ROW LEVEL SECURITY',
  },
];
const ofThisVersion = ({ from = 0, to = version }: Right) => version >= from && version <= to;
const RIGHTS = ALL.filter(ofThisVersion);

const RIGHTS_TO_COPY: readonly Right[] = [
  ...RIGHTS,
  {
    name: 'TEMPORARY on the database',
    revoke: ({ database, owner }) => `REVOKE TEMPORARY ON DATABASE ${database} FROM ${owner}`,
    grant: ({ database, owner }) => `GRANT TEMPORARY ON DATABASE ${database} TO ${owner}`,
  },
];

test('with all rights, a table is copied, and what was replaced is put back, or removed', async () => {
  const { database, url } = await leastPrivilege();
  await using _ = database;
  const { convert } = keeper({ url }, settings);
  for (const options of [
    { strategy: 'copy' },
    { undo: true },
    { strategy: 'copy' },
    { finish: true },
  ] as const)
    expect(stepsOf(await convert(options)).length).toBeGreaterThan(3);
  expect(await database.query('SELECT count(*)::int AS rows, reports.number() FROM reports.newest')).toEqual([
    { rows: 20, number: '20' },
  ]);
});

test('with all rights, a table is converted', async () => {
  const { database, url } = await leastPrivilege();
  await using _ = database;
  expect(stepsOf(await keeper({ url }, settings).convert()).map(({ kind }) => kind)).toContain('switch');
  expect(await database.query('SELECT count(*)::int AS rows, reports.number() FROM reports.newest')).toEqual([
    { rows: 20, number: '20' },
  ]);
});

/** Expects that the table cannot be converted without the right, that nothing is done then, and that the remedy helps. */
async function expectNamed(right: Right, strategy: 'attach' | 'copy'): Promise<void> {
  const { database, url, names } = await leastPrivilege();
  await using _ = database;
  await database.query(right.revoke(names));
  const before = await catalogState(database);
  const said = await runCli(['convert', 'app.events', '--strategy', strategy, '--format', 'json'], {
    config: configFile(settings),
    url,
  });
  expect([1, 4]).toContain(said.code);
  const text = said.stdout.replaceAll('\\"', '"');
  expect(text).toMatch(/"code": ?"permission"/);
  const told = (right.told ?? right.grant)(names);
  expect(text.replaceAll('"', '')).toContain(told.replaceAll('"', ''));
  expect(await catalogState(database)).toEqual(before);

  await database.query(right.grant(names));
  expect(stepsOf(await keeper({ url }, settings).convert({ strategy })).map(({ kind }) => kind)).toContain(
    'switch',
  );
}

test.each(RIGHTS)('without $name, nothing is changed, and the statement that gives it is named', (right) =>
  expectNamed(right, 'attach'),
);

test.each(RIGHTS_TO_COPY)(
  'without $name, nothing is copied, and the statement that gives it is named',
  (right) => expectNamed(right, 'copy'),
);

test.each<[string, (names: Names) => string]>([
  [
    'REFERENCES on the columns instead of the whole table',
    ({ owner }) =>
      `REVOKE REFERENCES ON others.accounts FROM ${owner}; GRANT REFERENCES (id) ON others.accounts TO ${owner}`,
  ],
  [
    'BYPASSRLS where row security is forced upon the owner',
    ({ owner, role }) =>
      `ALTER TABLE app.events ENABLE ROW LEVEL SECURITY; ALTER TABLE app.events FORCE ROW LEVEL SECURITY;
       ALTER ROLE ${role} BYPASSRLS; GRANT ${owner} TO ${role}`,
  ],
  [
    'SET ROLE alone where the owner of the table owns the publication',
    ({ owner, publisher, role }) =>
      `GRANT ${publisher} TO ${owner}; ${version >= 16 ? `GRANT ${owner} TO ${role} WITH INHERIT FALSE` : `ALTER ROLE ${role} NOINHERIT`}`,
  ],
])('%s is enough', async (_, change) => {
  const { database, url, names } = await leastPrivilege();
  await using __ = database;
  await database.query(change(names));
  expect(stepsOf(await keeper({ url }, settings).convert()).map(({ kind }) => kind)).toContain('switch');
});
