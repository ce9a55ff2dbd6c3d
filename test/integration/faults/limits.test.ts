import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '../../../support/embedded-server.ts';
import { runCli } from '../../support/cli.ts';
import { createTestDatabase } from '../../support/database.ts';
import { complaints, expectRecovery, known, waitingRun } from '../../support/faults/expectations.ts';
import { startFaultyServer } from '../../support/faults/proxy.ts';
import { MOVES_ROWS, prepare, runJob, scenario, WORK } from '../../support/faults/scenarios.ts';
import { configFile, keeper, stepsOf, tableOf } from '../../support/keeper.ts';
import { monthStart } from '../../support/traffic.ts';

const { version = 17 } = inject('wantedServer');

async function withServer(
  settings: Readonly<Record<string, string>>,
  use: (server: EmbeddedServer) => Promise<void>,
): Promise<void> {
  const server = await startEmbeddedServer({ version, settings });
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

test('a server without a connection left is not waited for, and named', async () => {
  await withServer({ max_connections: '6', superuser_reserved_connections: '3' }, async (server) => {
    await using database = await createTestDatabase(server.url);
    await prepare(database, scenario('create'));
    const role = await database.createRole();
    const taken: pg.Client[] = [];
    let refused: unknown;
    while (refused === undefined)
      await database.connect({ role }).then(
        (client) => taken.push(client),
        (error: unknown) => {
          refused = error;
        },
      );
    for (const job of ['create', 'cleanup', 'health']) {
      const said = await runCli([job, '--format', 'json'], { config: configFile({}), url: role.url });
      expect(said.code).toBe(1);
      expect(said.stderr + said.stdout).toContain('53300');
    }
    await taken[0]?.end();
    expect((await keeper(role).health()).ok).toBe(true);
  });
});

// Other systems have no way to limit a process that runs already.
describe.runIf(process.platform === 'linux')('a disk that is full', () => {
  test('fails a create that moves rows; they stay where they were', async () => {
    await withServer({ autovacuum: 'off' }, async (server) => {
      await using database = await createTestDatabase(server.url);
      const of = {
        ...MOVES_ROWS,
        special: [
          ...(MOVES_ROWS.special ?? []),
          'ALTER TABLE app.events ADD COLUMN body text; ALTER TABLE app.events ALTER COLUMN body SET STORAGE PLAIN',
          // So much that a file of the new partition grows beyond the limit, which leaves room for those of the log.
          `INSERT INTO app.events SELECT n, '${monthStart(1)} 12:00Z', 1, repeat('x', 4000) FROM generate_series(2001, 8000) AS n`,
        ],
      };
      const all = await known(database, of);
      await prepare(database, of);
      const [postmaster = ''] = readFileSync(join(server.dataDir, 'postmaster.pid'), 'utf8').split('\n');
      const { uid, gid } = statSync(server.dataDir);
      const limit = (bytes: string) =>
        execFileSync('prlimit', ['--pid', postmaster, `--fsize=${bytes}:`], { uid, gid });
      limit(String(18 * 1024 * 1024));
      const [said] = await complaints(runJob(database.url, of));
      limit('unlimited');
      expect(said?.code).toMatch(/^(53100|58030|XX000)$/);
      await expectRecovery(database, all, 'a full disk');
    });
  });
});

test('a server whose table of locks is full fails the run, and says which setting', async () => {
  const small = { max_locks_per_transaction: '10', max_connections: '10' };
  await withServer(small, async (server) => {
    await using database = await createTestDatabase(server.url);
    for (const of of WORK) {
      const all = await known(database, of);
      await prepare(database, of);
      const client = await database.connect();
      const full = client.query('SELECT pg_advisory_lock(n) FROM generate_series(1, 1000000) AS n');
      await expect(full).rejects.toMatchObject({ code: '53200' });
      // Some room is left, so that it is in the midst of its work that the run finds none.
      await client.query('SELECT pg_advisory_unlock(n) FROM generate_series(1, 15) AS n');
      const [said] = await complaints(runJob(database.url, of));
      expect(said, of.name).toMatchObject({
        code: '53200',
        hint: expect.stringContaining('max_locks_per_transaction'),
      });
      await client.end();
      await expectRecovery(database, all, 'the table of locks was full');
    }
  });
});

test('a primary that becomes a standby in mid-run fails the run, and says where to go', async () => {
  await using database = await createTestDatabase();
  for (const of of WORK) {
    const all = await known(database, of);
    await prepare(database, of);
    const change = all.statements.findIndex((statement) => /^(CREATE|COMMENT|DROP)/.test(statement));
    {
      await using server = await startFaultyServer(database.url, {
        at: change,
        kind: 'fail',
        sqlstate: '25006',
      });
      const report = tableOf(await runJob(server.url, of));
      expect(report.error).toMatchObject({ code: '25006', hint: expect.stringContaining('primary') });
      expect(report.steps.map(({ status }) => status)).not.toContain('done');
    }
    await expectRecovery(database, all, 'a fail-over');
  }
});

const HOSTILE = [
  "statement_timeout = '1ms'",
  "lock_timeout = '1ms'",
  "idle_in_transaction_session_timeout = '1ms'",
  "default_transaction_isolation = 'serializable'",
  'default_transaction_deferrable = on',
  "row_security = 'off'",
  "session_replication_role = 'replica'",
  'search_path = app, pg_temp',
  'quote_all_identifiers = on',
  "bytea_output = 'escape'",
  'standard_conforming_strings = off',
  'enable_seqscan = off',
  "temp_file_limit = '64kB'",
];

test.each(HOSTILE)('a database with %s is none the worse for it', async (setting) => {
  await using database = await createTestDatabase();
  for (const of of WORK) {
    const all = await known(database, of);
    await prepare(database, of);
    await database.query(`ALTER DATABASE ${database.name} SET ${setting}`);
    stepsOf(await runJob(database.url, of));
    await database.query(`ALTER DATABASE ${database.name} RESET ALL`);
    await expectRecovery(database, all, setting);
  }
});

describe('clocks', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([-2, 2])(
    'that are %s hours apart keep cleanup from removing anything until somebody approves',
    async (hours) => {
      await using database = await createTestDatabase();
      const of = scenario('cleanup that drops');
      await prepare(database, of);
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hours * 3_600_000 });
      const { cleanup, create, health } = keeper(database, of.settings);
      const refused = tableOf(await cleanup());
      expect(refused).toMatchObject({ status: 'refused', error: { code: 'clock-skew' } });
      expect(refused.steps.map(({ status }) => status)).toEqual(['not-run', 'not-run']);
      expect(tableOf(await health()).findings.map(({ finding }) => finding)).toContain('clock-skew');
      expect((await create()).ok).toBe(true);
      expect(stepsOf(await cleanup({ approve: true })).map(({ status }) => status)).toEqual(['done', 'done']);
    },
  );
});

test('a password that is rotated in mid-run does not end the run; the next one is refused without telling it', async () => {
  await using database = await createTestDatabase();
  const of = scenario('create');
  await prepare(database, of);
  const role = await database.createRole({ attributes: 'SUPERUSER' });
  const { said, holder } = await waitingRun(database, of, role.url);
  await database.query(`ALTER ROLE ${role.name} PASSWORD 'rotated'`);
  await holder.end();
  expect(await said).toEqual([]);
  const refused = await runCli(['health', '--format', 'json'], { config: configFile({}), url: role.url });
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain('28P01');
  expect(refused.stdout + refused.stderr).not.toContain(role.password);
});
