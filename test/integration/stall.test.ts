import { describe, expect, test } from 'vitest';
import type { Report } from '../../lib/index.ts';
import { keeper, partitionsOf, stepsOf } from '../support/keeper.ts';
import {
  type AuditDatabase,
  auditLogs,
  changeAndLog,
  countDeadlocks,
  createAuditDatabase,
  createLeastPrivilege,
  hold,
  logWriter,
  partitionName,
  passGrace,
  reader,
  startTraffic,
  type TimedStatement,
  userWriter,
} from '../support/traffic.ts';

/** How long the transaction stays open that holds both tables, in milliseconds. */
const HELD = 10_000;
/** What nobody else may wait for longer than, in milliseconds: without our care it would be nearly as long as `HELD`. */
const LONGEST_WAIT = 200;

/** What is run, what must be there before and has to be there afterwards. */
interface Scenario {
  readonly name: string;
  readonly prepare?: (database: AuditDatabase, url: string) => Promise<void>;
  readonly run: (url: string) => Promise<Report>;
  readonly kinds: (defaultPartition: boolean) => readonly string[];
  readonly left: readonly number[];
}

const withGrace = { ...auditLogs, grace: { hours: 1 } } as const;

const scenarios: readonly Scenario[] = [
  {
    name: 'create',
    run: (url) => keeper({ url }, auditLogs).create(),
    kinds: () => ['create', 'create'],
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
    kinds: () => ['detach', 'detach'],
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
    left: [-1, 0, 1],
  },
];

interface Outcome {
  readonly report: Report;
  readonly longest: TimedStatement;
  readonly failures: readonly string[];
  readonly deadlocks: number;
  readonly partitions: readonly string[];
  readonly holder: number;
}

/** Runs one of the scenarios in a database of its own, while the application is at work and one transaction is open. */
async function play(
  scenario: Scenario,
  defaultPartition: boolean,
  leastPrivilege: boolean,
): Promise<Outcome> {
  await using database = await createAuditDatabase({ defaultPartition });
  const { url } = leastPrivilege ? (await createLeastPrivilege(database)).keeper : database;
  await scenario.prepare?.(database, url);

  const traffic = await startTraffic(database, {
    'log writer': logWriter(database),
    'user writer': userWriter(database),
    reader: reader(database),
  });
  const holder = await hold(database, 'month-end closing', ...changeAndLog(database));
  const released = new Promise<void>((resolve, reject) => {
    setTimeout(() => holder.end().then(resolve, reject), HELD);
  });
  traffic.reset();
  const report = await scenario.run(url);
  await released;
  const longest = traffic.longest();
  await traffic.stop();
  return {
    report,
    longest,
    failures: traffic.failures,
    deadlocks: await countDeadlocks(database),
    partitions: Object.keys(await partitionsOf(database, 'platform.audit_logs')),
    holder: holder.pid,
  };
}

describe.each([
  { defaultPartition: false, leastPrivilege: false },
  { defaultPartition: false, leastPrivilege: true },
  { defaultPartition: true, leastPrivilege: false },
  { defaultPartition: true, leastPrivilege: true },
])('with a default partition: $defaultPartition, least privilege: $leastPrivilege', (options) => {
  // Each has a database of its own and mostly waits, so they wait side by side.
  test.concurrent.each(scenarios)(
    '$name stalls nobody, and says for whom it waited itself',
    async (scenario) => {
      const { defaultPartition, leastPrivilege } = options;
      const outcome = await play(scenario, defaultPartition, leastPrivilege);
      expect(outcome.failures).toEqual([]);
      expect(outcome.deadlocks).toBe(0);
      expect(outcome.longest.milliseconds, JSON.stringify(outcome.longest)).toBeLessThan(LONGEST_WAIT);

      const steps = stepsOf(outcome.report);
      expect(steps.map(({ kind }) => kind)).toEqual(scenario.kinds(defaultPartition));
      expect(outcome.partitions).toEqual([
        ...scenario.left.map(partitionName),
        ...(defaultPartition ? ['audit_logs_default'] : []),
      ]);
      // It has not stood in the queue for locks, in front of others, but looked from outside whether they are free.
      expect(Math.max(...steps.map(({ attempts }) => attempts))).toBeLessThanOrEqual(4);
      const waited = steps.reduce((sum, { waitedMs }) => sum + waitedMs, 0);
      expect(waited).toBeGreaterThan(0.8 * HELD);
      expect(waited).toBeLessThanOrEqual(outcome.report.durationMs);
      expect(steps.flatMap(({ waitedFor }) => waitedFor ?? [])).toContainEqual(
        expect.objectContaining({ pid: outcome.holder, application: 'month-end closing' }),
      );
    },
    30_000,
  );
});
