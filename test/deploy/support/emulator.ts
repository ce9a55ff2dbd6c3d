import { type ChildProcess, type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const SERVER = pathOf('../emulator/server.py');
const REQUIREMENTS = pathOf('../emulator/requirements.txt');
/** Kept from one run to the next, and gone with the installed packages. */
const CACHE = pathOf('../../../node_modules/.cache/partition-keeper-emulator');

/** The account moto has when nobody says otherwise. */
export const ACCOUNT = '123456789012';
export const REGION = 'eu-central-1';

/** Whose keys these are, moto does not ask. */
export const credentials = { accessKeyId: 'emulator', secretAccessKey: 'emulator' };

export interface Emulator {
  readonly endpoint: string;
  /** Empty at first, and gone when the emulator is. */
  readonly folder: string;
  /** Waits for a process group, which ends when the emulator does. */
  readonly watch: (child: ChildProcess) => Promise<number | null>;
  /** What went wrong inside, to explain an answer that says no more than that. */
  readonly complaints: () => string;
  readonly stop: () => Promise<void>;
}

async function pythonVersion(): Promise<string> {
  try {
    const { stdout } = await run('python3', ['-c', 'import sys, ensurepip; print(sys.version)']);
    return stdout;
  } catch (cause) {
    throw new Error('The emulator needs Python 3.10 or later with venv: python3, python3-venv.', { cause });
  }
}

/** A Python with moto, installed once for each version of Python and of the requirements. */
async function python(): Promise<string> {
  const key = createHash('sha256')
    .update(await pythonVersion())
    .update(await readFile(REQUIREMENTS))
    .digest('hex')
    .slice(0, 16);
  const folder = join(CACHE, key);
  if (!existsSync(folder)) await install(folder);
  return join(folder, 'bin', 'python');
}

/** Under another name until it is complete: an interrupted installation is never taken for a whole one. */
async function install(folder: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const unfinished = await mkdtemp(join(CACHE, 'unfinished-'));
  try {
    await run('python3', ['-m', 'venv', unfinished]);
    await run(join(unfinished, 'bin', 'python'), [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-compile'],
      ...['--no-deps', '--requirement', REQUIREMENTS],
    ]);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true });
    // Another run may have been faster.
    if (!existsSync(folder)) throw error;
  }
}

/** What the server writes to its error output, the last of it. */
function complaintsOf({ stderr }: ChildProcessWithoutNullStreams): () => string {
  let complaints = '';
  stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-10_000);
  });
  return () => complaints;
}

/**
 * Starts it on a free port. When this process ends, even if it is killed, the input of the emulator ends: then it ends
 * itself, what works with it, and its folder.
 */
export async function startEmulator(): Promise<Emulator> {
  // In a group of its own: what interrupts the tests in a terminal must not keep it from tidying up.
  const server = spawn(await python(), [SERVER], { stdio: 'pipe', detached: true });
  const ended = once(server, 'exit');
  const complaints = complaintsOf(server);
  for await (const line of createInterface(server.stdout)) {
    const { endpoint, folder } = JSON.parse(line) as Pick<Emulator, 'endpoint' | 'folder'>;
    return {
      endpoint,
      folder,
      complaints,
      watch: async (child) => {
        server.stdin.write(`+${child.pid}\n`);
        const [code] = (await once(child, 'exit')) as [number | null];
        server.stdin.write(`-${child.pid}\n`);
        return code;
      },
      stop: async () => {
        server.stdin.end();
        await ended;
      },
    };
  }
  throw new Error(`The emulator did not start:\n${complaints()}`);
}
