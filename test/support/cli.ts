import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface CliOptions {
  /** Variables in addition to the few the program is given anyway. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Written to a file as JSON, which is passed with --config. */
  readonly config?: object;
  /** Passed as DATABASE_URL. */
  readonly url?: string;
  /** Ends the program when it is aborted. */
  readonly signal?: AbortSignal;
  /** How: SIGINT, as Ctrl-C does, unless given. */
  readonly endBy?: NodeJS.Signals;
}

export interface CliResult {
  /** Exit status, null if a signal has ended the program. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The standard output read as JSON. Throws if it is something else. */
  readonly json: () => unknown;
}

const program = fileURLToPath(new URL('../../bin/partition-keeper.ts', import.meta.url));

/**
 * Runs the command line program to its end, without a terminal and with a clean environment: nothing of ours about
 * databases, colours or accounts, and an empty home, where there is no .pgpass either.
 */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { env = {}, cwd, config, url, signal, endBy = 'SIGINT' } = options;
  const home = await mkdtemp(join(tmpdir(), 'partition-keeper-cli-'));
  try {
    const configFile = join(home, 'partitions.json');
    if (config !== undefined) await writeFile(configFile, JSON.stringify(config));
    const configArgs = config === undefined ? [] : ['--config', configFile];
    const urlEnv = url === undefined ? {} : { DATABASE_URL: url };

    const child = spawn(process.execPath, [program, ...args, ...configArgs], {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...systemEnvironment(), HOME: home, ...urlEnv, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const interrupt = (): void => void child.kill(endBy);
    signal?.addEventListener('abort', interrupt);
    const closed = once(child, 'close');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    signal?.removeEventListener('abort', interrupt);
    return { code: child.exitCode, stdout, stderr, json: () => JSON.parse(stdout) };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** What a program needs of the system to run at all. */
export function systemEnvironment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot, TEMP, TMPDIR, NODE_V8_COVERAGE } = process.env;
  return { PATH, SystemRoot, TEMP, TMPDIR, NODE_V8_COVERAGE };
}
