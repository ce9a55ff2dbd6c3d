import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Report, WaitEvent } from '../../lib/index.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { describeSchema, keeper, partitionsOf, type Settings, stepsOf, tableOf } from '../support/keeper.ts';
import { beforeStatement } from '../support/statements.ts';
import {
  type AuditDatabase,
  auditLogs,
  changeAndLog,
  createAuditDatabase,
  createLeastPrivilege,
  type Holder,
  hold,
  monthStart,
  partitionName,
  passGrace,
} from '../support/traffic.ts';
import { runThatWaits } from '../support/transactions.ts';
import { waitUntil } from '../support/wait.ts';

/** A table that refers to no other, so nothing said here stands in its way. */
const events = {
  schema: 'app',
  table: 'events',
  partitionKey: 'at',
  premake: 1,
  retention: { months: 1 },
  maxExpiredShare: 1,
} satisfies Settings;

async function addEvents(database: TestDatabase): Promise<void> {
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE app.events_old PARTITION OF app.events FOR VALUES FROM ('${monthStart(-3)} 00:00+00') TO ('${monthStart(-2)} 00:00+00');
    CREATE TABLE app.events_rest PARTITION OF app.events FOR VALUES FROM ('${monthStart(-2)} 00:00+00') TO ('${monthStart(1)} 00:00+00')`);
}

/** Locks held for longer than any statement of ours, and connections that are still there. */
async function expectNothingLeft(database: TestDatabase): Promise<void> {
  await waitUntil(
    async () =>
      (
        await database.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper%'",
        )
      ).length === 0,
    { what: 'the connection of the run is closed' },
  );
  expect(
    await database.query(
      "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    ),
  ).toEqual([]);
}

describe('behind an ACCESS EXCLUSIVE lock on a table, its partitions and its default partition', () => {
  const jobs: Readonly<Record<string, (database: AuditDatabase) => Promise<Report>>> = {
    health: (database) => keeper(database, auditLogs).health(),
    'health that measures sizes': (database) => keeper(database, auditLogs).health({ exactSizes: true }),
    status: (database) => keeper(database, auditLogs).status(),
    validate: (database) => keeper(database, auditLogs).validate(),
    plan: (database) => keeper(database, auditLogs).plan(),
    'a dry run of cleanup': (database) => keeper(database, auditLogs).cleanup({ dryRun: true }),
  };

  test.each(Object.keys(jobs))('%s does not wait', async (name) => {
    await using database = await createAuditDatabase({ defaultPartition: true });
    await database.query(
      `INSERT INTO platform.audit_logs (action, resource_type, created_at) VALUES ('a', 'b', '2001-01-01')`,
    );
    const holder = await hold(
      database,
      'migration',
      `LOCK TABLE platform.audit_logs, platform.audit_logs_default, platform.${partitionName(0)} IN ACCESS EXCLUSIVE MODE`,
    );
    // Only afterwards is the lock given back: whoever waits for it, waits in vain.
    const report = await jobs[name]?.(database);
    if (report === undefined) throw new Error('no report');
    await holder.end();

    expect(report.ok).toBe(true);
    expect(tableOf(report).gauges).toMatchObject({ partitions: 5, defaultRows: null });
    if (name === 'plan') {
      expect(stepsOf(report).map(({ partition, status }) => [partition, status])).toEqual(
        [2, 3, -3, -2].map((month) => [`platform.${partitionName(month)}`, 'planned']),
      );
    }
  });

  test('create waits until it is free, and then does its work', async () => {
    await using database = await createAuditDatabase({ defaultPartition: true });
    const holder = await hold(
      database,
      'migration',
      'LOCK TABLE platform.audit_logs IN ACCESS EXCLUSIVE MODE',
    );
    const waits: WaitEvent[] = [];
    const creating = keeper(database, auditLogs).create({ onWait: (event) => waits.push(event) });
    await runThatWaits(database);
    await holder.end();
    const steps = stepsOf(await creating);
    expect(waits[0]).toMatchObject({
      table: 'audit_logs',
      partition: steps[0]?.partition,
      waitingFor: expect.arrayContaining([
        expect.objectContaining({ pid: holder.pid, application: 'migration' }),
      ]),
      finished: 0,
      total: 2,
    });
    expect(steps.map(({ status }) => status)).toEqual(['done', 'done']);
    expect(steps[0]?.waitedFor).toContainEqual(expect.objectContaining({ application: 'migration' }));
  });
});

describe('whoever takes a lock between our look and our statement', () => {
  test.each([
    ['create', / ATTACH PARTITION /, 'SHARE UPDATE EXCLUSIVE'],
    ['cleanup', /^LOCK TABLE .* ACCESS EXCLUSIVE/, 'ACCESS SHARE'],
  ] as const)('has %s give up soon, wait outside and come again', async (job, statement, mode) => {
    await using database = await createTestDatabase();
    await addEvents(database);
    const holders: Holder[] = [];
    using _ = beforeStatement(statement, async () => {
      holders.push(await hold(database, 'migration', `LOCK TABLE app.events IN ${mode} MODE`));
    });
    const run = keeper(database, events)[job]();
    await waitUntil(() => holders.length === 1, { what: 'the lock is taken' });
    // It is not given back before the run looks again from outside: a run in the queue would never do so.
    await runThatWaits(database);
    await holders[0]?.end();
    const [step] = stepsOf(await run);
    expect(step?.attempts).toBeGreaterThan(1);
    expect(step?.waitedFor).toContainEqual(expect.objectContaining({ application: 'migration' }));
  });
});

describe('readers whose statements are neither long nor ever all at an end', () => {
  /** Each statement reads the table for 150 ms; the other reader begins 20 ms before that is over. */
  async function readInTurns(database: TestDatabase, running: AbortSignal): Promise<void> {
    const readers = [await database.connect(), await database.connect()];
    const read = 'SELECT pg_sleep(0.15) FROM (SELECT count(*) FROM app.events) AS e';
    let previous: Promise<unknown> = Promise.resolve();
    for (let turn = 0; !running.aborted; turn++) {
      const reader = readers[turn % 2];
      const reading = reader?.query(read);
      await Promise.all([previous, sleep(130)]);
      previous = Promise.resolve(reading);
    }
    await previous;
    for (const reader of readers) await reader.end();
  }

  test('do not keep a partition from being dropped, nor fill the report', async () => {
    await using database = await createTestDatabase();
    await addEvents(database);
    const running = new AbortController();
    const reading = readInTurns(database, running.signal);
    const locked =
      "SELECT FROM pg_locks WHERE relation = 'app.events'::regclass AND mode = 'AccessShareLock'";
    await waitUntil(async () => (await database.query(locked)).length > 0, { what: 'a reader is at work' });
    const report = await keeper(database, { ...events, expired: 'drop' }).cleanup();
    running.abort();
    await reading;
    const [step] = stepsOf(report);
    expect(step).toMatchObject({ kind: 'drop', status: 'done' });
    // Two sessions, on the table and on the partition.
    expect(step?.waitedFor?.length).toBeLessThanOrEqual(4);
  });
});

test.each([{ defaultPartition: false }, { defaultPartition: true }])(
  'a reader of one partition keeps that one alone, and attached (default partition: $defaultPartition)',
  async ({ defaultPartition }) => {
    await using database = await createAuditDatabase({ months: [-4, -3, -1, 0, 1], defaultPartition });
    const reader = await hold(
      database,
      'export',
      `LOCK TABLE platform.${partitionName(-4)} IN ACCESS SHARE MODE`,
    );
    const report = await keeper(database, auditLogs).cleanup({ maxWaitMs: 1_000 });
    expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: 'lock-not-available' } });
    expect(tableOf(report).steps.map(({ kind, status }) => [kind, status])).toEqual([
      ['drop', 'failed'],
      ['drop', 'done'],
    ]);
    expect(Object.keys(await partitionsOf(database, 'platform.audit_logs'))).toContain(partitionName(-4));
    await reader.end();
    expect(stepsOf(await keeper(database, auditLogs).cleanup()).map(({ kind }) => kind)).toEqual(['drop']);
  },
);

test('a reader that keeps a detach from its end: the error says what that means, and the next cleanup ends it', async () => {
  await using database = await createTestDatabase();
  await addEvents(database);
  const holder = await hold(database, 'report', 'SELECT count(*) FROM app.events');
  const report = await keeper(database, events).cleanup({ maxWaitMs: 1000 });
  const table = tableOf(report);
  expect(table.status).toBe('failed');
  expect(table.error?.message).toContain('app.events_old is half detached now: its rows are not seen');
  // Of one session there is one word, whatever it holds.
  expect(table.error?.message.match(new RegExp(`pid ${holder.pid} `, 'g'))).toHaveLength(1);
  expect(await database.query('SELECT 1 FROM pg_inherits WHERE inhdetachpending')).toHaveLength(1);
  // The drop that was tried first is part of the time.
  expect(table.steps[0]?.waitedMs).toBeGreaterThan(0);
  await holder.end();
  expect((await keeper(database, events).cleanup()).ok).toBe(true);
  expect(await database.query("SELECT to_regclass('app.events_old') AS old")).toEqual([{ old: null }]);
});

describe('rows of the default partition that cannot be seen when create plans', () => {
  const insert = `INSERT INTO platform.audit_logs (action, resource_type, created_at) VALUES ('a', 'b', '${monthStart(2)}T12:00Z')`;

  test.each([
    { because: 'of a lock', before: [insert], within: ['LOCK TABLE platform.audit_logs_default'] },
    { because: 'they are not committed', before: [], within: [insert] },
  ])('because $because, are moved all the same', async ({ before, within }) => {
    await using database = await createAuditDatabase({ defaultPartition: true });
    for (const statement of before) await database.query(statement);
    const holder = await hold(database, 'migration', ...within);
    const creating = keeper(database, auditLogs).create();
    await runThatWaits(database);
    await holder.end();
    const steps = stepsOf(await creating);
    expect(steps.map(({ kind, status }) => [kind, status])).toEqual([
      ['move-rows', 'done'],
      ['create', 'done'],
    ]);
    expect(
      await database.query('SELECT tableoid::regclass::text AS partition FROM platform.audit_logs'),
    ).toEqual([{ partition: `platform.${partitionName(2)}` }]);
  });
});

describe('a transaction that never ends', () => {
  interface Case {
    readonly name: string;
    readonly defaultPartition?: boolean;
    readonly prepare?: (database: AuditDatabase, url: string) => Promise<void>;
    readonly run: (url: string) => Promise<Report>;
    readonly kind: string;
    /** What is done for the other table. */
    readonly others: readonly string[];
  }
  const budget = { maxWaitMs: 400 };
  const cleanUp = (url: string, settings: Settings): Promise<Report> =>
    keeper({ url }, { ...auditLogs, ...settings }, { ...events, ...settings }).cleanup(budget);
  const cases: readonly Case[] = [
    {
      name: 'create',
      run: (url) => keeper({ url }, auditLogs, events).create(budget),
      kind: 'create',
      others: ['create'],
    },
    {
      name: 'create with a default partition',
      defaultPartition: true,
      run: (url) => keeper({ url }, auditLogs, events).create(budget),
      kind: 'create',
      others: ['create'],
    },
    {
      name: 'create that moves rows',
      defaultPartition: true,
      prepare: async (database) => {
        await database.query(
          `INSERT INTO platform.audit_logs (action, resource_type, created_at) VALUES ('a', 'b', '${monthStart(2)}T12:00Z')`,
        );
      },
      run: (url) => keeper({ url }, auditLogs, events).create(budget),
      kind: 'move-rows',
      others: ['create'],
    },
    // With the detach that comes instead when the parent is never free.
    { name: 'cleanup that drops', run: (url) => cleanUp(url, {}), kind: 'detach', others: ['drop'] },
    {
      name: 'cleanup that drops, with a default partition',
      defaultPartition: true,
      run: (url) => cleanUp(url, {}),
      kind: 'drop',
      others: ['drop'],
    },
    {
      name: 'cleanup that detaches',
      run: (url) => cleanUp(url, { expired: 'detach' }),
      kind: 'detach',
      others: ['detach'],
    },
    {
      name: 'cleanup that detaches, with a default partition',
      defaultPartition: true,
      run: (url) => cleanUp(url, { expired: 'detach' }),
      kind: 'detach',
      others: ['detach'],
    },
    {
      name: 'cleanup that drops what was detached before',
      prepare: async (database, url) => {
        stepsOf(await keeper({ url }, { ...auditLogs, grace: { hours: 1 } }).cleanup());
        for (const month of [-3, -2]) await passGrace(database, `platform.${partitionName(month)}`);
      },
      run: (url) => cleanUp(url, { grace: { hours: 1 } }),
      kind: 'drop',
      others: ['detach'],
    },
  ];

  describe.each([{ leastPrivilege: false }, { leastPrivilege: true }])(
    'least privilege: $leastPrivilege',
    ({ leastPrivilege }) => {
      test.each(cases)('fails $name for the table it holds, and leaves it as it was', async (one) => {
        await using database = await createAuditDatabase({ defaultPartition: one.defaultPartition ?? false });
        await addEvents(database);
        let url = database.url;
        if (leastPrivilege) {
          const { keeper: role, owner } = await createLeastPrivilege(database);
          await database.query(`
            GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
            ALTER TABLE app.events OWNER TO ${owner.name};
            ALTER TABLE app.events_old OWNER TO ${owner.name};
            ALTER TABLE app.events_rest OWNER TO ${owner.name}`);
          url = role.url;
        }
        await one.prepare?.(database, url);
        const holder = await hold(database, 'forgotten session', ...changeAndLog(database));
        const before = await describeSchema(database, 'platform');

        const report = await one.run(url);

        expect(report.ok).toBe(false);
        const table = tableOf(report, 'audit_logs');
        expect(table).toMatchObject({ status: 'failed', error: { code: 'lock-not-available' } });
        expect(table.error?.message).toContain(`pid ${holder.pid} (forgotten session`);
        expect(table.error?.hint).toContain(`pg_terminate_backend(${holder.pid})`);
        // Who may not see what others run does not show a placeholder for it.
        expect(table.error?.message).not.toContain('insufficient privilege');
        if (!leastPrivilege) expect(table.error?.message).toContain('INSERT INTO platform.audit_logs');
        const [step] = table.steps;
        expect(step).toMatchObject({ kind: one.kind, status: 'failed' });
        expect(step?.attempts).toBeLessThanOrEqual(1);
        expect(step?.waitedFor).toContainEqual(
          expect.objectContaining({ pid: holder.pid, application: 'forgotten session' }),
        );

        expect(tableOf(report, 'events').status).toBe('ok');
        expect(tableOf(report, 'events').steps.map(({ kind }) => kind)).toEqual(one.others);

        expect(await describeSchema(database, 'platform')).toEqual(before);
        expect(await database.query('SELECT 1 FROM pg_inherits WHERE inhdetachpending')).toEqual([]);
        await expectNothingLeft(database);

        await holder.end();
        expect((await one.run(url)).ok).toBe(true);
      });
    },
  );
});
