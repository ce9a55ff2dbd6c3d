import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestDatabase } from '../../support/database.ts';
import { expectRecovery, known } from '../../support/faults/expectations.ts';
import { type OwnServer, startOwnServer } from '../../support/faults/own-server.ts';
import {
  MOVES_ROWS,
  partition,
  prepare,
  runJob,
  type Scenario,
  scenarioThat,
} from '../../support/faults/scenarios.ts';
import { tableOf } from '../../support/keeper.ts';
import { beforeStatement } from '../../support/statements.ts';
import { countDeadlocks } from '../../support/traffic.ts';
import { pidOf } from '../../support/transactions.ts';
import { waitUntil } from '../../support/wait.ts';

let server: OwnServer;

beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => server.stop());

/** The server looks for deadlocks before a run, which thinks that it has all the time of the default, gives up. */
async function lookSooner(database: TestDatabase): Promise<void> {
  await database.query("ALTER SYSTEM SET deadlock_timeout = '10ms'");
  await database.query('SELECT pg_reload_conf()');
  await waitUntil(
    async () => {
      const [row] = await database.query<{ timeout: string }>(
        "SELECT current_setting('deadlock_timeout') AS timeout",
      );
      return row?.timeout === '10ms';
    },
    { what: 'the server looks sooner' },
  );
}

async function lookAsUsual(database: TestDatabase): Promise<void> {
  await database.query('ALTER SYSTEM RESET deadlock_timeout');
  await database.query('SELECT pg_reload_conf()');
}

/** A second lock of a run, and the table that it has locked by then. */
interface Crossing {
  readonly scenario: Scenario;
  readonly second: string;
  readonly first: string;
}

const CROSSINGS: readonly Crossing[] = [
  { scenario: scenarioThat('that drops'), first: 'events', second: partition(-4) },
  { scenario: scenarioThat('that detaches beside a default partition'), first: 'accounts', second: 'events' },
  { scenario: MOVES_ROWS, first: 'events', second: 'events_default' },
];

test.each(CROSSINGS)(
  'a deadlock over $first and $second: $scenario.name is tried again, or fails, and a plain run completes it',
  async ({ scenario, first, second }) => {
    await using database = await server.createDatabase();
    const all = await known(database, scenario);
    // The session of the run may hear late that the server looks sooner; it then gives up before.
    for (let deadlocks = 0; deadlocks === 0; ) {
      await prepare(database, scenario);
      const other = await database.connect();
      const pid = await pidOf(other);
      let crossing: Promise<unknown> = Promise.resolve();
      using _ = beforeStatement(new RegExp(`^LOCK TABLE ONLY "app"\\."${second}" `), async () => {
        await lookSooner(database);
        await other.query(`BEGIN; LOCK TABLE ONLY app.${second} IN SHARE MODE`);
        crossing = other
          .query(`LOCK TABLE ONLY app.${first} IN SHARE MODE; COMMIT`)
          .catch((error: unknown) => error);
        // By then the other session has looked in vain, and the run is the one that finds the deadlock.
        await waitUntil(
          async () => {
            const [row] = await database.query<{ waits: boolean }>(
              "SELECT clock_timestamp() - a.query_start > interval '50 ms' AS waits FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE pid = $1 AND NOT l.granted",
              [pid],
            );
            return row?.waits === true;
          },
          { what: 'the other session waits for the run' },
        );
      });
      const report = await runJob(database.url, scenario);
      const victim = await crossing;
      await other.end();
      await lookAsUsual(database);
      deadlocks = await countDeadlocks(database);
      const { status, error, steps } = tableOf(report);
      expect([status, error?.code]).toEqual(
        status === 'ok' ? ['ok', undefined] : ['failed', 'lock-not-available'],
      );
      // Should it be the other session all the same, the run need not know.
      expect(victim instanceof Error || steps.some(({ attempts }) => attempts > 1)).toBe(true);
      await expectRecovery(database, all, 'a deadlock');
    }
  },
);
