import { describe, expect, test } from 'vitest';
import { keeper, partitionsOf, stepsOf, tableOf } from '../support/keeper.ts';
import {
  type AuditDatabase,
  auditLogs,
  countDeadlocks,
  createAuditDatabase,
  createLeastPrivilege,
  logWriter,
  partitionName,
  startTraffic,
  type Traffic,
  transactionWriter,
  userWriter,
} from '../support/traffic.ts';

/** Many short transactions that change a user and then log it, some of them with a row for the default partition. */
const startTransactions = (database: AuditDatabase, defaultPartition: boolean): Promise<Traffic> =>
  startTraffic(database, {
    'log writer': logWriter(database),
    'user writer': userWriter(database),
    'transactions 1': transactionWriter(database, 0, 0),
    'transactions 2': transactionWriter(database, 0, 1),
    'transactions 3': transactionWriter(database, -1, 2),
    'transactions 4': transactionWriter(database, defaultPartition ? 20 : 0, 3),
  });

/** Enough for the transactions to get in our way now and then. */
const OLD_MONTHS = [-10, -9, -8, -7, -6, -5, -4, -3];

const olderThan = (months: number) => ({ ...auditLogs, retention: { months } });

const withDeadlockTimeout = async (database: AuditDatabase, timeout: string): Promise<void> => {
  await database.query(`ALTER DATABASE ${database.name} SET deadlock_timeout = '${timeout}'`);
};

describe('transactions of the application are never ended for our sake', () => {
  test.each([
    { defaultPartition: false, leastPrivilege: true, timeout: '1s' },
    { defaultPartition: false, leastPrivilege: false, timeout: '100ms' },
    { defaultPartition: true, leastPrivilege: false, timeout: '1s' },
    { defaultPartition: true, leastPrivilege: false, timeout: '100ms' },
  ])(
    'with a default partition: $defaultPartition, least privilege: $leastPrivilege, deadlock_timeout: $timeout',
    async ({ defaultPartition, leastPrivilege, timeout }) => {
      await using database = await createAuditDatabase({
        months: [...OLD_MONTHS, -2, -1, 0, 1],
        defaultPartition,
      });
      await withDeadlockTimeout(database, timeout);
      const to = leastPrivilege ? (await createLeastPrivilege(database)).keeper : database;
      const traffic = await startTransactions(database, defaultPartition);

      const created = await keeper(to, { ...auditLogs, premake: 8 }).create();
      const detached = await keeper(to, { ...olderThan(6), expired: 'detach' }).cleanup();
      const dropped = await keeper(to, olderThan(2)).cleanup();
      await traffic.stop();

      expect(traffic.failures).toEqual([]);
      expect(await countDeadlocks(database)).toBe(0);
      expect(stepsOf(created).map(({ partition }) => partition)).toEqual(
        [2, 3, 4, 5, 6, 7, 8].map((month) => `platform.${partitionName(month)}`),
      );
      const kinds = stepsOf(detached).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === 'detach')).toHaveLength(4);
      expect(new Set(stepsOf(dropped).map(({ partition }) => partition))).toEqual(
        new Set(OLD_MONTHS.map((month) => `platform.${partitionName(month)}`)),
      );
      expect(Object.keys(await partitionsOf(database, 'platform.audit_logs'))).toEqual([
        ...[-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8].map(partitionName),
        ...(defaultPartition ? ['audit_logs_default'] : []),
      ]);
    },
    90_000,
  );

  test('nor where a default partition stands between us and a table we may not lock', async () => {
    await using database = await createAuditDatabase({ defaultPartition: true });
    await withDeadlockTimeout(database, '100ms');
    const { keeper: role, owner } = await createLeastPrivilege(database);
    const traffic = await startTransactions(database, true);

    // Who changes a user and then waits for us is in our way: without a right on the table there may be no end of it.
    const report = await keeper(role, auditLogs).create({ maxWaitMs: 3_000 });
    const { status, error } = tableOf(report);
    expect([status, error?.code]).toEqual(
      status === 'ok' ? ['ok', undefined] : ['failed', 'lock-not-available'],
    );

    await database.query(`GRANT UPDATE ON auth.users TO ${owner.name}`);
    const steps = stepsOf(await keeper(role, auditLogs).create());
    await traffic.stop();

    expect(traffic.failures).toEqual([]);
    expect(await countDeadlocks(database)).toBe(0);
    expect(steps.every((step) => step.status === 'done')).toBe(true);
    expect(Object.keys(await partitionsOf(database, 'platform.audit_logs'))).toEqual([
      ...[-3, -2, -1, 0, 1, 2, 3].map(partitionName),
      'audit_logs_default',
    ]);
  }, 90_000);
});
