import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

/** A role that may log in. */
export interface TestRole {
  readonly name: string;
  readonly password: string;
  /** Leads this role to the test database. */
  readonly url: string;
}

export interface RoleOptions {
  /** Whether the role has the rights of roles it is a member of without SET ROLE: true unless given. */
  readonly inherit?: boolean;
  /** Further words for CREATE ROLE, such as 'CREATEDB'. */
  readonly attributes?: string;
}

/** As whom to connect: a role of this database or any other user; the superuser if neither is given. */
export type ConnectOptions =
  | { readonly role?: Pick<TestRole, 'name' | 'password'> }
  | { readonly user: string; readonly password: string };

/** An empty database for one test or one file of tests. */
export interface TestDatabase extends AsyncDisposable {
  /** Leads the superuser to the database. */
  readonly url: string;
  readonly name: string;
  /** Runs a statement as the superuser and returns its rows. Statements wait for one another. */
  readonly query: <Row extends pg.QueryResultRow = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ) => Promise<Row[]>;
  /** Opens another connection. `drop` closes it, should it still be open. */
  readonly connect: (options?: ConnectOptions) => Promise<pg.Client>;
  /** Creates a role with a name that is new to the server. `drop` drops it. */
  readonly createRole: (options?: RoleOptions) => Promise<TestRole>;
  /** Ends all connections to the database, also those of others, and drops it and its roles. */
  readonly drop: () => Promise<void>;
}

/**
 * Creates an empty database with a random name.
 * @param serverUrl leads a superuser to the server: that of the tests unless given
 */
export async function createTestDatabase(serverUrl = inject('serverUrl')): Promise<TestDatabase> {
  const name = randomName('test');
  // template0, because nobody can be connected to it, which would be in the way, nor have changed it.
  await withClient(serverUrl, (admin) => admin.query(`CREATE DATABASE ${name} TEMPLATE template0`));
  const url = withPath(serverUrl, name);

  const clients: pg.Client[] = [];
  const open = async (connectionString: string): Promise<pg.Client> => {
    const client = await openClient(connectionString);
    clients.push(client);
    return client;
  };
  const roles: string[] = [];
  let own = await open(url);
  /** The connection, or another one when the server has ended it. */
  const living = async (): Promise<pg.Client> => {
    if (ended.has(own)) own = await open(url);
    return own;
  };
  let queue: Promise<unknown> = Promise.resolve();
  let dropped: Promise<void> | undefined;

  const drop = (): Promise<void> => {
    dropped ??= dropDatabase(serverUrl, name, roles, clients);
    return dropped;
  };
  return {
    url,
    name,
    query: <Row extends pg.QueryResultRow>(sql: string, params?: readonly unknown[]) => {
      const result = queue.then(async () =>
        (await living()).query<Row>(sql, params === undefined ? [] : [...params]),
      );
      queue = result.catch(() => {});
      return result.then(({ rows }) => rows);
    },
    connect: async (options = {}) => {
      if ('user' in options) return await open(withUser(url, options.user, options.password));
      if (options.role === undefined) return await open(url);
      return await open(withUser(url, options.role.name, options.role.password));
    },
    createRole: async ({ inherit = true, attributes = '' } = {}) => {
      const role = randomName('role');
      const password = randomBytes(12).toString('hex');
      const inheritance = inherit ? 'INHERIT' : 'NOINHERIT';
      await withClient(url, (client) =>
        client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}' ${inheritance} ${attributes}`),
      );
      roles.push(role);
      return { name: role, password, url: withUser(url, role, password) };
    },
    drop,
    [Symbol.asyncDispose]: drop,
  };
}

/** Lower-case and without need of quotes. Names of roles are shared by all databases, so chance has to tell them apart. */
function randomName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`;
}

async function dropDatabase(
  serverUrl: string,
  name: string,
  roles: readonly string[],
  clients: readonly pg.Client[],
): Promise<void> {
  await Promise.all(clients.map((client) => client.end()));
  if (roles.length > 0) {
    await withClient(withPath(serverUrl, name), async (client) => {
      // Their locks would be in the way of DROP OWNED.
      await client.query(
        'SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()',
        [name],
      );
      await client.query(`DROP OWNED BY ${roles.join(', ')} CASCADE`);
    });
  }
  await withClient(serverUrl, async (admin) => {
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
    if (roles.length > 0) await admin.query(`DROP ROLE ${roles.join(', ')}`);
  });
}

const ended = new WeakSet<pg.Client>();

async function openClient(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  client.on('end', () => ended.add(client));
  // Without a listener, the end of an idle connection (a test stops the server or ends it) would end the process.
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function withClient(url: string, use: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = await openClient(url);
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function withPath(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

function withUser(url: string, user: string, password: string): string {
  const changed = new URL(url);
  changed.username = encodeURIComponent(user);
  changed.password = encodeURIComponent(password);
  return changed.href;
}
