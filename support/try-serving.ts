import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { startEmbeddedServer } from './embedded-server.ts';

/** A command in a folder, and what it is given. */
export interface Command extends Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> {
  /** Program and arguments. */
  readonly words: readonly string[];
}

const TIME_LIMIT_MS = 60_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('The port is not known.');
  return address.port;
}

async function createTable(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    'CREATE TABLE public.events (id int, created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)',
  );
  await client.end();
}

/** Runs a command to its end and tells its exit status. */
async function statusOf({ words, ...options }: Command): Promise<number | null> {
  const [program = '', ...args] = words;
  const child = spawn(program, args, { ...options, stdio: 'inherit' });
  await once(child, 'close');
  return child.exitCode;
}

async function ask(url: string): Promise<{ readonly status: number; readonly body: string }> {
  try {
    const response = await fetch(url);
    return { status: response.status, body: await response.text() };
  } catch {
    return { status: 0, body: '' };
  }
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + TIME_LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`In vain waited for: ${what}.`);
    await delay(100);
  }
}

/**
 * Starts a command that serves `public.events`, keyed by `created_at`, on a server of its own; waits until it is
 * ready and has created what was missing; and ends it by SIGTERM.
 * @param healthcheck a command that has to fail before, and to succeed while it serves
 * @throws Error when anything is not as it should be
 */
export async function tryServing(command: Command, healthcheck?: Command): Promise<void> {
  const server = await startEmbeddedServer();
  try {
    await createTable(server.url);
    const port = await freePort();
    const env = {
      ...command.env,
      DATABASE_URL: server.url,
      PARTITION_KEEPER_LISTEN: `127.0.0.1:${port}`,
    };
    if (healthcheck !== undefined && (await statusOf({ ...healthcheck, env })) === 0)
      throw new Error('The health check succeeds although nothing serves.');

    const { words, ...options } = command;
    const [program = '', ...args] = words;
    const child = spawn(program, args, { ...options, env, stdio: 'inherit' });
    const ended = once(child, 'close');
    try {
      const at = `http://127.0.0.1:${port}`;
      await until('/readyz answers 200', async () => {
        if (child.exitCode !== null) throw new Error(`It has ended with ${child.exitCode}.`);
        return (await ask(`${at}/readyz`)).status === 200;
      });
      await until('/metrics tells of a create, and of nothing that is missing', async () => {
        const { body } = await ask(`${at}/metrics`);
        return (
          /^partition_keeper_run_succeeded_total\{.*job="create"\} 1$/m.test(body) &&
          /^partition_keeper_missing_partitions\{.*table="events"\} 0$/m.test(body)
        );
      });
      if ((await ask(`${at}/healthz`)).status !== 200) throw new Error('/healthz does not answer 200.');
      if (healthcheck !== undefined && (await statusOf({ ...healthcheck, env })) !== 0)
        throw new Error('The health check fails.');
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
    if (child.exitCode !== 0)
      throw new Error(`After SIGTERM it ended with ${child.exitCode ?? child.signalCode}.`);
  } finally {
    await server.stop();
  }
}
