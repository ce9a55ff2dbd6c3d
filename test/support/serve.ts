import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { systemEnvironment } from './cli.ts';
import { waitUntil } from './wait.ts';

/** A record of the log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string; readonly level: string };

/** Reads every line as JSON. Throws if one is something else. */
export const linesOf = (text: string): LogLine[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);

/** A scheduler in a process of its own. */
export interface Serving extends AsyncDisposable {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Asks an endpoint. */
  readonly get: (path: string, init?: RequestInit) => Promise<Response>;
  /** The log so far. */
  readonly log: () => LogLine[];
  /** Everything it has written so far, wherever. */
  readonly output: () => string;
  /** Waits until the log has such a record. */
  readonly logged: (event: string, fields?: Readonly<Record<string, unknown>>) => Promise<LogLine>;
  /** The end of the process: its exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

const program = fileURLToPath(new URL('../../bin/partition-keeper.ts', import.meta.url));

/** Starts `partition-keeper serve` at a port that is free and waits until it answers. */
export async function startServing(
  url: string,
  config: object,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const home = await mkdtemp(join(tmpdir(), 'partition-keeper-serve-'));
  const file = join(home, 'partitions.json');
  await writeFile(file, JSON.stringify(config));
  const child = spawn(
    process.execPath,
    [program, 'serve', '--config', file, '--listen', '127.0.0.1:0', ...args],
    {
      env: { ...systemEnvironment(), HOME: home, DATABASE_URL: url, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    stdout += data;
  });
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    stderr += data;
  });
  const ended = once(child, 'close').then(() => child.exitCode ?? child.signalCode);
  const matching = (event: string, fields: Readonly<Record<string, unknown>>): LogLine | undefined =>
    linesOf(stdout).find(
      (line) => line.event === event && Object.entries(fields).every(([key, value]) => line[key] === value),
    );
  const logged = async (event: string, fields: Readonly<Record<string, unknown>> = {}): Promise<LogLine> => {
    let found: LogLine | undefined;
    await waitUntil(
      () => {
        if (child.exitCode !== null) throw new Error(`The process has ended: ${stderr}${stdout}`);
        found = matching(event, fields);
        return found !== undefined;
      },
      { what: `the log has ${event} ${JSON.stringify(fields)}`, timeoutMs: 60_000 },
    );
    if (found === undefined) throw new Error('unreachable');
    return found;
  };
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await rm(home, { recursive: true, force: true });
  };
  try {
    const { address } = await logged('listening');
    return {
      child,
      get: (path, init) => fetch(`http://${address}${path}`, init),
      log: () => linesOf(stdout),
      output: () => stdout + stderr,
      logged,
      ended,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * The samples of a text in the format of Prometheus, by name and labels as they are written. Throws on a line that
 * is neither comment nor sample, and on a sample without a type.
 */
export function samplesOf(text: string): Map<string, number> {
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, declared, type] = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line) ?? [];
    if (declared !== undefined && type !== undefined) types.set(declared, type);
    if (line.startsWith('#')) continue;
    const [, key, name = '', value] =
      /^(([a-z_0-9]+)(?:\{[a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*\})?) (\S+)$/i.exec(line) ??
      [];
    if (key === undefined || value === undefined) throw new Error(`This is no sample: ${line}`);
    if (!types.has(name.replace(/_(bucket|sum|count)$/, '')) && !types.has(name))
      throw new Error(`This sample has no type: ${line}`);
    samples.set(key, value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value));
  }
  return samples;
}
