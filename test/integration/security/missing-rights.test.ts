import { expect, inject, test } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import { runCli } from '../../support/cli.ts';
import { createTestDatabase, type TestDatabase, type TestRole } from '../../support/database.ts';
import { catalogState, configFile, keeper, type Settings, stepsOf, tableOf } from '../../support/keeper.ts';
import { monthStart } from '../../support/traffic.ts';

const settings: Settings = { premake: 1, retention: { months: 1 }, maxExpiredShare: 1 };

/** A role of its own owns the table; the keeper is a member of it: all that the documentation asks for, and no more. */
async function leastPrivilege(): Promise<{ database: TestDatabase; owner: TestRole; role: TestRole }> {
  const database = await createTestDatabase();
  const [owner, role] = [await database.createRole(), await database.createRole()];
  await database.query(`
    REVOKE ALL ON DATABASE ${database.name} FROM PUBLIC;
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE app.old PARTITION OF app.events FOR VALUES FROM ('${monthStart(-3)} 00:00Z') TO ('${monthStart(-2)} 00:00Z');
    CREATE TABLE app.present PARTITION OF app.events FOR VALUES FROM ('${monthStart(0)} 00:00Z') TO ('${monthStart(1)} 00:00Z');
    CREATE TABLE app.rest PARTITION OF app.events DEFAULT;
    INSERT INTO app.events VALUES (1, '${monthStart(1)} 12:00Z');
    ALTER TABLE app.events OWNER TO ${owner.name};
    ALTER TABLE app.old OWNER TO ${owner.name};
    ALTER TABLE app.present OWNER TO ${owner.name};
    ALTER TABLE app.rest OWNER TO ${owner.name};
    GRANT CONNECT ON DATABASE ${database.name} TO ${role.name};
    GRANT TEMPORARY ON DATABASE ${database.name} TO ${owner.name};
    GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
    GRANT ${owner.name} TO ${role.name}`);
  return { database, owner, role };
}

/** A right, how it gets lost, and what the error says of it: names, and the statement that gives it. */
interface Right {
  readonly name: string;
  readonly job: 'create' | 'cleanup';
  readonly revoke: (names: Names) => string;
  readonly grant: (names: Names) => string;
  /** What the statement in the hint looks like. */
  readonly hint: (names: Names) => string;
  readonly from?: number;
  /** What is the same after the run as before; the whole catalog unless given. */
  readonly untouched?: (database: TestDatabase) => Promise<unknown>;
}

interface Names {
  readonly database: string;
  readonly owner: string;
  readonly role: string;
}

const WITH_SET = inject('serverVersion') >= 16 ? ' WITH SET TRUE' : '';

const ALL: readonly Right[] = [
  {
    name: 'CONNECT on the database',
    job: 'create',
    revoke: ({ database, role }) => `REVOKE CONNECT ON DATABASE ${database} FROM ${role}`,
    grant: ({ database, role }) => `GRANT CONNECT ON DATABASE ${database} TO ${role}`,
    hint: ({ database, role }) => `GRANT CONNECT ON DATABASE ${database} TO ${role};`,
  },
  {
    name: 'membership in the owner',
    job: 'create',
    revoke: ({ owner, role }) => `REVOKE ${owner} FROM ${role}`,
    grant: ({ owner, role }) => `GRANT ${owner} TO ${role}`,
    hint: ({ owner, role }) => `GRANT ${owner} TO ${role}${WITH_SET};`,
  },
  {
    name: 'membership with SET',
    job: 'create',
    from: 16,
    revoke: ({ owner, role }) => `GRANT ${owner} TO ${role} WITH SET FALSE`,
    grant: ({ owner, role }) => `GRANT ${owner} TO ${role} WITH SET TRUE`,
    hint: ({ owner, role }) => `GRANT ${owner} TO ${role} WITH SET TRUE;`,
  },
  {
    name: 'CREATE on the schema',
    job: 'create',
    revoke: ({ owner }) => `REVOKE CREATE ON SCHEMA app FROM ${owner}`,
    grant: ({ owner }) => `GRANT CREATE ON SCHEMA app TO ${owner}`,
    hint: ({ owner }) => `GRANT USAGE, CREATE ON SCHEMA app TO ${owner};`,
  },
  {
    name: 'USAGE on the schema',
    job: 'cleanup',
    revoke: ({ owner }) => `REVOKE USAGE ON SCHEMA app FROM ${owner}`,
    grant: ({ owner }) => `GRANT USAGE ON SCHEMA app TO ${owner}`,
    hint: ({ owner }) => `GRANT USAGE, CREATE ON SCHEMA app TO ${owner};`,
  },
  {
    name: 'TEMPORARY on the database',
    job: 'create',
    revoke: ({ database, owner }) => `REVOKE TEMPORARY ON DATABASE ${database} FROM ${owner}`,
    grant: ({ database, owner }) => `GRANT TEMPORARY ON DATABASE ${database} TO ${owner}`,
    hint: ({ database, owner }) => `GRANT TEMPORARY ON DATABASE ${database} TO ${owner};`,
    // Only rows of the default partition need it: partitions that take none of them are made.
    untouched: (database) => database.query('SELECT id, at FROM ONLY app.rest'),
  },
  {
    name: 'ownership of the partition',
    job: 'cleanup',
    revoke: () => 'ALTER TABLE app.old OWNER TO CURRENT_USER',
    grant: ({ owner }) => `ALTER TABLE app.old OWNER TO ${owner}`,
    hint: ({ owner }) => `ALTER TABLE app.old OWNER TO ${owner};`,
  },
];
const RIGHTS = ALL.filter(({ from = 0 }) => inject('serverVersion') >= from);

test('with all rights, both jobs work', async () => {
  const { database, role } = await leastPrivilege();
  await using _ = database;
  expect(stepsOf(await keeper(role, settings).create()).map(({ kind }) => kind)).toContain('move-rows');
  expect(stepsOf(await keeper(role, settings).cleanup()).map(({ kind }) => kind)).toEqual(['drop']);
});

/** All hints of a report, of the run and of its tables, without the quotes of names. */
function hintsIn(report: unknown): string[] {
  const { error, tables } = report as Report;
  return [error, ...tables.map((table) => table.error)].flatMap((one) =>
    one === undefined ? [] : [one.hint.replaceAll('"', '')],
  );
}

test.each(RIGHTS)('without $name, $job leaves all as it is, and says how to give it', async (right) => {
  const { database, owner, role } = await leastPrivilege();
  await using _ = database;
  const names = { database: database.name, owner: owner.name, role: role.name };
  await database.query(right.revoke(names));

  const { untouched = catalogState } = right;
  const before = await untouched(database);
  const said = await runCli([right.job, '--format', 'json'], { config: configFile(settings), url: role.url });
  expect(said.code).toBe(1);
  expect(JSON.stringify(said.json())).toMatch(/"code":"(42501|permission)"/);
  expect(hintsIn(said.json())).toContain(right.hint(names));
  expect(await untouched(database)).toEqual(before);

  await database.query(right.grant(names));
  const report = await keeper(role, settings)[right.job]();
  expect(stepsOf(report).length).toBeGreaterThan(0);
  expect(await untouched(database)).not.toEqual(before);
});

test('a partition of another role is told by health before cleanup fails for it', async () => {
  const { database, owner, role } = await leastPrivilege();
  await using _ = database;
  const { health } = keeper(role, settings);
  const permissions = async () =>
    tableOf(await health()).findings.filter(({ finding }) => finding === 'permission');
  expect(await permissions()).toEqual([]);
  await database.query('ALTER TABLE app.old OWNER TO CURRENT_USER');
  expect(await permissions()).toMatchObject([
    { severity: 'warning', remedy: `ALTER TABLE app.old OWNER TO ${owner.name};` },
  ]);
});
