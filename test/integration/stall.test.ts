import { describe, expect, inject, test } from 'vitest';
import type { Report } from '../../lib/index.ts';
import { keeper, stepsOf } from '../support/keeper.ts';
import { HELD, note, type Operation, play, type Surroundings } from '../support/stall.ts';
import {
  type AuditDatabase,
  auditLogs,
  hold,
  type Month,
  monthStart,
  partitionName,
  passGrace,
} from '../support/traffic.ts';

/** What nobody else may wait for longer than, in milliseconds: without our care it would be nearly as long as `HELD`. */
const LONGEST_WAIT = 200;

/** An operation, what its steps are, and which partitions it leaves. */
interface Scenario extends Operation<Report> {
  readonly kinds: (where: Surroundings) => readonly string[];
  /** Whether the open transaction is in its way; always unless given. */
  readonly waits?: (where: Surroundings) => boolean;
  readonly left: readonly Month[];
}

const withGrace = { ...auditLogs, grace: { hours: 1 } } as const;

const OPERATIONS: readonly Scenario[] = [
  {
    name: 'create',
    run: (url) => keeper({ url }, auditLogs).create(),
    kinds: () => ['create', 'create'],
    // Without foreign keys and default partition, no lock of an attach conflicts with those of a writer.
    waits: ({ defaultPartition, foreignKeys }) => defaultPartition || foreignKeys,
    left: [-3, -2, -1, 0, 1, 2, 3],
  },
  {
    name: 'cleanup that drops attached partitions',
    run: (url) => keeper({ url }, auditLogs).cleanup(),
    kinds: () => ['drop', 'drop'],
    left: [-1, 0, 1],
  },
  {
    name: 'cleanup that detaches',
    run: (url) => keeper({ url }, { ...auditLogs, expired: 'detach' }).cleanup(),
    // Without foreign keys nothing keeps the detach from beginning; that it has to wait for writers it leaves to
    // the step that finishes it, which does not have to.
    kinds: ({ defaultPartition, foreignKeys }) =>
      defaultPartition || foreignKeys
        ? ['detach', 'detach']
        : ['detach', 'finalize-detach', 'detach', 'finalize-detach'],
    waits: ({ defaultPartition, foreignKeys }) => defaultPartition || foreignKeys,
    left: [-1, 0, 1],
  },
  {
    name: 'cleanup that drops what was detached before',
    prepare: async (database, url) => {
      stepsOf(await keeper({ url }, withGrace).cleanup());
      for (const month of [-3, -2]) await passGrace(database, `platform.${partitionName(month)}`);
    },
    run: (url) => keeper({ url }, withGrace).cleanup(),
    kinds: () => ['drop', 'drop'],
    waits: ({ foreignKeys }) => foreignKeys,
    left: [-1, 0, 1],
  },
];

/** A run that readers of the table and of the partition have kept from the end of its detach. */
async function leavePending(database: AuditDatabase, url: string): Promise<void> {
  const readers = [
    await hold(database, 'report', 'LOCK TABLE ONLY platform.audit_logs IN ACCESS SHARE MODE'),
    await hold(database, 'export', `LOCK TABLE platform.${partitionName(-3)} IN ACCESS SHARE MODE`),
  ];
  const report = await keeper({ url }, { ...auditLogs, expired: 'detach' }).cleanup({ maxWaitMs: 300 });
  expect(report.tables[0]?.gauges).toMatchObject({ detachPending: 1 });
  for (const reader of readers) await reader.end();
}

/** Where there is a default partition, no detach is concurrent, so none is left pending. */
const FINISHES: Scenario = {
  name: 'cleanup that finishes a pending detach',
  prepare: leavePending,
  run: (url) => keeper({ url }, { ...auditLogs, expired: 'detach' }).cleanup(),
  kinds: ({ foreignKeys }) =>
    foreignKeys ? ['finalize-detach', 'detach'] : ['finalize-detach', 'detach', 'finalize-detach'],
  waits: ({ foreignKeys }) => foreignKeys,
  left: [-1, 0, 1],
};

const MOVES_ROWS: Scenario = {
  name: 'create that moves rows out of the default partition',
  prepare: (database) =>
    database.query(
      `INSERT INTO platform.audit_logs (user_id, action, resource_type, created_at)
       SELECT $1, 'early', 'test', '${monthStart(2)} 12:00Z' FROM generate_series(1, 2000)`,
      [database.users[0]],
    ),
  run: (url) => keeper({ url }, auditLogs).create(),
  kinds: () => ['move-rows', 'create'],
  left: [-3, -2, -1, 0, 1, 2, 3],
};

describe.each([
  { defaultPartition: false, foreignKeys: true, leastPrivilege: false },
  { defaultPartition: false, foreignKeys: true, leastPrivilege: true },
  { defaultPartition: true, foreignKeys: true, leastPrivilege: false },
  { defaultPartition: true, foreignKeys: true, leastPrivilege: true },
  { defaultPartition: false, foreignKeys: false, leastPrivilege: true },
  { defaultPartition: true, foreignKeys: false, leastPrivilege: true },
])(
  'with a default partition: $defaultPartition, foreign keys: $foreignKeys, least privilege: $leastPrivilege',
  (surroundings) => {
    const { defaultPartition } = surroundings;
    // Each has a database of its own and mostly waits, so they wait side by side.
    test.concurrent.each([...OPERATIONS, defaultPartition ? MOVES_ROWS : FINISHES])(
      '$name stalls nobody, and says for whom it waited itself',
      async (scenario) => {
        const outcome = await play(scenario, surroundings);
        note({
          ...surroundings,
          operation: scenario.name,
          version: inject('serverVersion'),
          milliseconds: outcome.longest.milliseconds,
          before: outcome.longestBefore.milliseconds,
        });
        expect(outcome.failures).toEqual([]);
        expect(outcome.deadlocks).toBe(0);
        expect(outcome.longest.milliseconds, JSON.stringify(outcome.longest)).toBeLessThan(LONGEST_WAIT);

        const steps = stepsOf(outcome.report);
        expect(steps.map(({ kind }) => kind)).toEqual(scenario.kinds(surroundings));
        expect(outcome.partitions).toEqual([
          ...scenario.left.map(partitionName),
          ...(defaultPartition ? ['audit_logs_default'] : []),
        ]);
        // It has not stood in the queue for locks, in front of others, but looked from outside whether they are free.
        expect(Math.max(...steps.map(({ attempts }) => attempts))).toBeLessThanOrEqual(4);
        if (scenario.waits?.(surroundings) === false) return;
        const waited = steps.reduce((sum, { waitedMs }) => sum + waitedMs, 0);
        expect(waited).toBeGreaterThan(0.8 * HELD);
        expect(waited).toBeLessThanOrEqual(outcome.report.durationMs);
        expect(steps.flatMap(({ waitedFor }) => waitedFor ?? [])).toContainEqual(
          expect.objectContaining({ pid: outcome.holder, application: 'month-end closing' }),
        );
      },
      30_000,
    );
  },
);
