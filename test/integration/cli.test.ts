import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { styleFor } from '../../lib/cli/render/style.ts';
import type { Report } from '../../lib/index.ts';
import { type CliOptions, type CliResult, runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase, type TestRole } from '../support/database.ts';
import { configFile, describeSchema, keeper, partitionsOf, stepsOf } from '../support/keeper.ts';
import { type Holder, hold, monthStart } from '../support/traffic.ts';
import { runThatWaits } from '../support/transactions.ts';
import { waitUntil } from '../support/wait.ts';

const events = { premake: 1, retention: { months: 1 }, maxExpiredShare: 1 } as const;
const config = configFile(events);

const month = (number: number): string => `events_${monthStart(number).slice(0, 7).replace('-', '_')}`;
const partition = (number: number): string =>
  `CREATE TABLE app.${month(number)} PARTITION OF app.events FOR VALUES FROM ('${monthStart(number)} 00:00+00') TO ('${monthStart(number + 1)} 00:00+00');`;

/** A table that lacks the current partition and those ahead, and has two that are past retention. */
async function databaseWithEvents(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    ${[-4, -3, -2, -1].map(partition).join('\n')}`);
  return database;
}

const report = (result: CliResult): Report => result.json() as Report;

/** Color, cursor movements and the like. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ESCAPES = /[\u001b\u009b]/;

describe('what goes where', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await databaseWithEvents();
    return database.drop;
  });

  test.concurrent.each([
    ['create --dry-run', 0],
    ['cleanup --dry-run', 0],
    ['plan', 0],
    ['plan create', 0],
    ['health', 3],
    ['status', 0],
    ['status --table app.events', 0],
    ['validate', 0],
  ] as const)('%s: one JSON object, or text without escape codes', async (command, code) => {
    const args = command.split(' ');
    const [pretty, json] = await Promise.all([
      runCli(args, { config, url: database.url, env: { FORCE_COLOR: '1', TERM: 'xterm-256color' } }),
      runCli([...args, '--format', 'json'], { config, url: database.url }),
    ]);
    expect([pretty.code, json.code]).toEqual([code, code]);
    expect([pretty.stderr, json.stderr]).toEqual(['', '']);
    expect(pretty.stdout).toContain('app.events');
    expect(pretty.stdout).not.toMatch(ESCAPES);
    expect(json.stdout).not.toMatch(ESCAPES);
    expect(report(json)).toMatchObject({
      version: 1,
      job: args[0] === 'plan' ? (args[1] ?? 'plan') : args[0],
      database: database.name,
      dryRun: true,
      ok: true,
      tables: [{ schema: 'app', table: 'events', status: 'ok' }],
    });
  });

  test('create writes its log to stderr, a line of JSON for each step', async () => {
    await using own = await databaseWithEvents();
    const result = await runCli(['create', '--format', 'json'], { config, url: own.url });
    expect(result.code).toBe(0);
    const steps = stepsOf(report(result));
    expect(steps.map(({ partition: name }) => name)).toEqual([`app.${month(0)}`, `app.${month(1)}`]);
    const lines = result.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual(
      steps.map((step) => ({
        ...step,
        time: expect.any(String),
        level: 'info',
        event: 'step',
        schema: 'app',
        table: 'events',
      })),
    );

    const again = await runCli(['create'], { config, url: own.url });
    expect([again.code, again.stderr]).toEqual([0, '']);
    expect(again.stdout).toContain('nothing to do');
    const cleanup = await runCli(['cleanup'], { config, url: own.url });
    expect([cleanup.code, cleanup.stderr]).toEqual([0, '']);
    expect(cleanup.stdout).toContain('3 dropped');
    expect(cleanup.stdout).not.toMatch(ESCAPES);
  });

  test('colors are for terminals, and for those who want them', () => {
    const painted = (isTTY: boolean, env: NodeJS.ProcessEnv): boolean =>
      ESCAPES.test(styleFor({ isTTY }, env).red('text'));
    expect(painted(true, {})).toBe(true);
    expect(painted(true, { NO_COLOR: '1' })).toBe(false);
    expect(painted(true, { TERM: 'dumb' })).toBe(false);
    expect(painted(false, { FORCE_COLOR: '1' })).toBe(false);
  });

  test('cleanup --partition removes those named, and refuses what is not expired, saying until when', async () => {
    await using own = await databaseWithEvents();
    const cleanup = (...args: string[]) =>
      runCli(['cleanup', '--format', 'json', ...args], { config, url: own.url });
    const before = await partitionsOf(own);
    const kept = await cleanup(
      '--partition',
      `app.${month(-4)}`,
      '--partition',
      `app.${month(-1)}`,
      '--approve',
    );
    expect(kept.code).toBe(4);
    expect(report(kept).tables[0]).toMatchObject({
      status: 'refused',
      error: { code: 'not-expired', message: expect.stringContaining(`is kept until ${monthStart(1)}`) },
    });
    const unknown = await cleanup('--partition', 'app.nowhere');
    expect([unknown.code, report(unknown).error?.code]).toEqual([2, 'partition-unknown']);
    const dry = await cleanup('--partition', `app.${month(-4)}`, '--dry-run');
    expect([dry.code, report(dry).dryRun]).toEqual([0, true]);
    expect(report(dry).tables[0]?.steps).toMatchObject([
      { kind: 'drop', partition: `app.${month(-4)}`, status: 'planned' },
    ]);
    expect(await partitionsOf(own)).toEqual(before);
    expect((await cleanup('--partition', `app.${month(-4)}`)).code).toBe(0);
    const { [month(-4)]: _, ...others } = before;
    expect(await partitionsOf(own)).toEqual(others);
  });

  test('a refusal of a guard ends with 4, a table that fails with 1', async () => {
    const careful = configFile({ ...events, maxExpiredShare: 0.1 });
    const refused = await runCli(['cleanup', '--format', 'json'], { config: careful, url: database.url });
    expect(refused.code).toBe(4);
    expect(report(refused).tables).toMatchObject([{ status: 'refused', error: { code: 'expired-share' } }]);
    expect(Object.keys(await partitionsOf(database))).toHaveLength(4);

    const both = configFile({ ...events, table: 'missing' }, events);
    const failed = await runCli(['plan', '--format', 'json'], { config: both, url: database.url });
    expect(failed.code).toBe(1);
    expect(report(failed).tables.map(({ status }) => status)).toEqual(['failed', 'ok']);
    const health = await runCli(['health'], { config: both, url: database.url });
    expect(health.code).toBe(1);
    expect(health.stdout).toContain('There is no table app.missing');
    const told = await runCli(['create'], { config: both, url: database.url });
    expect(told.stdout.split('There is no table app.missing')).toHaveLength(2);
  });
});

describe('a mistake in the call or the config', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'partition-keeper-config-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Nothing is done before everything is understood, so there need not be a server. */
  const url = 'postgresql://someone:secret-word@127.0.0.1:1/db';

  /** Ends with 2, says so to people on stderr and, where JSON is asked for, to programs on stdout. */
  async function mistake(
    args: readonly string[],
    options: CliOptions = { config },
  ): Promise<Report['error']> {
    const result = await runCli([...args, '--format', 'json'], { url, ...options });
    expect([args, result.code]).toEqual([args, 2]);
    const { ok, error, tables } = report(result);
    expect([ok, tables]).toEqual([false, []]);
    expect(result.stderr).toContain(error?.message);
    expect(result.stdout + result.stderr).not.toContain('secret-word');
    expect(result.stderr).not.toMatch(ESCAPES);
    return error;
  }

  test.concurrent.each([
    {
      args: ['create', '--table', 'app.unknown'],
      code: 'table-unknown',
      says: 'app.unknown is not in the config',
    },
    { args: ['health', '--now', 'tomorrow'], code: 'usage', says: 'Write an instant such as' },
    { args: ['health', '--now', '2026-02-30'], code: 'usage', says: 'Write an instant such as' },
    { args: ['create', '--premake', '0'], code: 'usage', says: 'Write a whole number from 1' },
    { args: ['create', '--max-wait', '1.5'], code: 'usage', says: 'Write a whole number from 1' },
    {
      args: ['create', '--from', '2026-02-01', '--to', '2026-01-01'],
      code: 'stretch-empty',
      says: 'is not before',
    },
    { args: ['create', '--force'], code: 'usage', says: "unknown option '--force'" },
    { args: ['cleanup', '--premake', '3'], code: 'usage', says: "unknown option '--premake'" },
    { args: ['created'], code: 'usage', says: "unknown command 'created'" },
    { args: ['health', 'app.events'], code: 'usage', says: 'too many arguments' },
    { args: ['plan', 'health'], code: 'job-unknown', says: 'no job health' },
    { args: ['cleanup', '--now', '2026-01-01'], code: 'now-in-cleanup', says: 'does not take a time' },
    {
      args: ['create', '--database-url', 'mysql://secret-word@x/db'],
      code: 'database-url',
      says: 'does not begin with postgresql://',
    },
    {
      args: ['create', '--database-url', 'postgresql://u:secret-word@x:99999/db'],
      code: 'database-url',
      says: '',
    },
    { args: ['create', '--config', 'missing.json'], code: 'config-missing', says: 'missing.json' },
  ])('$args', async ({ args, code, says }) => {
    const error = await mistake(args, args.includes('--config') ? {} : { config });
    expect(error?.code).toBe(code);
    expect(error?.message).toContain(says);
    expect(error?.hint).not.toBe('');
  });

  test('--format sql is for plans', async () => {
    const result = await runCli(['create', '--format', 'sql'], { config, url });
    expect([result.code, result.stdout]).toEqual([2, '']);
    expect(result.stderr).toContain('plan create --format sql');
  });

  test('--format knows three words', async () => {
    const result = await runCli(['create', '--format', 'yaml'], { config, url });
    expect([result.code, result.stdout]).toEqual([2, '']);
    expect(result.stderr).toContain('pretty, json, sql');
  });

  test('in the config is told with all others, each with its place', async () => {
    const wrong = {
      timezone: 'UTC',
      tables: [
        { schema: 'app', table: 'events', partitionKey: 'at', interval: 'fortnight', retention: 90 },
        { schema: 'app', table: '', partitionKey: 'at', interval: 'month', premake: 0 },
      ],
    };
    const error = await mistake(['validate'], { config: wrong });
    expect(error?.code).toBe('config-invalid');
    for (const place of [
      'timezone:',
      'tables[0].interval:',
      'tables[0].retention:',
      'tables[1].table:',
      'tables[1].premake:',
    ])
      expect(error?.message).toContain(`  ${place}`);
  });

  test('a config that cannot be read, or is not there', async () => {
    const file = join(folder, 'broken.json');
    await writeFile(file, '{ "tables": [');
    expect((await mistake(['plan', '--config', file], {}))?.code).toBe('config-unreadable');
    const error = await mistake(['plan'], { cwd: folder });
    expect(error?.code).toBe('config-missing');
    expect(error?.message).toContain('partitions.config.ts');
  });

  test('help and version are none', async () => {
    for (const [args, says] of [
      [['--help'], 'Exit codes:'],
      [['create', '--help'], '--dry-run'],
      [['--version'], /^\d+\.\d+\.\d+\n$/],
    ] as const) {
      const result = await runCli(args);
      expect([result.code, result.stderr]).toEqual([0, '']);
      expect(result.stdout).toEqual(
        typeof says === 'string' ? expect.stringContaining(says) : expect.stringMatching(says),
      );
    }
    const none = await runCli([]);
    expect([none.code, none.stdout]).toEqual([2, '']);
    expect(none.stderr).toContain('Usage: partition-keeper');
  });
});

describe('the database to work on', () => {
  let database: TestDatabase;
  let other: TestDatabase;
  let role: TestRole;
  beforeAll(async () => {
    [database, other] = await Promise.all([databaseWithEvents(), databaseWithEvents()]);
    role = await database.createRole();
    return async () => {
      await Promise.all([database.drop(), other.drop()]);
    };
  });

  /** The database a command has worked on. */
  async function databaseOf(args: readonly string[], options: CliOptions): Promise<string | null> {
    const result = await runCli(['status', '--format', 'json', ...args], { config, ...options });
    expect([result.code, result.stderr]).toEqual([0, '']);
    return report(result).database;
  }

  /** The parts of a URL as libpq's variables. */
  const variables = (from: string): Record<string, string> => {
    const url = new URL(from);
    return {
      PGHOST: url.hostname,
      PGPORT: url.port,
      PGUSER: decodeURIComponent(url.username),
      PGPASSWORD: decodeURIComponent(url.password),
      PGDATABASE: url.pathname.slice(1),
    };
  };

  test('is named by DATABASE_URL, by the variables of libpq, or by both', async () => {
    expect(await databaseOf([], { url: database.url })).toBe(database.name);
    expect(await databaseOf([], { env: variables(database.url) })).toBe(database.name);
    const url = new URL(database.url);
    url.password = '';
    const { PGPASSWORD = '' } = variables(database.url);
    expect(await databaseOf([], { url: url.href, env: { PGPASSWORD } })).toBe(database.name);
    expect(await databaseOf([], { env: { ...variables(other.url), DATABASE_URL: database.url } })).toBe(
      database.name,
    );
  });

  test('is named before all by the flag', async () => {
    const options = { url: other.url, env: variables(other.url) };
    expect(await databaseOf(['--database-url', database.url], options)).toBe(database.name);
  });

  test('is none for validate unless one is named', async () => {
    const result = await runCli(['validate', '--format', 'json'], { config });
    expect([result.code, report(result).database]).toEqual([0, null]);
    const named = await runCli(['validate', '--format', 'json'], { config, env: variables(database.url) });
    expect([named.code, report(named).database]).toEqual([0, database.name]);
  });

  test('is not told the password in anything that is printed', async () => {
    // The role may look but not change anything, so there are findings, errors and hints to print.
    const runs = await Promise.all(
      ['create', 'cleanup', 'health', 'status', 'plan', 'validate'].flatMap((job) =>
        ['pretty', 'json'].map((format) => runCli([job, '--format', format], { config, url: role.url })),
      ),
    );
    expect(runs.map(({ code }) => code)).toContain(1);
    for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toContain(role.password);
  }, 60_000);
});

describe('a run that is told to end', () => {
  const program = fileURLToPath(new URL('../../bin/partition-keeper.ts', import.meta.url));

  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'partition-keeper-signals-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  interface Started {
    readonly child: ChildProcess;
    /** What it has written, and how it has ended, once it has. */
    readonly ended: Promise<{
      readonly code: number | null;
      readonly stdout: string;
      readonly stderr: string;
    }>;
  }

  /** Starts the program and returns while it runs. */
  async function start(
    database: TestDatabase,
    args: readonly string[],
    settings: object = config,
  ): Promise<Started> {
    const file = join(folder, 'partitions.json');
    await writeFile(file, JSON.stringify(settings));
    const child = spawn(process.execPath, [program, ...args, '--config', file], {
      env: { PATH: process.env['PATH'], HOME: folder, DATABASE_URL: database.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const closed = once(child, 'close');
    const output = Promise.all([text(child.stdout), text(child.stderr), closed]);
    return {
      child,
      ended: output.then(([stdout, stderr]) => ({ code: child.exitCode, stdout, stderr })),
    };
  }

  const sessions = (database: TestDatabase, where = 'true'): Promise<unknown[]> =>
    database.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper/%' AND ${where}`,
    );

  async function expectNothingLeft(database: TestDatabase): Promise<void> {
    await waitUntil(async () => (await sessions(database)).length === 0, { what: 'its session is gone' });
    expect(
      await database.query(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
      ),
    ).toEqual([]);
    expect(await database.query('SELECT 1 FROM pg_inherits WHERE inhdetachpending')).toEqual([]);
  }

  /** What keeps create and cleanup waiting. */
  const holdTable = (database: TestDatabase): Promise<Holder> =>
    hold(database, 'maintenance', 'LOCK TABLE ONLY app.events IN SHARE UPDATE EXCLUSIVE MODE');

  test.each([
    ['SIGINT', 'create', 2],
    ['SIGTERM', 'create', 2],
    ['SIGTERM', 'cleanup', 3],
  ] as const)('by %s stops %s in good order, and says what is left', async (signal, job, steps) => {
    await using database = await databaseWithEvents();
    const holder = await holdTable(database);
    const before = await describeSchema(database);
    const run = await start(database, [job, '--format', 'json']);
    await runThatWaits(database);
    run.child.kill(signal);
    const { code, stdout, stderr } = await run.ended;

    expect(code).toBe(1);
    expect(stderr).toContain('Stopping after the step at hand');
    const [table] = (JSON.parse(stdout) as Report).tables;
    expect(table).toMatchObject({ status: 'failed', error: { code: 'stopped' } });
    expect(table?.steps.map(({ status }) => status)).toEqual(Array(steps).fill('not-run'));
    expect(table?.steps[0]?.waitedFor).toContainEqual(
      expect.objectContaining({ pid: holder.pid, application: 'maintenance' }),
    );
    await expectNothingLeft(database);
    expect(await describeSchema(database)).toEqual(before);

    await holder.end();
    const again = await runCli([job], { config, url: database.url });
    expect(again.code).toBe(0);
  });

  test('after a part of its work keeps that', async () => {
    await using database = await databaseWithEvents();
    // Only the second partition to be removed is in use.
    const holder = await hold(database, 'export', `LOCK TABLE app.${month(-3)} IN ACCESS SHARE MODE`);
    const run = await start(database, ['cleanup']);
    await waitUntil(
      async () =>
        (await database.query('SELECT 1 WHERE to_regclass($1) IS NULL', [`app.${month(-4)}`])).length === 1,
      { what: 'the first partition is dropped' },
    );
    await runThatWaits(database);
    run.child.kill('SIGTERM');
    const { code, stdout } = await run.ended;
    await holder.end();
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`drop +app\\.${month(-4)} .*done in`));
    expect(stdout).toMatch(new RegExp(`drop +app\\.${month(-3)} .*not run`));
    expect(stdout).toMatch(new RegExp(`drop +app\\.${month(-2)} .*not run`));
    expect(stdout).toContain('The run was stopped');
    await expectNothingLeft(database);
    expect(Object.keys(await partitionsOf(database))).toEqual([-3, -2, -1].map(month));
  });

  test('a second time ends at once', async () => {
    await using database = await databaseWithEvents();
    await stopAtCreateTable(database);
    const run = await start(database, ['create']);
    await waitUntil(async () => (await sessions(database, "query LIKE 'CREATE TABLE%'")).length === 1, {
      what: 'the run is about to create a table',
    });
    run.child.kill('SIGINT');
    await once(run.child.stderr ?? run.child, 'data');
    run.child.kill('SIGTERM');
    const { code, stdout } = await run.ended;
    expect([code, run.child.signalCode, stdout]).toEqual([null, 'SIGTERM', '']);
    await goOn(database);
    await expectNothingLeft(database);
    expect(Object.keys(await partitionsOf(database))).toEqual([-4, -3, -2, -1].map(month));
  });

  test('by SIGKILL while it creates a partition leaves none half made', async () => {
    await using database = await databaseWithEvents();
    await stopAtCreateTable(database);
    const before = await describeSchema(database);
    const run = await start(database, ['create']);
    await waitUntil(async () => (await sessions(database, "query LIKE 'CREATE TABLE%'")).length === 1, {
      what: 'the run is about to create a table',
    });
    run.child.kill('SIGKILL');
    await run.ended;
    // Its session notices although its statement waits still.
    await waitUntil(async () => (await sessions(database)).length === 0, { what: 'its session is gone' });
    await goOn(database);
    await expectNothingLeft(database);
    expect(await describeSchema(database)).toEqual(before);

    expect((await runCli(['create'], { config, url: database.url })).code).toBe(0);
    expect(stepsOf(await keeper(database, events).create())).toEqual([]);
  });

  test('by SIGKILL while it detaches leaves what the next run completes', async () => {
    await using database = await databaseWithEvents();
    const detaching = configFile({ ...events, expired: 'detach' });
    const reader = await hold(database, 'report', 'LOCK TABLE ONLY app.events IN ACCESS SHARE MODE');
    const exporter = await hold(database, 'export', `LOCK TABLE app.${month(-4)} IN ACCESS SHARE MODE`);
    const run = await start(database, ['cleanup'], detaching);
    await waitUntil(
      async () => (await database.query('SELECT 1 FROM pg_inherits WHERE inhdetachpending')).length === 1,
      { what: 'the detach is pending' },
    );
    run.child.kill('SIGKILL');
    await run.ended;
    // The statement at hand is not to succeed meanwhile.
    await waitUntil(async () => (await sessions(database)).length === 0, { what: 'its session is gone' });
    await Promise.all([reader.end(), exporter.end()]);

    const next = await runCli(['cleanup', '--format', 'json'], { config: detaching, url: database.url });
    expect(next.code).toBe(0);
    expect(stepsOf(report(next)).map(({ kind, partition: name }) => `${kind} ${name}`)).toEqual([
      `finalize-detach app.${month(-4)}`,
      `detach app.${month(-3)}`,
      `detach app.${month(-2)}`,
    ]);
    await expectNothingLeft(database);
  });

  /** Has every CREATE TABLE in the database wait, while its transaction is open, until `goOn`. */
  async function stopAtCreateTable(database: TestDatabase): Promise<void> {
    await database.query(`
      CREATE SCHEMA test;
      CREATE FUNCTION test.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock_shared(1, 1); END $$;
      CREATE EVENT TRIGGER stop ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION test.stop()`);
    await database.query('SELECT pg_advisory_lock(1, 1)');
  }

  async function goOn(database: TestDatabase): Promise<void> {
    await database.query('SELECT pg_advisory_unlock(1, 1)');
    await database.query('DROP EVENT TRIGGER stop');
  }
});
