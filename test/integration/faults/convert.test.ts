import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import { convert, convertUntil, prepared, preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { contents } from '../../support/convert/contents.ts';
import { expectNothingLost } from '../../support/convert/expectations.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { endings, expectFailed } from '../../support/faults/endings.ts';
import { closeGate } from '../../support/faults/gate.ts';
import { resetHostile, setHostile, untilLate } from '../../support/faults/hostile.ts';
import { type OwnServer, startOwnServer } from '../../support/faults/own-server.ts';
import { describeSchema, stepsOf } from '../../support/keeper.ts';
import { waitUntil } from '../../support/wait.ts';

let server: OwnServer;

beforeAll(async () => {
  server = await startOwnServer();
});
afterAll(() => server.stop());

/** A run that stands in a statement, held up. */
interface Held {
  readonly running: Promise<Report>;
  /** The process that serves it. */
  readonly pid: number;
  readonly release: () => Promise<unknown>;
}

/** A long statement of a conversion, and how a run is held up in it. */
interface Moment {
  readonly name: string;
  /** Begins the run, and waits until it stands there. */
  readonly reach: (database: TestDatabase) => Promise<Held>;
}

async function atGate(database: TestDatabase, statements: string): Promise<Held> {
  const gate = await closeGate(database, statements);
  const running = convert(database.url);
  return { running, pid: await gate.arrival(), release: gate.open };
}

/** A writer whose transaction goes on: an index that is built concurrently is there, invalid, and waits for him. */
async function inIndex(database: TestDatabase): Promise<Held> {
  const writer = await database.connect();
  await writer.query('BEGIN; UPDATE app.events SET account = account WHERE id = 7');
  const running = convert(database.url);
  let pid: number | undefined;
  await waitUntil(
    async () => {
      const [row] = await database.query<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE %INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'",
      );
      pid = row?.pid;
      return pid !== undefined;
    },
    { what: 'a run waits for the writer' },
  );
  // A restart ends the writer as well.
  return { running, pid: pid ?? 0, release: () => writer.end().catch(() => undefined) };
}

const MOMENTS: readonly Moment[] = [
  { name: 'an index is built', reach: inIndex },
  { name: 'a constraint is validated', reach: (database) => atGate(database, 'VALIDATE CONSTRAINT') },
  {
    name: 'the tables are switched',
    reach: async (database) => {
      await convertUntil(database.url, prepared);
      return await atGate(database, 'ATTACH PARTITION');
    },
  },
];

/** What an undisturbed conversion leads to. */
async function goalOf(database: TestDatabase): Promise<unknown[]> {
  await preparePlainTable(database);
  stepsOf(await convert(database.url));
  return await describeSchema(database);
}

describe.each(MOMENTS)('while $name', ({ reach }) => {
  test.each(endings(() => server))(
    '$name ends the run, and the next one completes it',
    async ({ name, strike, codes }) => {
      await using database = await server.createDatabase();
      const goal = await goalOf(database);
      await preparePlainTable(database);
      const before = await contents(database, 'app.events');
      const { running, pid, release } = await reach(database);
      await strike(database, pid);
      expectFailed(await running, codes);
      await release();
      await expectNothingLost(database, before, name);
      stepsOf(await convert(database.url));
      await expectNothingLost(database, before, name);
      expect(await describeSchema(database)).toEqual(goal);
    },
  );

  test('nothing that is set for the database ends the run, though it takes longer than allowed', async () => {
    await using database = await createTestDatabase();
    const goal = await goalOf(database);
    await preparePlainTable(database);
    await setHostile(database);
    const { running, pid, release } = await reach(database);
    await untilLate(database, pid);
    await release();
    stepsOf(await running);
    await resetHostile(database);
    expect(await describeSchema(database)).toEqual(goal);
  });
});
