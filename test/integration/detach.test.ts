import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { findingsOf, keeper, partitionsOf, stepsOf, tableOf } from '../support/keeper.ts';
import { beforeStatement } from '../support/statements.ts';
import {
  type AuditDatabase,
  auditLogs,
  createAuditDatabase,
  type Holder,
  hold,
  logWriter,
  partitionName,
  passGrace,
  startTraffic,
  type Work,
} from '../support/traffic.ts';
import { runThatWaits } from '../support/transactions.ts';
import { waitUntil } from '../support/wait.ts';

/** One partition is past retention: that of three months ago. */
const MONTHS = [-3, -1, 0, 1];
const EXPIRED = `platform.${partitionName(-3)}`;

const detaching = { ...auditLogs, expired: 'detach' } as const;
const withGrace = { ...auditLogs, grace: { hours: 1 } } as const;

const isPending = async (database: TestDatabase): Promise<boolean> =>
  (await database.query('SELECT 1 FROM pg_inherits WHERE inhdetachpending')).length > 0;

const exists = async (database: TestDatabase, table = EXPIRED): Promise<boolean> =>
  (await database.query('SELECT 1 WHERE to_regclass($1) IS NOT NULL', [table])).length > 0;

const isAttached = async (database: TestDatabase): Promise<boolean> =>
  partitionName(-3) in (await partitionsOf(database, 'platform.audit_logs'));

async function commentOn(database: TestDatabase): Promise<string | null> {
  const [row] = await database.query<{ comment: string | null }>(
    "SELECT obj_description($1::regclass, 'pg_class') AS comment",
    [EXPIRED],
  );
  return row?.comment ?? null;
}

/** Lets a concurrent detach begin but not come to its end: it waits for whoever knows the partition. */
const readerOfParent = (database: TestDatabase): Promise<Holder> =>
  hold(database, 'report of the parent', 'LOCK TABLE ONLY platform.audit_logs IN ACCESS SHARE MODE');

/** A transaction with an old snapshot that holds nothing we need. */
const oldSnapshot = (database: TestDatabase): Promise<Holder> =>
  hold(
    database,
    'dump',
    'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ',
    'SELECT count(*) FROM files.file_uploads',
  );

/** Ends the connection of the run, as an administrator or a broken network does. */
async function endConnectionOfRun(database: TestDatabase): Promise<void> {
  const ended = await database.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'partition-keeper/cleanup'",
  );
  expect(ended).toHaveLength(1);
}

/** Leaves the partition as a run leaves it whose connection breaks in the midst of a detach. */
async function interrupt(database: AuditDatabase): Promise<void> {
  const parent = await readerOfParent(database);
  const partition = await hold(database, 'export', `LOCK TABLE ${EXPIRED} IN ACCESS SHARE MODE`);
  const cleaning = keeper(database, detaching).cleanup();
  await waitUntil(() => isPending(database), { what: 'the detach is pending' });
  await endConnectionOfRun(database);
  const report = await cleaning;
  expect(tableOf(report)).toMatchObject({ status: 'failed' });
  await parent.end();
  await partition.end();
}

describe('readers of the whole table that overlap', () => {
  /** Has a transaction open at any time, with enough of it left to be no short one that could be waited for. */
  function overlapping(): { readonly work: Work; readonly release: () => void } {
    let begun = 0;
    let released = false;
    return {
      work: async (run) => {
        await run('BEGIN');
        await run('SELECT count(*) FROM platform.audit_logs');
        begun += 1;
        const mine = begun;
        await waitUntil(() => released || begun > mine, { what: 'the other reader has begun' });
        await delay(300);
        await run('COMMIT');
      },
      release: () => {
        released = true;
      },
    };
  }

  test('do not keep an expired partition alive: it is detached concurrently and then dropped', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    const { work, release } = overlapping();
    const traffic = await startTraffic(database, {
      'reader 1': work,
      'reader 2': work,
      'log writer': logWriter(database),
    });
    const report = await keeper(database, auditLogs).cleanup({ maxWaitMs: 4_000 });
    release();
    await traffic.stop();

    expect(traffic.failures).toEqual([]);
    expect(stepsOf(report).map(({ kind, status }) => [kind, status])).toEqual([
      ['detach', 'done'],
      ['finalize-detach', 'done'],
      ['drop', 'done'],
    ]);
    expect(await exists(database)).toBe(false);
  });
});

describe('an old snapshot elsewhere in the database', () => {
  test('leaves the detach pending, for the next run to finish', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    const parent = await readerOfParent(database);
    const snapshot = await oldSnapshot(database);

    const report = await keeper(database, detaching).cleanup({ maxWaitMs: 1_500 });
    const table = tableOf(report);
    expect(table.steps.map(({ kind, status }) => [kind, status])).toEqual([
      ['detach', 'done'],
      ['finalize-detach', 'failed'],
    ]);
    expect(table).toMatchObject({ status: 'failed', error: { code: 'lock-not-available' } });
    expect(table.error?.message).toContain(`pid ${snapshot.pid} (dump`);
    expect(table.gauges).toMatchObject({ detachPending: 1 });
    expect(await isPending(database)).toBe(true);
    expect(await commentOn(database)).toContain('"partition-keeper"');
    expect(findingsOf(await keeper(database, detaching).health())).toContain('detach-pending');
    // The rest of the table is as it was.
    await database.query("INSERT INTO platform.audit_logs (action, resource_type) VALUES ('a', 'b')");

    await parent.end();
    await snapshot.end();
    const next = await keeper(database, detaching).cleanup();
    expect(stepsOf(next).map(({ kind }) => kind)).toEqual(['finalize-detach']);
    expect(await isAttached(database)).toBe(false);
    expect(await exists(database)).toBe(true);
    expect(stepsOf(await keeper(database, detaching).cleanup())).toEqual([]);
  });

  test('ends in a drop also where a column was added meanwhile, though some servers then refuse to FINALIZE', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    await interrupt(database);
    await database.query('ALTER TABLE platform.audit_logs ADD COLUMN note text');
    const steps = stepsOf(await keeper(database, auditLogs).cleanup());
    expect(steps.at(-1)).toMatchObject({ kind: 'drop', status: 'done' });
    expect(await exists(database)).toBe(false);
  });

  test('does not keep a pending partition from being dropped', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    await interrupt(database);
    const snapshot = await oldSnapshot(database);
    const report = await keeper(database, auditLogs).cleanup({ maxWaitMs: 1_500 });
    await snapshot.end();
    expect(stepsOf(report).map(({ kind }) => kind)).toEqual(['drop']);
    expect(await exists(database)).toBe(false);
  });
});

test('a detach that is neither finished nor needed any more, as the pending partition was dropped, ends well', async () => {
  await using database = await createAuditDatabase({ months: MONTHS });
  const parent = await readerOfParent(database);
  const snapshot = await oldSnapshot(database);
  const cleaning = keeper(database, auditLogs).cleanup({ maxWaitMs: 3_000 });
  await waitUntil(() => isPending(database), { what: 'the detach is pending' });
  await parent.end();
  const steps = stepsOf(await cleaning);
  await snapshot.end();
  expect(steps.map(({ kind, status }) => [kind, status])).toEqual([
    ['detach', 'done'],
    ['drop', 'done'],
  ]);
  expect(await exists(database)).toBe(false);
});

test('another partition that got the name at the last moment is told of', async () => {
  await using database = await createAuditDatabase({ months: MONTHS });
  const current = `platform.${partitionName(0)}`;
  using _ = beforeStatement(/ DETACH PARTITION .* CONCURRENTLY$/, () =>
    database.query(`
      ALTER TABLE ${EXPIRED} RENAME TO exchanged;
      ALTER TABLE ${current} RENAME TO ${partitionName(-3)};
      ALTER TABLE platform.exchanged RENAME TO ${partitionName(0)}`),
  );
  const { status, error } = tableOf(await keeper(database, detaching).cleanup());
  expect([status, error?.code]).toEqual(['failed', 'PKCHG']);
  expect(error?.message).toContain(`attach ${EXPIRED} again`);
  // What was not meant has no marker, so it is never dropped, and the other has lost its own.
  expect(await commentOn(database)).toBeNull();
  expect(await isAttached(database)).toBe(false);
});

test('a partition that is renamed meanwhile fails by itself; the next one is detached', async () => {
  await using database = await createAuditDatabase({ months: [-4, ...MONTHS] });
  const holder = await hold(
    database,
    'maintenance',
    'LOCK TABLE ONLY platform.audit_logs IN SHARE UPDATE EXCLUSIVE MODE',
  );
  const cleaning = keeper(database, detaching).cleanup();
  await runThatWaits(database);
  await database.query(`ALTER TABLE platform.${partitionName(-4)} RENAME TO renamed`);
  await holder.end();
  const { steps } = tableOf(await cleaning);
  expect(steps.map(({ status, error }) => [status, error?.code])).toEqual([
    ['failed', 'PKCHG'],
    ['done', undefined],
  ]);
  expect(await isAttached(database)).toBe(false);
});

describe('a run whose connection ends in the midst of a detach', () => {
  test('leaves the partition pending and marked; the next run detaches it', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    await database.query(`COMMENT ON TABLE ${EXPIRED} IS 'ours'`);
    await interrupt(database);
    expect(await isPending(database)).toBe(true);
    expect(await commentOn(database)).toMatch(/"partition-keeper".*"comment":"ours"/);

    const report = await keeper(database, detaching).cleanup();
    expect(stepsOf(report).map(({ kind }) => kind)).toEqual(['finalize-detach']);
    expect(await isPending(database)).toBe(false);
    expect(await isAttached(database)).toBe(false);
    expect(await exists(database)).toBe(true);
  });

  test('leaves it so that the next run drops it, if that is what is wanted', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    await interrupt(database);
    const report = await keeper(database, auditLogs).cleanup();
    expect(stepsOf(report).map(({ kind }) => kind)).toEqual(['finalize-detach', 'drop']);
    expect(await exists(database)).toBe(false);
  });

  test('says that the connection was lost, and of every table what is left', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    const reader = await hold(database, 'report', 'SELECT count(*) FROM platform.audit_logs');
    await database.query(`CREATE TABLE platform.activity_logs_old PARTITION OF platform.activity_logs
      FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')`);
    await database.query(`CREATE TABLE platform.activity_logs_rest PARTITION OF platform.activity_logs
      FOR VALUES FROM ('2001-02-01') TO (MAXVALUE)`);
    const cleaning = keeper(database, auditLogs, { ...auditLogs, table: 'activity_logs' }).cleanup();
    await runThatWaits(database);
    await endConnectionOfRun(database);
    const report = await cleaning;
    await reader.end();
    expect(report.ok).toBe(false);
    for (const table of report.tables) {
      expect(table).toMatchObject({
        status: 'failed',
        error: { code: expect.stringMatching(/^(57P01|connection-lost)$/) },
      });
      expect(table.steps.map(({ status }) => status)).not.toContain('done');
    }
    expect(stepsOf(await keeper(database, auditLogs).cleanup()).map(({ kind }) => kind)).toEqual(['drop']);
  });
});

describe('a detached table that is attached again', () => {
  const attach = `ALTER TABLE platform.audit_logs ATTACH PARTITION ${EXPIRED} FOR VALUES FROM`;
  const bounds = async (database: TestDatabase): Promise<string> => {
    const [row] = await database.query<{ bounds: string }>(
      'SELECT pg_get_expr(relpartbound, oid) AS bounds FROM pg_class WHERE oid = $1::regclass',
      [EXPIRED],
    );
    return row?.bounds.replace('FOR VALUES FROM', '') ?? '';
  };

  test('while a run waits to drop it, is kept', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    const range = await bounds(database);
    stepsOf(await keeper(database, withGrace).cleanup());
    await passGrace(database, EXPIRED);

    const administrator = await hold(database, 'administrator', `${attach} ${range}`);
    const cleaning = keeper(database, withGrace).cleanup();
    await runThatWaits(database);
    await administrator.end();
    expect(tableOf(await cleaning)).toMatchObject({ status: 'failed', error: { code: 'PKCHG' } });
    expect(await isAttached(database)).toBe(true);
  });

  test('has its grace anew when it is detached again', async () => {
    await using database = await createAuditDatabase({ months: MONTHS });
    await database.query(`COMMENT ON TABLE ${EXPIRED} IS 'ours'`);
    const range = await bounds(database);
    stepsOf(await keeper(database, withGrace).cleanup());
    await passGrace(database, EXPIRED);
    await database.query(`${attach} ${range}`);

    expect(stepsOf(await keeper(database, withGrace).cleanup()).map(({ kind }) => kind)).toEqual(['detach']);
    expect(stepsOf(await keeper(database, withGrace).cleanup())).toEqual([]);
    expect(await exists(database)).toBe(true);
    // What it says of itself is still known, not replaced by what we once said of it.
    expect(await commentOn(database)).toMatch(/"comment":"ours"/);
  });
});

test('a detach that the server refuses leaves no marker behind', async () => {
  await using database = await createAuditDatabase({ months: [-4, ...MONTHS] });
  await database.query(`COMMENT ON TABLE ${EXPIRED} IS 'ours'`);
  const reader = await readerOfParent(database);
  const other = await database.connect();
  await other.query("SET lock_timeout = '20ms'");
  // Somebody else's unfinished detach stands in the way of ours, which only the server says.
  await expect(
    other.query(
      `ALTER TABLE platform.audit_logs DETACH PARTITION platform.${partitionName(-4)} CONCURRENTLY`,
    ),
  ).rejects.toMatchObject({ code: '55P03' });
  await reader.end();

  const report = await keeper(database, detaching).cleanup();
  expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: '55000' } });
  expect(await commentOn(database)).toBe('ours');
  expect(await isAttached(database)).toBe(true);

  await other.query(
    `ALTER TABLE platform.audit_logs DETACH PARTITION platform.${partitionName(-4)} FINALIZE`,
  );
  expect(stepsOf(await keeper(database, detaching).cleanup()).map(({ kind }) => kind)).toEqual(['detach']);
});

test.each([
  { renamed: false, fate: 'kept' },
  { renamed: true, fate: 'kept under its new name' },
])(
  'what somebody detaches by hand right before a run does is $fate, and not taken for ours',
  async ({ renamed }) => {
    await using database = await createAuditDatabase({ months: MONTHS });
    await database.query(`COMMENT ON TABLE ${EXPIRED} IS 'ours'`);
    const name = renamed ? 'platform.archive' : EXPIRED;
    {
      using _ = beforeStatement(/ DETACH PARTITION .* CONCURRENTLY$/, () =>
        database.query(
          `ALTER TABLE platform.audit_logs DETACH PARTITION ${EXPIRED};${renamed ? `ALTER TABLE ${EXPIRED} RENAME TO archive` : ''}`,
        ),
      );
      const report = await keeper(database, withGrace).cleanup();
      expect(tableOf(report)).toMatchObject({ status: 'failed', error: { code: '42P01' } });
    }
    const [row] = await database.query("SELECT obj_description($1::regclass, 'pg_class') AS comment", [name]);
    expect(row).toEqual({ comment: 'ours' });
    expect(stepsOf(await keeper(database, auditLogs).cleanup())).toEqual([]);
    expect(await exists(database, name)).toBe(true);
  },
);
