import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
  /** The most memory the process had at once, in MiB; null where the system does not tell, or it ended too soon. */
  readonly peakMiB: number | null;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Looks how much memory it takes, which takes a little time itself. */
  readonly watchMemory?: boolean;
}

/** What Linux says of a process under one of the names in its status, in MiB. */
export async function memoryOf(pid: number, name: 'VmHWM' | 'RssAnon'): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)?.[1];
  return kib === undefined ? null : Number(kib) / 1024;
}

/** Runs a program to its end. Throws where it cannot be started. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env, watchMemory = false }: ProgramOptions = {},
): Promise<Ended> {
  const began = performance.now();
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  let peakMiB: number | null = null;
  const { pid } = child;
  const watch = setInterval(async () => {
    if (watchMemory && pid !== undefined) peakMiB = (await memoryOf(pid, 'VmHWM')) ?? peakMiB;
  }, 10);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    const milliseconds = performance.now() - began;
    return {
      code,
      milliseconds,
      peakMiB,
      stdout: Buffer.concat(out).toString(),
      stderr: Buffer.concat(err).toString(),
    };
  } finally {
    clearInterval(watch);
  }
}

/** The same, but throws with the end of its output where it fails. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  const ended = await runProgram(program, args, options);
  if (ended.code === 0) return ended;
  const said = `${ended.stdout}\n${ended.stderr}`.trim().slice(-600);
  throw new Error(`${program} ${args.join(' ')} failed (${ended.code}): ${said}`);
}
