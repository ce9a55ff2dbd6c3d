import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface FunctionOptions {
  /** The folder with the code. */
  readonly taskRoot: string;
  /** File and export: `create-partitions.handler`. */
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What the function has for an invocation: two minutes unless given. Nothing ends it then; it is only told. */
  readonly timeoutMs?: number;
}

/** How an invocation ended. */
export interface Answer {
  readonly ok: boolean;
  /** What the handler returned; of a failure `errorType`, `errorMessage` and `trace`. */
  readonly payload: unknown;
  readonly milliseconds: number;
  /** The lines the function wrote meanwhile. */
  readonly logs: readonly string[];
}

export interface InvokeOptions {
  readonly timeoutMs?: number;
  /** JSON that the caller sends beside the payload. */
  readonly clientContext?: string;
}

/** A function in a process of its own, as in one instance of Lambda. */
export interface RunningFunction extends AsyncDisposable {
  readonly pid: number;
  /** Invocations wait for one another. Rejects if the process ends before it has answered. */
  readonly invoke: (payload: unknown, options?: InvokeOptions) => Promise<Answer>;
  /** All lines of the standard output and the standard error so far. */
  readonly logs: () => readonly string[];
  readonly stop: () => Promise<void>;
}

interface Invocation {
  readonly payload: unknown;
  readonly timeoutMs: number;
  readonly clientContext: string | undefined;
  readonly settle: (ok: boolean, payload: unknown) => void;
}

/** The Runtime API (2018-06-01) for one function. */
interface RuntimeApi {
  readonly address: string;
  /** When the function asks for its first invocation. Rejects if it could not be loaded. */
  readonly ready: Promise<void>;
  readonly submit: (invocation: Invocation) => void;
  readonly close: () => void;
}

/** Listens on a free port of 127.0.0.1. */
export async function listen(
  respond: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>,
): Promise<{ readonly port: number; readonly close: () => void }> {
  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

const headersOf = (requestId: string, { timeoutMs, clientContext }: Invocation) => ({
  ...(clientContext === undefined ? {} : { 'Lambda-Runtime-Client-Context': clientContext }),
  'content-type': 'application/json',
  'Lambda-Runtime-Aws-Request-Id': requestId,
  'Lambda-Runtime-Deadline-Ms': String(Date.now() + timeoutMs),
  'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:eu-central-1:123456789012:function:test',
  'Lambda-Runtime-Trace-Id': 'Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0',
});

async function startRuntimeApi(): Promise<RuntimeApi> {
  const waiting: Invocation[] = [];
  const running = new Map<string, Invocation>();
  const ready = Promise.withResolvers<void>();
  let idle: ServerResponse | undefined;

  const handOver = (): void => {
    const invocation = idle === undefined ? undefined : waiting.shift();
    if (invocation === undefined) return;
    const requestId = randomUUID();
    running.set(requestId, invocation);
    idle?.writeHead(200, headersOf(requestId, invocation)).end(JSON.stringify(invocation.payload));
    idle = undefined;
  };

  const { port, close } = await listen(async (request, response) => {
    const path = (request.url ?? '').replace('/2018-06-01/runtime/', '');
    if (path === 'invocation/next') {
      idle = response;
      ready.resolve();
      handOver();
      return;
    }
    const body = await text(request);
    const [, requestId = '', kind] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    const invocation = running.get(requestId);
    if (path === 'init/error') ready.reject(new Error(`The function does not start: ${body}`));
    else if (invocation === undefined) {
      response.writeHead(404).end();
      return;
    }
    running.delete(requestId);
    response.writeHead(202).end('{"status":"OK"}');
    invocation?.settle(kind === 'response', JSON.parse(body));
  });
  return {
    address: `127.0.0.1:${port}`,
    ready: ready.promise,
    submit: (invocation) => {
      waiting.push(invocation);
      handOver();
    },
    close,
  };
}

/** AWS's own runtime client, if LAMBDA_RIC names a folder in which it is installed; else ours. */
const clientPath = (): string => {
  const { LAMBDA_RIC: folder } = process.env;
  return folder === undefined || folder === ''
    ? fileURLToPath(new URL('./runtime-client.mjs', import.meta.url))
    : join(folder, 'node_modules', 'aws-lambda-ric', 'index.mjs');
};

const environmentOf = ({ taskRoot, handler, environment }: FunctionOptions, address: string) => ({
  PATH: process.env['PATH'],
  TZ: ':UTC',
  _HANDLER: handler,
  LAMBDA_TASK_ROOT: taskRoot,
  AWS_LAMBDA_RUNTIME_API: address,
  AWS_LAMBDA_FUNCTION_NAME: 'test',
  AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
  AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/test',
  AWS_LAMBDA_LOG_STREAM_NAME: 'test',
  AWS_LAMBDA_LOG_FORMAT: 'JSON',
  AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
  AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
  ...environment,
});

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/**
 * Starts the function and waits until it asks for work. Its output goes to a file: what it has written before it
 * answers is there when the answer comes, which a pipe would not promise.
 */
export async function startFunction(options: FunctionOptions): Promise<RunningFunction> {
  const { taskRoot, handler, timeoutMs: ownTimeoutMs = 120_000 } = options;
  const api = await startRuntimeApi();
  const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-test-'));
  const logFile = join(folder, 'log');
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [clientPath(), handler], {
    cwd: taskRoot,
    env: environmentOf(options, api.address),
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const readLines = (): string[] =>
    readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  const died = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`The process of ${handler} has ended (${code ?? signal}):\n${lines().join('\n')}`);
  });
  // Whoever waits for an answer is told; an end that nobody waits for is no failure.
  died.catch(() => {});

  let ended: readonly string[] | undefined;
  const lines = (): readonly string[] => ended ?? readLines();
  const stop = async (): Promise<void> => {
    if (ended !== undefined) return;
    child.kill();
    await endOf(child);
    api.close();
    ended = readLines();
    rmSync(folder, { recursive: true });
  };
  let last: Promise<unknown> = Promise.resolve();
  const invoke = async (
    payload: unknown,
    timeoutMs: number,
    clientContext: string | undefined,
  ): Promise<Answer> => {
    const earlier = lines().length;
    const began = performance.now();
    const answer = new Promise<Omit<Answer, 'logs'>>((resolve) => {
      api.submit({
        payload,
        timeoutMs,
        clientContext,
        settle: (ok, result) => resolve({ ok, payload: result, milliseconds: performance.now() - began }),
      });
    });
    const result = await Promise.race([answer, died]);
    return { ...result, logs: lines().slice(earlier) };
  };
  try {
    await Promise.race([api.ready, died]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    invoke: (payload, { timeoutMs = ownTimeoutMs, clientContext } = {}) => {
      const answer = last.then(() => invoke(payload, timeoutMs, clientContext));
      last = answer.catch(() => {});
      return answer;
    },
    logs: lines,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** A line of the log. All of them are JSON. */
type LogRecord = Readonly<Record<string, unknown>>;

interface EmbeddedMetrics {
  readonly Namespace: string;
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
}

/** A metric as CloudWatch would find it in the log. */
export interface Emitted {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, unknown>>;
  readonly value: unknown;
}

export const parseLines = (lines: readonly string[]): LogRecord[] =>
  lines.map((line) => JSON.parse(line) as LogRecord);

/** The records with this message. */
export const recordsOf = ({ logs }: Answer, message: string): LogRecord[] =>
  parseLines(logs).filter((record) => record['message'] === message);

/** What CloudWatch would make of the lines in the embedded metric format. */
export const metricsOf = ({ logs }: Answer): Emitted[] =>
  parseLines(logs).flatMap((record) => {
    const { CloudWatchMetrics: directives = [] } = (record['_aws'] ?? {}) as {
      readonly CloudWatchMetrics?: readonly EmbeddedMetrics[];
    };
    return directives.flatMap(({ Namespace: namespace, Dimensions, Metrics }) =>
      Dimensions.flatMap((names) => {
        const dimensions = Object.fromEntries(names.map((name) => [name, record[name]]));
        return Metrics.map(({ Name: name }) => ({ namespace, name, dimensions, value: record[name] }));
      }),
    );
  });
