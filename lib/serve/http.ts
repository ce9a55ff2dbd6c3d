import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KeeperError } from '../errors.ts';
import { codeOf } from '../postgres/sqlstate.ts';
import { type Address, addressText } from './address.ts';

/** What an endpoint answers. */
export interface Answered {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export const json = (status: number, value: object): Answered => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`,
});

export type Endpoints = Readonly<Record<string, () => Promise<Answered> | Answered>>;

/** Enough for any scraper's headers and patience. */
const TIMEOUT_MS = 30_000;

async function answer(
  endpoints: Endpoints,
  method: string | undefined,
  url: string | undefined,
): Promise<Answered> {
  const [path = '/'] = (url ?? '/').split('?');
  const endpoint = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined;
  if (endpoint === undefined) {
    return json(404, { error: 'not found', endpoints: Object.keys(endpoints) });
  }
  if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'only GET and HEAD' });
  return endpoint();
}

function send(response: ServerResponse, { status, contentType, body }: Answered, method?: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(method === 'HEAD' ? undefined : body);
}

const CANNOT_LISTEN: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  EADDRINUSE: [
    'another process is listening there',
    'End the other process, or choose another port with --listen or PARTITION_KEEPER_LISTEN.',
  ],
  EACCES: ['this user may not use that port', 'Choose a port above 1023 with --listen.'],
  EADDRNOTAVAIL: [
    'this machine has no such address',
    'Give --listen an address of this machine, or 0.0.0.0 for all of them.',
  ],
  ENOTFOUND: ['there is no such host', 'Give --listen an address of this machine.'],
};

function cannotListen(address: Address, error: unknown): KeeperError {
  const code = codeOf(error) ?? 'unknown';
  const [reason, hint] = CANNOT_LISTEN[code] ?? [
    error instanceof Error ? error.message : String(error),
    'Choose another address with --listen.',
  ];
  return new KeeperError({
    code: 'cannot-listen',
    message: `Cannot listen at ${addressText(address)}: ${reason} (${code}).`,
    hint,
    cause: error,
  });
}

/** An open door. */
export interface Door {
  /** The port it really has. */
  readonly address: Address;
  readonly close: () => Promise<void>;
}

/**
 * Answers at the address.
 * @param onError told when an endpoint has thrown; whoever asked gets status 500
 * @throws KeeperError `cannot-listen`
 */
export async function listen(
  address: Address,
  endpoints: Endpoints,
  onError: (error: unknown) => void,
): Promise<Door> {
  const server: Server = createServer({ requestTimeout: TIMEOUT_MS }, (request, response) => {
    request.resume();
    answer(endpoints, request.method, request.url)
      .catch((error: unknown) => {
        onError(error);
        return json(500, { error: 'internal error' });
      })
      .then((answered) => send(response, answered, request.method));
  });
  server.listen(address.port, address.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw cannotListen(address, error);
  }
  server.on('error', onError);
  const { port } = server.address() as AddressInfo;
  return {
    address: { ...address, port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
