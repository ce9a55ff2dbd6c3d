import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultSchedules } from '../../lib/config/schedules.ts';
import { connectionSettings, parseConfig } from '../../lib/index.ts';
import type { Clock } from '../../lib/serve/clock.ts';
import { jsonLog } from '../../lib/serve/log.ts';
import { serve } from '../../lib/serve/serve.ts';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { configFile, partitionsOf } from '../support/keeper.ts';
import { linesOf, samplesOf, startServing } from '../support/serve.ts';
import { hold, monthStart } from '../support/traffic.ts';
import { runThatWaits } from '../support/transactions.ts';
import { waitUntil } from '../support/wait.ts';

const config = configFile({ premake: 2 });
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SCHEDULES = defaultSchedules([{ interval: 'month' }]);

/** A table that has no partition. */
async function databaseWithEvents(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)`);
  return database;
}

const sessionsOf = async (database: TestDatabase): Promise<number> => {
  const rows = await database.query(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper/%'",
  );
  return rows.length;
};

describe('a process that serves', () => {
  const PASSWORD = `s3cr"e't%$\\ :@/ß`;
  let database: TestDatabase;
  let url: string;
  beforeAll(async () => {
    database = await databaseWithEvents();
    const role = await database.createRole({ attributes: 'SUPERUSER' });
    await database.query(`ALTER ROLE ${role.name} PASSWORD '${PASSWORD.replaceAll("'", "''")}'`);
    const address = new URL(database.url);
    address.username = role.name;
    address.password = encodeURIComponent(PASSWORD);
    url = address.href;
  });
  afterAll(() => database.drop());

  test('creates what is missing, looks, answers, and stops in good order', async () => {
    await using serving = await startServing(url, config, ['--log-level', 'debug']);
    await serving.logged('begin', { job: 'create', reason: 'start' });
    await serving.logged('begin', { job: 'health', reason: 'start' });
    await serving.logged('table', { job: 'create', status: 'ok' });
    await serving.logged('table', { job: 'health', status: 'ok' });
    await serving.logged('next runs');
    expect(Object.keys(await partitionsOf(database))).toHaveLength(3);

    const health = await serving.get('/healthz');
    expect([health.status, health.headers.get('content-type')]).toEqual([
      200,
      'application/json; charset=utf-8',
    ]);
    expect(await health.json()).toMatchObject({
      status: 'ok',
      running: null,
      nextRuns: { create: expect.stringMatching(/-01T02:00:00.000Z$/), health: expect.any(String) },
    });
    const ready = await serving.get('/readyz');
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { status: 'ready', database: database.name, serverVersion: expect.any(String), tables: 1 },
    ]);
    const head = await serving.get('/healthz', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const posted = await serving.get('/metrics', { method: 'POST', body: 'x' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const elsewhere = await serving.get('/__proto__');
    expect([elsewhere.status, await elsewhere.json()]).toEqual([
      404,
      { error: 'not found', endpoints: ['/healthz', '/readyz', '/metrics'] },
    ]);

    const metrics = await serving.get('/metrics?whatever');
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await metrics.text();
    const samples = samplesOf(text);
    const ofTable = `{database="${database.name}",schema="app",table="events"}`;
    const ofJob = (job: string) => `{database="${database.name}",job="${job}"}`;
    expect(
      Object.fromEntries([...samples].filter(([key]) => /missing|expired|default|total/.test(key))),
    ).toMatchObject({
      [`partition_keeper_missing_partitions${ofTable}`]: 0,
      [`partition_keeper_expired_partitions${ofTable}`]: 0,
      [`partition_keeper_default_partition_rows${ofTable}`]: 0,
      [`partition_keeper_run_succeeded_total${ofJob('create')}`]: 1,
      [`partition_keeper_run_succeeded_total${ofJob('health')}`]: 1,
      [`partition_keeper_run_succeeded_total${ofJob('cleanup')}`]: 0,
      [`partition_keeper_run_failed_total${ofJob('create')}`]: 0,
      [`partition_keeper_partitions_created_total${ofJob('create')}`]: 3,
      [`partition_keeper_partitions_dropped_total${ofJob('cleanup')}`]: 0,
      [`partition_keeper_lock_wait_milliseconds_total${ofJob('create')}`]: expect.any(Number),
    });
    expect(samples.get(`partition_keeper_runway_days${ofTable}`)).toBeGreaterThan(50);
    const now = Date.now() / 1000;
    for (const [name, job, least, most] of [
      ['last_success', 'create', now - 120, now],
      ['last_success', 'cleanup', 0, 0],
      ['last_failure', 'create', 0, 0],
      ['next_run', 'health', now, now + 86_400],
    ] as const) {
      const value = samples.get(`partition_keeper_${name}_timestamp_seconds${ofJob(job)}`);
      expect(value).toBeGreaterThanOrEqual(least);
      expect(value).toBeLessThanOrEqual(most);
    }

    const taken = new URL((await serving.get('/healthz')).url).host;
    const second = await runCli(['serve', '--listen', taken], { url, config });
    expect([second.code, second.stdout]).toEqual([1, '']);
    expect(second.stderr).toContain(`Cannot listen at ${taken}: another process is listening there`);

    serving.child.kill('SIGTERM');
    expect(await serving.ended).toBe(0);
    const log = serving.log();
    expect(log.slice(-2)).toMatchObject([{ event: 'stopping', signal: 'SIGTERM' }, { event: 'stopped' }]);
    expect(log.filter(({ event }) => event === 'report')).toMatchObject([
      { level: 'info', report: { version: 1, job: 'create', tables: [{ table: 'events', status: 'ok' }] } },
      { level: 'info', report: { version: 1, job: 'health', database: database.name, ok: true } },
    ]);
    expect(log.every(({ time }) => new Date(String(time)).toISOString() === time)).toBe(true);
    const forms = [PASSWORD, encodeURIComponent(PASSWORD), JSON.stringify(PASSWORD).slice(1, -1)];
    expect(forms.filter((form) => (serving.output() + text).includes(form))).toEqual([]);
    expect(await sessionsOf(database)).toBe(0);
  });

  test('goes on when nobody reads its log any more', async () => {
    await using serving = await startServing(url, config);
    await serving.logged('next runs');
    serving.child.stdout.destroy();
    // It writes records when it is told to stop.
    serving.child.kill('SIGINT');
    expect(await serving.ended).toBe(0);
  });
});

describe('a signal', () => {
  test('while create waits for a lock ends it after the step at hand, and nothing is left behind', async () => {
    await using database = await databaseWithEvents();
    const holder = await hold(database, 'app', 'LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE');
    await using serving = await startServing(database.url, config, ['--log-level', 'debug']);
    await serving.logged('wait', { job: 'create', table: 'events' });
    await runThatWaits(database);
    const health = await serving.get('/healthz');
    expect([health.status, await health.json()]).toMatchObject([200, { status: 'ok', running: 'create' }]);
    serving.child.kill('SIGTERM');
    expect(await serving.ended).toBe(0);
    expect(serving.log().at(-1)).toMatchObject({ event: 'stopped' });
    expect(serving.log().find(({ event, level }) => event === 'report' && level === 'error')).toMatchObject({
      report: { ok: false, tables: [{ status: 'failed', error: { code: 'stopped' } }] },
    });
    expect(await partitionsOf(database)).toEqual({});
    await holder.end();
    const relations = await database.query("SELECT 1 FROM pg_class WHERE relname LIKE 'events%'");
    expect(relations).toHaveLength(1);
    await waitUntil(async () => (await sessionsOf(database)) === 0, { what: 'its sessions have ended' });
    expect((await runCli(['create'], { url: database.url, config })).code).toBe(0);
    expect(Object.keys(await partitionsOf(database))).toHaveLength(3);
  });

  test('that is the second one ends it at once', async () => {
    // Takes connections and never says a word.
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    try {
      const url = `postgresql://nobody@127.0.0.1:${port}/app?connect_timeout=600&sslmode=disable`;
      await using serving = await startServing(url, config);
      await serving.logged('begin', { job: 'create' });
      serving.child.kill('SIGTERM');
      await serving.logged('stopping');
      expect(await (await serving.get('/healthz')).json()).toMatchObject({
        status: 'stopping',
        running: 'create',
      });
      expect((await serving.get('/readyz')).status).toBe(503);
      serving.child.kill('SIGTERM');
      expect(await serving.ended).toBe('SIGTERM');
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });
});

/** A scheduler in this process, whose clock is moved by hand: real time passes as well. */
async function servingHere(database: { readonly url: string }, schedules = SCHEDULES) {
  let ahead = 0;
  let asleep = 0;
  const waiting = new Set<() => void>();
  const clock: Clock = {
    now: () => Date.now() + ahead,
    steady: () => performance.now() + ahead - asleep,
    pause: (_, signal) =>
      new Promise((resolve) => {
        waiting.add(resolve);
        signal.addEventListener('abort', () => resolve());
      }),
  };
  const wake = (): void => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const stop = new AbortController();
  let written = '';
  const log = (): ReturnType<typeof linesOf> => linesOf(written);
  const served = serve({
    config: parseConfig(config, 'the config of the test'),
    connection: connectionSettings(database.url, {}),
    schedules: { patterns: schedules, timeZone: 'UTC' },
    listen: { host: '127.0.0.1', port: 0 },
    log: jsonLog('info', (line) => {
      written += line;
    }),
    signal: stop.signal,
    clock,
  });
  const idle = (): Promise<void> =>
    waitUntil(() => waiting.size > 0, { what: 'nothing is left to be run', timeoutMs: 60_000 });
  await idle();
  const address = log()[0]?.['address'];
  return {
    log,
    begun: () =>
      log()
        .filter(({ event }) => event === 'begin')
        .map(({ job, reason }) => `${job} ${reason}`),
    get: (path: string) => fetch(`http://${address}${path}`),
    /** Time passes by the clock, and, unless the machine sleeps or the clock is set, in truth. */
    pass: async (ms: number, { awake = true } = {}) => {
      ahead += ms;
      if (!awake) asleep += ms;
      wake();
      await idle();
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await served;
    },
  };
}

describe('time', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await databaseWithEvents();
  });
  afterAll(() => database.drop());

  test('that was slept through is made up for by one run of each job, one after the other', async () => {
    await using serving = await servingHere(database);
    const before = serving.begun().length;
    await serving.pass(400 * DAY, { awake: false });
    expect(serving.begun().slice(before).toSorted()).toEqual([
      'cleanup schedule',
      'create schedule',
      'health schedule',
    ]);
    const events = serving
      .log()
      .map(({ event }) => event)
      .filter((event) => event === 'begin' || event === 'report');
    expect(events).toEqual(events.map((_, index) => (index % 2 === 0 ? 'begin' : 'report')));
    expect(serving.log().find(({ event }) => event === 'clock changed')).toMatchObject({ level: 'warn' });
    expect((await serving.get('/healthz')).status).toBe(200);
    await serving.pass(60_000);
    expect(serving.begun()).toHaveLength(before + 3);
  });

  test('that is set back repeats nothing, and is told of', async () => {
    await using serving = await servingHere(database, { ...SCHEDULES, health: '*/5 * * * *' });
    await serving.pass(5 * 60_000);
    const before = serving.begun();
    expect(before.at(-1)).toBe('health schedule');
    const { nextRuns } = (await (await serving.get('/healthz')).json()) as {
      nextRuns: { health: string };
    };
    await serving.pass(-4 * 60_000, { awake: false });
    expect(serving.begun()).toEqual(before);
    expect(serving.log().filter(({ event }) => event === 'clock changed')).toHaveLength(1);
    expect(await (await serving.get('/healthz')).json()).toMatchObject({ nextRuns });
  });

  test('without a database passes, and is made up for when it answers', async () => {
    await using own = await databaseWithEvents();
    const role = await own.createRole({ attributes: 'SUPERUSER' });
    await own.query(`ALTER ROLE ${role.name} NOLOGIN`);
    await using serving = await servingHere(role);
    expect(serving.begun()).toEqual(['create start', 'health start']);
    expect(serving.log().find(({ event, job }) => event === 'failed' && job === 'health')).toMatchObject({
      level: 'error',
      error: { code: '28000', hint: expect.any(String) },
    });
    const ready = await serving.get('/readyz');
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { status: 'not ready', error: { code: '28000' } },
    ]);
    expect((await serving.get('/healthz')).status).toBe(200);
    await serving.pass(60_000);
    await serving.pass(60_000);
    expect(serving.begun().slice(2)).toEqual(['create retry', 'health retry']);
    const samples = samplesOf(await (await serving.get('/metrics')).text());
    const labels = `{database="${own.name}",job="health"}`;
    expect(samples.get(`partition_keeper_run_failed_total${labels}`)).toBe(2);
    expect(samples.get(`partition_keeper_last_failure_timestamp_seconds${labels}`)).toBeGreaterThan(0);

    await own.query(`ALTER ROLE ${role.name} LOGIN`);
    await serving.pass(60_000);
    expect(serving.begun().slice(4)).toEqual(['create retry', 'health retry']);
    expect(Object.keys(await partitionsOf(own))).toHaveLength(3);
    expect((await serving.get('/readyz')).status).toBe(200);
  });
});

describe('a partition that is missing', () => {
  test('is created after the health check that has seen it, and moving its rows is no hanging, however long', async () => {
    await using own = await databaseWithEvents();
    // Rows are moved for as long as somebody holds the advisory lock.
    await own.query(`
      CREATE FUNCTION app.passes(int) RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN
        WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP PERFORM pg_sleep(0.01); END LOOP;
        RETURN true;
      END $$;
      ALTER TABLE app.events ADD CHECK (app.passes(id));
      CREATE TABLE app.events_default PARTITION OF app.events DEFAULT`);
    await using serving = await servingHere(own, {
      ...SCHEDULES,
      create: '0 0 29 2 *',
      health: '*/5 * * * *',
    });
    const before = await partitionsOf(own);
    const [, next] = Object.keys(before);
    await own.query(`DROP TABLE app.${next}; INSERT INTO app.events VALUES (1, '${monthStart(1)} 00:00+00')`);
    const gate = await own.connect();
    try {
      await gate.query('SELECT pg_advisory_lock(1)');
      const minutes = serving.pass(5 * 60_000);
      await waitUntil(
        async () => {
          const moving = await own.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'partition-keeper/create' AND wait_event = 'PgSleep'",
          );
          return moving.length > 0;
        },
        { what: 'rows are being moved' },
      );
      expect(serving.begun().slice(2)).toEqual(['health schedule', 'create catch-up']);
      const hours = serving.pass(3 * HOUR);
      const health = await serving.get('/healthz');
      expect([health.status, await health.json()]).toMatchObject([200, { status: 'ok', running: 'create' }]);
      await gate.query('SELECT pg_advisory_unlock(1)');
      await Promise.all([minutes, hours]);
    } finally {
      await gate.end();
    }
    expect(
      serving
        .log()
        .filter(({ event }) => event === 'step')
        .at(-1),
    ).toMatchObject({
      step: { kind: 'move-rows', partition: `app.${next}`, status: 'done' },
    });
    expect(await partitionsOf(own)).toEqual(before);
  });
});

describe('what cannot be served', () => {
  test.each([
    ['--now', ['--now', '2026-01-01'], 'serve runs by the clock'],
    ['--table', ['--table', 'app.events'], "unknown option '--table'"],
    ['--listen', ['--listen', 'nowhere'], 'nowhere is not an address'],
    ['--create-schedule', ['--create-schedule', '0 2 1 *'], 'The schedule of create is wrong'],
    ['--health-schedule', ['--health-schedule', '0 2 30 2 *'], 'no such date ever comes'],
    ['--time-zone', ['--time-zone', 'Mars/Base'], 'unknown time zone "Mars/Base"'],
    ['--log-level', ['--log-level', 'loud'], 'Allowed choices are debug, info, warn, error'],
  ])('a mistake in %s ends it before it has begun', async (_, args, message) => {
    const result = await runCli(['serve', ...args], { config, url: 'postgresql://127.0.0.1:1/none' });
    expect([result.code, result.stdout]).toEqual([2, '']);
    expect(result.stderr).toContain(message);
  });

  test('nor is a config that is wrong, or no database at all', async () => {
    const wrong = await runCli(['serve'], { config: { tables: [] }, url: 'postgresql://127.0.0.1:1/none' });
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('must list at least one table')]);
    const nowhere = await runCli(['serve'], { config });
    expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('No database is given')]);
  });
});
