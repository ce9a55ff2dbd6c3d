import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { OsUser } from './user.ts';

/** What the programs of one server have in common. */
export interface Surroundings {
  /** Holds everything a server writes. */
  readonly folder: string;
  /** Takes the output of all programs. */
  readonly logFile: string;
  /** Whom the programs run as, ourselves if undefined. */
  readonly user: OsUser | undefined;
  /** Told about each program before anything can go wrong with it: its process group. */
  readonly onStart: (processGroup: number) => void;
}

/** A program of PostgreSQL that has been started. */
export interface Program {
  readonly pid: number;
  /** Resolves with the exit status, or with null after a deadly signal. */
  readonly exited: Promise<number | null>;
  readonly hasExited: () => boolean;
  /**
   * Shuts a server down: fast, immediately after 10 s, with a kill after another 5 s. Resolves when the program has
   * ended; throws if it outlives all that.
   */
  readonly end: () => Promise<void>;
}

/** The ways to end a server, from the gentlest to the last, each with the milliseconds it is given. */
const shutdowns = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
] as const;

/**
 * Starts a program in a process group of its own, so that Ctrl-C in the terminal does not reach it and we decide
 * about the order in which things end. Throws if the file cannot be run.
 */
export async function startProgram(
  binary: string,
  args: readonly string[],
  { folder, logFile, user, onStart }: Surroundings,
): Promise<Program> {
  const log = await open(logFile, 'a');
  try {
    const child = spawn(binary, args, {
      ...user,
      cwd: folder,
      env: environment(),
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const hasExited = (): boolean => child.exitCode !== null || child.signalCode !== null;
    if (child.pid === undefined) {
      const [error] = await once(child, 'error');
      throw error;
    }
    onStart(child.pid);
    const end = async (): Promise<void> => {
      for (const [signal, patience] of shutdowns) {
        if (hasExited()) return;
        child.kill(signal);
        await settlesWithin(exited, patience);
      }
      if (!hasExited()) throw new Error(`${binary} (process ${child.pid}) does not end.`);
    };
    return { pid: child.pid, exited, hasExited, end };
  } finally {
    await log.close();
  }
}

/** The last lines the programs wrote. */
export async function logTail({ logFile }: Pick<Surroundings, 'logFile'>): Promise<string> {
  return (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-30).join('\n');
}

/**
 * Next to nothing of our own environment: no settings of PostgreSQL (PGTZ, PGOPTIONS, ...), and a locale every
 * machine has.
 */
function environment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot, TEMP } = process.env;
  return { PATH, SystemRoot, TEMP, LC_ALL: 'C' };
}

async function settlesWithin(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  const timer = new AbortController();
  const timeout = delay(milliseconds, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([promise, timeout]);
  timer.abort();
}
