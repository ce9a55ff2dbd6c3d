import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { PostgresVersion } from '../../support/embedded-server.ts';

/** For how long the search for a Docker daemon may take, in milliseconds. */
const patience = 5_000;

/** Settings as for the embedded server: the data need not survive, and tests side by side need many connections. */
const command = ['postgres', '-c', 'fsync=off', '-c', 'max_connections=100', '-c', 'TimeZone=UTC'];

/**
 * Starts PostgreSQL in a container, or returns undefined if there is no Docker daemon that answers. If there is one
 * but the container does not start, say because there is no network to get the image, it says so and returns
 * undefined too.
 */
export async function startContainer(
  version: PostgresVersion,
): Promise<{ readonly url: string; readonly stop: () => Promise<void> } | undefined> {
  if (!(await dockerAnswers())) return undefined;
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  try {
    const container = await new PostgreSqlContainer(`postgres:${version}`).withCommand(command).start();
    return { url: container.getConnectionUri(), stop: async () => void (await container.stop()) };
  } catch (error) {
    console.warn(
      `Docker answers, but postgres:${version} does not start, so an embedded server is used: ${error}`,
    );
    return undefined;
  }
}

async function dockerAnswers(): Promise<boolean> {
  const probe = fileURLToPath(new URL('./docker-probe.ts', import.meta.url));
  return await promisify(execFile)(process.execPath, [probe], {
    timeout: patience,
    killSignal: 'SIGKILL',
  }).then(
    () => true,
    () => false,
  );
}
