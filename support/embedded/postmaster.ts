import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { logTail, type Program, type Surroundings, startProgram } from './process.ts';

/** How many ports are tried if another program takes the one that was free a moment ago. */
const portAttempts = 5;

/** For how long a server may take to accept connections, and how often that is looked at, in milliseconds. */
const patience = 60_000;
const interval = 20;

/** Starts a server on some free port of 127.0.0.1. Throws, with the end of its log, if it does not come up. */
export async function startOnFreePort(
  start: (port: number) => Promise<Program | 'port taken'>,
): Promise<{ readonly port: number; readonly postmaster: Program }> {
  for (let attempt = 0; attempt < portAttempts; attempt++) {
    const port = await freePort();
    const postmaster = await start(port);
    if (postmaster !== 'port taken') return { port, postmaster };
  }
  throw new Error(`${portAttempts} free ports in a row were taken by others before the server had them.`);
}

/**
 * Starts a server and waits until it accepts connections. Throws, with the end of the server's log, if that does
 * not happen; the server is not running then.
 */
export async function startPostmaster(
  postgres: string,
  surroundings: Surroundings,
  dataDir: string,
  port: number,
  fileBlocks: number | undefined,
): Promise<Program | 'port taken'> {
  await writeFile(surroundings.logFile, '');
  const args = ['-D', dataDir, '-p', String(port)];
  const program =
    fileBlocks === undefined
      ? await startProgram(postgres, args, surroundings)
      : await startProgram(
          '/bin/sh',
          ['-c', `ulimit -f ${fileBlocks} && exec "$0" "$@"`, postgres, ...args],
          surroundings,
        );
  const deadline = Date.now() + patience;
  while (!program.hasExited() && Date.now() < deadline) {
    if (await isReady(dataDir, program.pid)) return program;
    await delay(interval);
  }
  await program.end();
  const log = await logTail(surroundings);
  if (log.includes('could not bind')) return 'port taken';
  throw new Error(`PostgreSQL did not start:\n${log}`);
}

/** Reads the server's own word on it, which is in its lock file: the first line is its id, the eighth its state. */
async function isReady(dataDir: string, pid: number): Promise<boolean> {
  const lockFile = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = lockFile.split('\n').map((line) => line.trim());
  return lines[0] === String(pid) && lines[7] === 'ready';
}

/** A port that was free on 127.0.0.1 a moment ago. */
async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer();
  probe.once('error', reject);
  probe.listen(0, '127.0.0.1', () => {
    const address = probe.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    probe.close(() => (port === undefined ? reject(new Error('No free port.')) : resolve(port)));
  });
  return await promise;
}
