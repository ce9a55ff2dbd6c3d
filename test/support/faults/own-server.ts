import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type EmbeddedServer, startEmbeddedServer } from '../../../support/embedded-server.ts';
import { createTestDatabase, type TestDatabase } from '../database.ts';
import { waitUntil } from '../wait.ts';

/** A server of a test's own, of the version under test, to be treated badly. */
export interface OwnServer extends EmbeddedServer, AsyncDisposable {
  readonly createDatabase: () => Promise<TestDatabase>;
  /** The process that starts all others of the server. */
  readonly postmaster: () => Promise<number>;
}

export async function startOwnServer(settings: Readonly<Record<string, string>> = {}): Promise<OwnServer> {
  const { version = 17 } = inject('wantedServer');
  // What was committed is to survive a crash of the server; nothing is to begin by itself.
  const server = await startEmbeddedServer({
    version,
    settings: { synchronous_commit: 'on', autovacuum: 'off', ...settings },
  });
  return {
    ...server,
    createDatabase: () => createTestDatabase(server.url),
    postmaster: async () =>
      Number.parseInt(await readFile(join(server.dataDir, 'postmaster.pid'), 'utf8'), 10),
    [Symbol.asyncDispose]: server.stop,
  };
}

/** Does something that ends all connections, and waits until the server takes new ones. */
export async function untilRestarted(database: TestDatabase, restart: () => unknown): Promise<void> {
  const pid = async (): Promise<number | undefined> => {
    const [row] = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return row?.pid;
  };
  const before = await pid();
  await restart();
  await waitUntil(
    () =>
      pid().then(
        (now) => now !== before,
        () => false,
      ),
    { what: 'the server answers again', timeoutMs: 60_000 },
  );
}
