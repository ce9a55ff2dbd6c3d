import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '../../../support/embedded-server.ts';
import { createTestDatabase } from '../../support/database.ts';
import { complaints, expectRecovery, known, waitingRun } from '../../support/faults/expectations.ts';
import { prepare, runJob, WORK } from '../../support/faults/scenarios.ts';
import { waitUntil } from '../../support/wait.ts';

const { version = 17 } = inject('wantedServer');

describe('a server that', () => {
  let server: EmbeddedServer;
  beforeAll(async () => {
    // A crash is to lose nothing that was committed, so that what it does to a run is all there is to see.
    server = await startEmbeddedServer({ version, settings: { synchronous_commit: 'on' } });
  });
  afterAll(() => server.stop());

  test.each(WORK)('is restarted in the middle of a $name', async (of) => {
    await using database = await createTestDatabase(server.url);
    const all = await known(database, of);
    await prepare(database, of);
    const { said } = await waitingRun(database, of);
    await server.restart();
    expect(['57P01', 'connection-lost']).toContain((await said)[0]?.code);
    await expectRecovery(database, all, 'a restart');
  });

  test.each(WORK)('crashes in the middle of a $name', async (of) => {
    await using database = await createTestDatabase(server.url);
    const all = await known(database, of);
    await prepare(database, of);
    const { said } = await waitingRun(database, of);
    const [other] = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    // The server cannot know what that process did to the memory they share: it ends all others and recovers.
    process.kill(other?.pid ?? 0, 'SIGKILL');
    expect(['57P02', 'connection-lost']).toContain((await said)[0]?.code);
    await waitUntil(
      () =>
        database.query('SELECT 1').then(
          () => true,
          () => false,
        ),
      { what: 'the server has recovered' },
    );
    await expectRecovery(database, all, 'a crash');
  });
});

describe('a session that is', () => {
  test.each(WORK)('terminated in the middle of a $name', async (of) => {
    await using database = await createTestDatabase();
    const all = await known(database, of);
    await prepare(database, of);
    const { said, pid, holder } = await waitingRun(database, of);
    await database.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(['57P01', 'connection-lost']).toContain((await said)[0]?.code);
    await holder.end();
    await expectRecovery(database, all, 'its session was terminated');
  });

  test.each(['pg_cancel_backend', 'pg_terminate_backend'])(
    'plagued with %s as long as it lives',
    async (call) => {
      await using database = await createTestDatabase();
      for (const of of WORK) {
        const all = await known(database, of);
        await prepare(database, of);
        let over = false;
        const said = complaints(runJob(database.url, of)).finally(() => {
          over = true;
        });
        while (!over) {
          await database.query(
            `SELECT ${call}(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'partition-keeper/%' AND query ~ '^(DO|LOCK|ALTER|DROP|CREATE|COMMENT|INSERT)'`,
          );
        }
        for (const { code } of await said) expect(code).toMatch(/^(57014|57P01|connection-lost)$/);
        await expectRecovery(database, all, `${call} during ${of.name}`);
      }
    },
  );
});
