import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { binariesIn, type PostgresVersion, serverBinaries } from './embedded/binaries.ts';
import { configureCluster, createCluster, type ServerCertificate } from './embedded/cluster.ts';
import { makeFolder } from './embedded/folder.ts';
import { startOnFreePort, startPostmaster } from './embedded/postmaster.ts';
import { serverUser } from './embedded/user.ts';
import { startWatchdog } from './embedded/watchdog.ts';

export { type PostgresVersion, postgresVersions } from './embedded/binaries.ts';

export interface EmbeddedServerOptions {
  /** The major version, 17 unless given. */
  readonly version?: PostgresVersion;
  /** Another folder with bin, lib and share of that version, where the user of the server may run them. */
  readonly native?: string;
  /** Settings of the server by name; they take precedence over our own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Switches TLS on. Connections without TLS are still accepted. */
  readonly ssl?: ServerCertificate;
  /** Name of the first role, which has all rights: 'postgres' unless given. */
  readonly superuser?: string;
}

/** A PostgreSQL server of our own, with a database cluster in a temporary folder. */
export interface EmbeddedServer {
  /** Leads the superuser to the database 'postgres', password included. A restart does not change it. */
  readonly url: string;
  readonly port: number;
  readonly version: PostgresVersion;
  readonly dataDir: string;
  /** Stops the server and removes all its files. Further calls only wait for that. */
  readonly stop: () => Promise<void>;
  /**
   * Stops the server, which ends all connections, and starts it again with the same data on the same port.
   * @param fileBlocks how large a file may grow from now on, in the blocks of `ulimit -f`; no limit unless given
   */
  readonly restart: (fileBlocks?: number) => Promise<void>;
}

/** The data need not survive a crash of the machine, so nothing waits for the disk. */
const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  TimeZone: 'UTC',
};

/**
 * Starts a server with a new, empty cluster on a free port of 127.0.0.1. Like a listening socket, it keeps this
 * process running until it is stopped. Should this process end without that, in whatever way, a watchdog stops the
 * server and removes its files. Throws, with the end of the server's log, if the server does not come up; nothing is
 * left behind then.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions = {}): Promise<EmbeddedServer> {
  const { version = 17, native, superuser = 'postgres', settings = {}, ssl } = options;
  const user = await serverUser();
  const folder = await makeFolder(user);
  const watchdog = await startWatchdog(folder);
  const discard = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    await watchdog.dismiss();
  };

  try {
    const surroundings = { folder, logFile: join(folder, 'log'), user, onStart: watchdog.guard };
    const dataDir = join(folder, 'data');
    const password = randomBytes(16).toString('hex');
    const { initdb, postgres } =
      native === undefined ? await serverBinaries(version, user, folder) : binariesIn(native);
    await createCluster(initdb, surroundings, dataDir, { name: superuser, password });
    await configureCluster(dataDir, user, { ...defaultSettings, ...settings }, ssl);
    const start = (port: number, fileBlocks?: number) =>
      startPostmaster(postgres, surroundings, dataDir, port, fileBlocks);
    const { port, postmaster } = await startOnFreePort((free) => start(free));

    let running = Promise.resolve(postmaster);
    let stopped: Promise<void> | undefined;
    return {
      url: `postgresql://${encodeURIComponent(superuser)}:${password}@127.0.0.1:${port}/postgres`,
      port,
      version,
      dataDir,
      stop: () => {
        stopped ??= running
          .then(
            (program) => program.end(),
            () => {}, // A restart has failed, and its caller knows. There is nothing to end.
          )
          .finally(discard);
        return stopped;
      },
      restart: async (fileBlocks) => {
        running = running.then(async (program) => {
          await program.end();
          const next = await start(port, fileBlocks);
          if (next === 'port taken') throw new Error(`Another program has taken port ${port}.`);
          return next;
        });
        await running;
      },
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Makes the signals that end this process stop the server first, in good order. Signals that come in the meantime
 * change nothing. This process then ends of the first signal, as whoever sent it expects.
 */
export function stopOnSignals(server: EmbeddedServer): void {
  let first: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (first !== undefined) return;
    first = signal;
    const pass = (): void => {
      for (const name of endSignals) process.off(name, onSignal);
      process.kill(process.pid, signal);
    };
    server.stop().then(pass, pass);
  };
  for (const name of endSignals) process.on(name, onSignal);
}
