import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Frame, frameReader, queryFrame, statementOf } from './frames.ts';

/** What goes wrong with a statement. */
export type Blow =
  /** The connection breaks: before the server has the statement, when it has it, or when it has answered. */
  | { readonly kind: 'cut before' | 'cut during' | 'cut after' }
  /** The server answers with an error instead of running the statement. */
  | { readonly kind: 'fail'; readonly sqlstate: string }
  /** Something else happens when the server has the statement. */
  | { readonly kind: 'call'; readonly call: () => void };

/** What goes wrong, at one statement of those that pass. */
export type Fault = Blow & { readonly at: number };

/** A server as clients see it whose network or whose server has a fault. */
export interface FaultyServer extends AsyncDisposable {
  /** Leads to the database through the proxy. */
  readonly url: string;
  /** The statements that came by, in order. */
  readonly statements: readonly string[];
}

const failing = (sqlstate: string): Buffer =>
  queryFrame(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${sqlstate}', MESSAGE = 'injected'; END $$`);

export interface ProxyOptions {
  readonly faults?: readonly Fault[];
  /** Asked for each statement that comes by. */
  readonly strike?: (statement: string) => Blow | undefined;
  /** What the server is told instead of a statement without parameters. */
  readonly rewrite?: (statement: string) => string;
}

/** One client and its connection to the server. */
function relay(
  client: Socket,
  server: Socket,
  statements: string[],
  { faults = [], strike = () => undefined, rewrite = (statement) => statement }: ProxyOptions,
): void {
  const fromClient = frameReader(1);
  const fromServer = frameReader(0);
  /** What goes wrong with the statement that has come by last. */
  let fault: Blow | undefined;
  let swallowing = false;
  const cut = (): void => {
    client.destroy();
    server.destroy();
  };

  /** An extended query is executed when its Sync comes, a simple one at once. */
  function forward({ type, bytes }: Frame): void {
    if (swallowing) {
      // The failing statement has been sent in its stead; the rest of the extended query is dropped.
      swallowing = type !== 'S';
      return;
    }
    server.write(bytes);
    if (type !== 'Q' && type !== 'S') return;
    if (fault?.kind === 'cut during') server.end(() => client.destroy());
    if (fault?.kind === 'call') fault.call();
  }

  client.on('data', (chunk) => {
    for (const frame of fromClient(chunk)) {
      const statement = statementOf(frame);
      if (statement !== null) {
        const current = statements.push(statement) - 1;
        fault = strike(statement) ?? faults.find(({ at }) => at === current);
        if (fault?.kind === 'cut before') return cut();
        if (fault?.kind === 'fail') {
          server.write(failing(fault.sqlstate));
          swallowing = frame.type === 'P';
          continue;
        }
      }
      const changed = frame.type === 'Q' && statement !== null ? rewrite(statement) : statement;
      forward(changed === statement || changed === null ? frame : { ...frame, bytes: queryFrame(changed) });
    }
  });
  server.on('data', (chunk) => {
    for (const { type, bytes } of fromServer(chunk)) {
      if (type === 'Z' && fault?.kind === 'cut after') return cut();
      if (!client.destroyed) client.write(bytes);
    }
  });
  for (const [socket, other] of [
    [client, server],
    [server, client],
  ] as const) {
    socket.on('error', () => other.destroy());
    socket.on('close', () => other.destroy());
  }
}

/**
 * Stands between clients and the server and lets everything pass, but for the faults.
 * @param url leads to the database
 */
export const startFaultyServer = (url: string, ...faults: readonly Fault[]): Promise<FaultyServer> =>
  startProxy(url, { faults });

/** @param url leads to the database */
export async function startProxy(url: string, options: ProxyOptions): Promise<FaultyServer> {
  const { hostname, port } = new URL(url);
  const statements: string[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      // Messages are passed on one by one: each would wait for the last one to be acknowledged.
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    relay(client, server, statements, options);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((proxy.address() as AddressInfo).port);
  // The proxy reads what passes.
  through.searchParams.set('sslmode', 'disable');
  return {
    url: through.href,
    statements,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
