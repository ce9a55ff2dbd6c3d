import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../lib/postgres/sqlstate.ts';
import { preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase, type TestDatabase, type TestRole } from '../../support/database.ts';
import { closeGate } from '../../support/faults/gate.ts';
import { stepsOf, tableOf } from '../../support/keeper.ts';
import { type Run, startTraffic, type Work } from '../../support/traffic.ts';
import { pidOf, waitUntilLong } from '../../support/transactions.ts';
import { waitUntil } from '../../support/wait.ts';

const COPY = { strategy: 'copy' } as const;
const BRIEFLY = { maxWaitMs: 1000 } as const;

const rowsOf = (database: TestDatabase, table = 'app.events') => contents(database, table, { rows: true });

/** A transaction that has its snapshot, and no lock on any table. */
async function withSnapshot(database: TestDatabase, level: string): Promise<pg.Client> {
  const client = await database.connect();
  await client.query(`BEGIN ISOLATION LEVEL ${level}; SELECT pg_current_snapshot()`);
  return client;
}

const insert = (client: pg.Client, round: number) =>
  client.query('INSERT INTO app.events (at, account, note) VALUES (now(), 1, $1)', [`of ${round}`]);

/** A row of its own, and changes of others, by the numbers. */
async function write(client: pg.Client, round: number): Promise<void> {
  await insert(client, round);
  await client.query(`
    UPDATE app.events SET note = 'changed in ${round}' WHERE id = ${10 + round};
    UPDATE app.events SET at = at - interval '1 hour' WHERE id = ${20 + round};
    UPDATE app.events SET id = ${1000 + round} WHERE id = ${30 + round};
    DELETE FROM app.events WHERE id = ${40 + round}`);
}

const countOf = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query<{ count: number }>('SELECT count(*)::int AS count FROM app.events');
  return rows[0]?.count ?? 0;
};

describe.each(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])('a transaction in %s', (level) => {
  test('that is older than any part of the copy writes whenever it likes, and nothing of it is lost', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    // Who changes rows in SERIALIZABLE has to repeat some transactions, and once he is followed, whoever writes.
    const repeats = level === 'SERIALIZABLE';
    const act = repeats ? insert : write;
    const stages = repeats ? (['prepare', 'copy'] as const) : (['prepare', 'copy', 'verify'] as const);
    const clients: pg.Client[] = [];
    for (const [round, until] of stages.entries()) {
      clients.push(await withSnapshot(database, level), await withSnapshot(database, level));
      stepsOf(await convertByYears(database.url, { ...COPY, until }));
      const [client] = clients.splice(0, 1);
      if (client === undefined) continue;
      await act(client, round);
      await client.query('COMMIT');
    }
    for (const [round, client] of clients.entries()) {
      await act(client, 5 + round);
      await client.query('COMMIT');
    }
    const rows = await rowsOf(database);
    stepsOf(await convertByYears(database.url, COPY));
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
    expect(rows.rows?.filter((row) => row.some((text) => text?.startsWith('of '))).length).toBe(
      2 * stages.length,
    );
  });

  test('that has begun before the switch sees and changes the table after it, and an undoing loses nothing', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    stepsOf(await convertByYears(database.url, { ...COPY, until: 'verify' }));
    const client = await withSnapshot(database, level);
    const other = await withSnapshot(database, level);
    stepsOf(await convertByYears(database.url, COPY));
    expect([await countOf(client), await countOf(other)]).toEqual([200, 200]);
    await write(client, 1);
    expect(await countOf(client)).toBe(200);
    await client.query('COMMIT');
    const rows = await rowsOf(database);
    await other.query('COMMIT');
    stepsOf(await convertByYears(database.url, { undo: true }));
    expect(contentsDifference(rows, await rowsOf(database))).toEqual([]);
  });
});

/** The table's owner, and a member of it that knows of sessions of others no more than anybody does. */
async function memberOfOwner(database: TestDatabase): Promise<TestRole> {
  const owner = await database.createRole();
  const member = await database.createRole();
  await database.query(`
    GRANT ${owner.name} TO ${member.name};
    GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name}; GRANT ALL ON app.accounts TO ${owner.name};
    ALTER TABLE app.events OWNER TO ${owner.name}; ALTER VIEW app.newest OWNER TO ${owner.name}`);
  return member;
}

describe.each(['a superuser', 'a member of the owner'])('a switch by %s', (who) => {
  test('waits for a snapshot that is older than the copy, and says whose', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    const { url } = who === 'a superuser' ? database : await memberOfOwner(database);
    const old = await withSnapshot(database, 'REPEATABLE READ');
    const pid = await pidOf(old);
    const report = tableOf(await convertByYears(url, { ...COPY, ...BRIEFLY }));
    expect(report).toMatchObject({ status: 'failed', error: { code: 'lock-not-available' } });
    expect(report.error?.message).toContain(`pid ${pid} `);
    expect(report.steps.at(-1)).toMatchObject({ kind: 'switch', status: 'failed' });
    await database.query('INSERT INTO app.events (at, account) VALUES (now(), 1)');

    const met = new Set<number>();
    const running = convertByYears(url, {
      ...COPY,
      onWait: ({ waitingFor }) => {
        for (const blocker of waitingFor) met.add(blocker.pid);
      },
    });
    await waitUntil(() => met.has(pid), { what: 'the switch waits for the old snapshot' });
    expect(await countOf(old)).toBe(200);
    // What it writes at the last moment has to be taken over first.
    await insert(old, 1);
    await old.query('COMMIT');
    stepsOf(await running);
    expect(await rowsOf(database)).toMatchObject({ count: 202 });
  });

  test('waits for a snapshot of while the copy was being completed, which does not see all of it', async () => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    const { url } = who === 'a superuser' ? database : await memberOfOwner(database);
    const earlier = await withSnapshot(database, 'REPEATABLE READ');
    stepsOf(await convertByYears(url, { ...COPY, until: 'verify' }));
    // It is older than the copy, so this is noted, and taken over when the copy is completed once more.
    await earlier.query('INSERT INTO app.events (at, account) VALUES (now(), 1); COMMIT');
    const gate = await closeGate(database, 'COMMENT ON FUNCTION "app"."events_mirror"');
    const running = convertByYears(url, { ...COPY, until: 'verify' });
    await gate.arrival();
    const old = await withSnapshot(database, 'REPEATABLE READ');
    await gate.open();
    stepsOf(await running);
    await waitUntilLong(database, await pidOf(old));
    const report = tableOf(await convertByYears(url, { ...COPY, ...BRIEFLY }));
    expect(report).toMatchObject({ status: 'failed', error: { code: 'lock-not-available' } });
    expect(await countOf(old)).toBe(201);
    await old.query('COMMIT');
    stepsOf(await convertByYears(url, COPY));
    expect(await rowsOf(database)).toMatchObject({ count: 201 });
  });
});

/** What a client has been told is stored, by id. */
type Stored = Map<string, string>;

/** Transactions of a client about rows of its own. Those that the server asks to be repeated are. */
function worker(name: string, level: string, stored: Stored, repeats: () => void): Work {
  const transaction = async (run: Run, round: number): Promise<void> => {
    const [oldest, second] = stored.keys();
    const note = `${name} ${round}`;
    await run(`BEGIN ISOLATION LEVEL ${level}`);
    const { rows } = await run(
      'INSERT INTO app.events (at, account, note) VALUES (now(), 1, $1) RETURNING id::text',
      [note],
    );
    if (second !== undefined) await run('UPDATE app.events SET note = $2 WHERE id = $1', [second, note]);
    if (stored.size > 5) await run('DELETE FROM app.events WHERE id = $1', [oldest]);
    await run('COMMIT');
    if (second !== undefined) stored.set(second, note);
    if (stored.size > 5) stored.delete(oldest ?? '');
    stored.set(String(rows[0]?.['id']), note);
  };
  return async (run, round) => {
    for (;;) {
      try {
        return await transaction(run, round);
      } catch (error) {
        if (codeOf(error) !== '40001') throw error;
        await run('ROLLBACK');
        repeats();
      }
    }
  };
}

test.each(['REPEATABLE READ', 'SERIALIZABLE'])(
  'an application that works in %s loses nothing and does not fail, through a copy and its undoing',
  async (level) => {
    await using database = await createTestDatabase();
    await preparePlainTable(database);
    const names = ['one', 'two', 'three'];
    const stored = new Map(names.map((name): [string, Stored] => [name, new Map()]));
    let repeats = 0;
    const traffic = await startTraffic(
      database,
      Object.fromEntries(
        [...stored].map(([name, rows]) => [name, worker(name, level, rows, () => repeats++)]),
      ),
    );
    const busy = async (): Promise<void> => {
      const before = [...stored.values()].map((rows) => [...rows.keys()].at(-1));
      await waitUntil(
        () => [...stored.values()].every((rows, index) => [...rows.keys()].at(-1) !== before[index]),
        { what: 'each client has written' },
      );
    };
    stepsOf(await convertByYears(database.url, COPY));
    await busy();
    stepsOf(await convertByYears(database.url, { undo: true }));
    await busy();
    await traffic.stop();
    expect(traffic.failures).toEqual([]);
    // Only who asks for it has to repeat transactions.
    if (level === 'REPEATABLE READ') expect(repeats).toBe(0);
    const present = await database.query<{ id: string; note: string }>(
      'SELECT id::text, note FROM app.events WHERE id > 200',
    );
    expect(new Map(present.map(({ id, note }) => [id, note]))).toEqual(
      new Map([...stored.values()].flatMap((rows) => [...rows])),
    );
  },
);
