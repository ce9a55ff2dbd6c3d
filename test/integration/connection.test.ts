import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connectionSettings, KeeperError } from '../../lib/index.ts';
import { connect, isConnectionLoss } from '../../lib/postgres/connect.ts';
import { checkVersion } from '../../lib/postgres/session.ts';
import { type EmbeddedServer, startEmbeddedServer } from '../../support/embedded-server.ts';
import { makeCertificates } from '../support/certificates.ts';
import { type CliOptions, runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase, type TestRole } from '../support/database.ts';
import { configFile } from '../support/keeper.ts';
import { waitUntil } from '../support/wait.ts';

const { version = 17 } = inject('wantedServer');

const config = configFile({ premake: 1 });
const SCHEMA =
  'CREATE SCHEMA app; CREATE TABLE app.events (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)';

let database: TestDatabase;
let role: TestRole;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(SCHEMA);
  role = await database.createRole();
  return database.drop;
});

/** The address of the database, changed. */
function urlWith(change: (url: URL) => void, base = role.url): string {
  const url = new URL(base);
  change(url);
  return url.href;
}

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** What the program says when it cannot connect: to programs on stdout, to people on stderr. */
async function refusal(options: CliOptions, args: readonly string[] = ['health']): Promise<Refusal> {
  const result = await runCli([...args, '--format', 'json'], { config, ...options });
  const report = result.json() as { ok: boolean; error: Refusal; tables: unknown[]; job: string };
  expect(report).toMatchObject({ version: 1, ok: false, tables: [], job: args[0] });
  const { message, hint } = report.error;
  expect(result.stderr).toBe(`error: ${message}\n hint: ${hint}\n`);
  expect(result.code).toBe(1);
  return report.error;
}

const expectNoPassword = (said: Refusal, password: string): void =>
  expect(JSON.stringify(said)).not.toContain(password);

describe.concurrent('the program says what is wrong and what to do about it', () => {
  test('when nothing listens at the port', async () => {
    // The port was free a moment ago.
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const options = {
      url: urlWith((url) => {
        url.port = String(port);
      }),
    };
    const said = await refusal(options);
    const asked = async (...args: readonly string[]) =>
      (await runCli([...args, '--format', 'json'], { config, ...options })).json();
    expect(await asked('create')).toMatchObject({ job: 'create', dryRun: false, ok: false });
    expect(await asked('create', '--dry-run')).toMatchObject({ dryRun: true });
    expect(said.code).toBe('unreachable');
    expect(said.message).toContain(`127.0.0.1:${port}`);
    expect(said.hint).toContain('Check host and port');
    expectNoPassword(said, role.password);
  });

  test('when the host is unknown', async () => {
    const said = await refusal({
      url: urlWith((url) => {
        url.host = 'no-such-host.invalid';
      }),
    });
    expect(said.code).toBe('unreachable');
    expect(said.message).toContain('no-such-host.invalid');
    expectNoPassword(said, role.password);
  });

  test('in the same words for people', async () => {
    const url = urlWith((address) => {
      address.password = 'not-the-password';
    });
    const [result, said] = await Promise.all([runCli(['create'], { config, url }), refusal({ url })]);
    expect([result.code, result.stdout]).toEqual([1, '']);
    expect(result.stderr).toBe(`error: ${said.message}\n hint: ${said.hint}\n`);
  });

  test.each(['prefer', 'disable'])('when the server does not answer, with sslmode=%s', async (mode) => {
    await using silent = await listen(() => {});
    const said = await refusal({
      env: { PGCONNECT_TIMEOUT: '1' },
      url: `postgresql://someone@127.0.0.1:${silent.port}/db?sslmode=${mode}`,
    });
    expect(said.code).toBe('unreachable');
    expect(said.message).toContain(`127.0.0.1:${silent.port}`);
  });

  test('when something else than PostgreSQL answers', async () => {
    await using web = await listen((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    const said = await refusal({ url: `postgresql://someone:secret-word@127.0.0.1:${web.port}/db` });
    expect(said.message).toContain(`127.0.0.1:${web.port}`);
    expectNoPassword(said, 'secret-word');
  });

  test('when the password is wrong', async () => {
    const said = await refusal({
      url: urlWith((url) => {
        url.password = 'not-the-password';
      }),
    });
    expect(said.code).toBe('28P01');
    expect(said.message).toContain(`password of role ${role.name}`);
    expectNoPassword(said, 'not-the-password');
  });

  test('when there is no password', async () => {
    const said = await refusal({
      url: urlWith((url) => {
        url.password = '';
      }),
    });
    expect(said.code).toBe('password-missing');
    expect(said.hint).toContain('PGPASSWORD');
  });

  test('when the role does not exist', async () => {
    const said = await refusal({
      url: urlWith((url) => {
        url.username = 'nobody_of_that_name';
      }),
    });
    expect(['28P01', '28000']).toContain(said.code);
    expect(said.message).toContain('nobody_of_that_name');
    expect(said.hint).toContain('role exists');
    expectNoPassword(said, role.password);
  });

  test('when the role may not log in', async () => {
    const idle = await database.createRole();
    await database.query(`ALTER ROLE ${idle.name} NOLOGIN`);
    const said = await refusal({ url: idle.url });
    expect(said.code).toBe('28000');
    expect(said.message).toContain(idle.name);
  });

  test('when the role may not connect to the database', async () => {
    await using guarded = await createTestDatabase();
    const stranger = await guarded.createRole();
    await guarded.query(`REVOKE CONNECT ON DATABASE ${guarded.name} FROM PUBLIC`);
    const said = await refusal({ url: stranger.url });
    expect(said.code).toBe('42501');
    expect(said.hint).toBe(`GRANT CONNECT ON DATABASE "${guarded.name}" TO "${stranger.name}";`);
  });

  test('when the database does not exist', async () => {
    const said = await refusal({
      url: urlWith((url) => {
        url.pathname = '/no_such_database';
      }),
    });
    expect(said.code).toBe('3D000');
    expect(said.message).toContain('no_such_database');
  });

  test('when the server has too few connections', async () => {
    const limited = await database.createRole({ attributes: 'CONNECTION LIMIT 0' });
    const said = await refusal({ url: limited.url });
    expect(said.code).toBe('53300');
    expect(said.message).toContain('no connection left');
  });

  test('when ssl=true and the server has no TLS', async () => {
    await using plain = await listen((socket) => socket.on('data', () => socket.write('N')));
    const said = await refusal({ url: `postgresql://someone@127.0.0.1:${plain.port}/db?ssl=true` });
    expect(said.code).toBe('tls-refused');
    expect(said.message).toContain('sslmode=require');
  });

  test.each(['require', 'verify-ca', 'verify-full'])(
    'when sslmode=%s and the server has no TLS',
    async (mode) => {
      await using plain = await listen((socket) => socket.on('data', () => socket.write('N')));
      const said = await refusal({
        url: `postgresql://someone:secret-word@127.0.0.1:${plain.port}/db?sslmode=${mode}`,
      });
      expect(said.code).toBe('tls-refused');
      expect(said.message).toContain(`sslmode=${mode}`);
      expectNoPassword(said, 'secret-word');
    },
  );

  test.each(['require', 'verify-ca', 'verify-full'])(
    'when somebody in between takes TLS away, with sslmode=%s, before anything is told to him',
    async (mode) => {
      const received: Buffer[] = [];
      let connections = 0;
      await using between = await listen((socket) => {
        // He passes the first question on, and keeps the connection that is meant for it to himself.
        const answer = connections++ === 0 ? 'S' : 'N';
        socket.on('data', (bytes) => {
          received.push(bytes);
          socket.write(answer);
        });
      });
      const said = await refusal({
        url: `postgresql://someone:secret-word@127.0.0.1:${between.port}/db?sslmode=${mode}`,
      });
      expectNoPassword(said, 'secret-word');
      expect(connections).toBe(2);
      // Nothing but the two questions whether there is TLS, of eight bytes each.
      expect(Buffer.concat(received).toString('hex')).toBe('0000000804d2162f'.repeat(2));
    },
  );

  test.each(['13.18', '9.6.24'])('when the server is PostgreSQL %s', async (old) => {
    await using server = await listen(speakAsVersion(old));
    const said = await refusal({ url: `postgresql://someone@127.0.0.1:${server.port}/db` });
    expect(said.code).toBe('server-too-old');
    expect(said.message).toContain(`PostgreSQL ${old};`);
    expect(said.message).toContain('needs 14 or newer');
  });
});

test('PostgreSQL 14 is the oldest version', () => {
  expect(() => checkVersion({ version: '14beta1', versionNumber: 140_000 })).not.toThrow();
  expect(() => checkVersion({ version: '13.99', versionNumber: 130_099 })).toThrow(KeeperError);
});

describe.concurrent('where transactions are read-only', () => {
  test.each(['ROLE', 'DATABASE'])('for the %s, create refuses and health works', async (of) => {
    await using guarded = await createTestDatabase();
    await guarded.query(SCHEMA);
    const reader = await guarded.createRole();
    const name = of === 'ROLE' ? reader.name : guarded.name;
    await guarded.query(`ALTER ${of} ${name} SET default_transaction_read_only = on`);
    for (const job of ['create', 'cleanup']) {
      const said = await refusal({ url: reader.url }, [job]);
      expect(said.code).toBe('read-only-server');
      expect(said.message).toContain(reader.name);
      expect(said.hint).toContain('default_transaction_read_only');
    }
    const health = await runCli(['health'], { config, url: reader.url });
    expect([health.code, health.stderr]).toEqual([3, '']);
    expect(health.stdout).toContain('missing-current');
    // To be dropped, both need to be written to.
    await database.query(`ALTER ${of} ${name} RESET default_transaction_read_only`);
  });
});

test('a standby can be looked at, and changed once it is the primary', async () => {
  const server = await startEmbeddedServer({ version });
  try {
    await query(server.url, SCHEMA);
    await writeFile(join(server.dataDir, 'standby.signal'), '', { mode: 0o666 });
    // The server counts as started only when it takes writes: once it is promoted.
    const promoted = server.restart();
    await waitUntil(async () => (await recovering(server.url)) === true, { what: 'the standby answers' });

    for (const job of ['create', 'cleanup']) {
      const said = await refusal({ url: server.url }, [job]);
      expect(said.code).toBe('read-only-server');
      expect(said.message).toContain(`127.0.0.1:${server.port} is a read replica`);
      expect(said.hint).toContain('primary');
    }
    for (const [args, code] of [
      [['health'], 3],
      [['status'], 0],
      [['plan'], 0],
      [['validate'], 0],
    ] as const) {
      const result = await runCli(args, { config, url: server.url });
      expect([args, result.code, result.stderr]).toEqual([args, code, '']);
    }

    await query(server.url, 'SELECT pg_promote(false)');
    await promoted;
    await waitUntil(async () => (await recovering(server.url)) === false, { what: 'it is the primary' });
    expect((await runCli(['create'], { config, url: server.url })).code).toBe(0);
    expect((await runCli(['health'], { config, url: server.url })).code).toBe(0);
  } finally {
    await server.stop();
  }
}, 60_000);

test('a connection ended by an administrator between two queries is known to be gone from the first sign on', async () => {
  const client = await connect(connectionSettings(database.url, {}), 'a test');
  const isGone = () => isConnectionLoss(client, new Error('says nothing'));
  expect(isGone()).toBe(false);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const signs: boolean[] = [];
  const ended = new Promise<void>((resolve) => client.on('end', () => resolve()));
  client.on('error', () => signs.push(isGone()));
  await database.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
  await ended;
  expect(signs.length).toBeGreaterThan(0);
  expect(signs).not.toContain(false);
});

describe('TLS', () => {
  const { ca, cert, key } = makeCertificates();
  let server: EmbeddedServer;
  let folder: string;
  let caFile: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'partition-keeper-tls-'));
    caFile = join(folder, 'ca file.pem');
    await writeFile(caFile, ca);
    server = await startEmbeddedServer({ version, ssl: { cert, key } });
    await query(server.url, SCHEMA);
    // Who comes without TLS is turned away, so a connection that works has it.
    await query(server.url, "CREATE ROLE careful LOGIN PASSWORD 'careful'");
    await writeFile(
      join(server.dataDir, 'pg_hba.conf'),
      'hostssl all careful all scram-sha-256\nhost all postgres all scram-sha-256\n',
    );
    await query(server.url, 'SELECT pg_reload_conf()');
  });

  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const url = (parameters: Readonly<Record<string, string>>, host = '127.0.0.1'): string =>
    urlWith((address) => {
      address.host = `${host}:${server.port}`;
      address.username = 'careful';
      address.password = 'careful';
      address.search = new URLSearchParams(parameters).toString();
    }, server.url);

  const works = async (options: CliOptions): Promise<void> => {
    const result = await runCli(['status'], { config, ...options });
    expect([result.code, result.stderr]).toEqual([0, '']);
  };

  test.concurrent.each(['prefer', 'allow', 'require'])('sslmode=%s encrypts and trusts anybody', (mode) =>
    works({ url: url({ sslmode: mode }) }),
  );

  test('is used unless told otherwise', () => works({ url: url({}) }));

  test('is used where ssl=true', () => works({ url: url({ ssl: 'true' }) }));

  test('is needed here', async () => {
    const said = await refusal({ url: url({ sslmode: 'disable' }) });
    expect(said.code).toBe('28000');
    expect(said.message).toMatch(/pg_hba\.conf|no encryption|SSL off/);
  });

  test.concurrent.each(['verify-ca', 'verify-full'])('sslmode=%s trusts nobody unknown', async (mode) => {
    const said = await refusal({ url: url({ sslmode: mode }) });
    expect(said.code).toBe('tls-untrusted');
    expect(said.hint).toContain('sslrootcert');
  });

  test.concurrent.each(['require', 'verify-ca', 'verify-full'])(
    'sslmode=%s trusts the authority it is given',
    async (mode) => {
      await works({ url: url({ sslmode: mode, sslrootcert: caFile }) });
      await works({ url: url({}), env: { PGSSLMODE: mode, PGSSLROOTCERT: caFile } });
    },
  );

  test.concurrent.each(['require', 'verify-ca', 'verify-full'])(
    'sslmode=%s trusts no other authority than that',
    async (mode) => {
      const other = join(folder, `other-${mode}.pem`);
      await writeFile(other, makeCertificates().ca);
      const said = await refusal({ url: url({ sslmode: mode, sslrootcert: other }) });
      expect(said.code).toBe('tls-untrusted');
    },
  );

  test('verify-full wants the name in the certificate, verify-ca does not', async () => {
    await works({ url: url({ sslmode: 'verify-full', sslrootcert: caFile }, 'localhost') });
    // Another way to write the address, which the certificate does not know.
    await works({ url: url({ sslmode: 'verify-ca', sslrootcert: caFile }, '127.1') });
    const said = await refusal({ url: url({ sslmode: 'verify-full', sslrootcert: caFile }, '127.1') });
    expect(said.code).toBe('tls-host-name');
    expect(said.message).toContain('127.1');
  });

  test('a file that is missing, a mode that is unknown, or what is not supported, is a mistake in the call', async () => {
    for (const [parameters, message] of [
      [{ sslmode: 'verify-full', sslrootcert: join(folder, 'missing.pem') }, 'missing.pem cannot be read'],
      [{ sslmode: 'verify-fully' }, 'sslmode=verify-fully is unknown'],
      [{ channel_binding: 'require' }, 'channel_binding (other than disable or prefer)'],
    ] as const) {
      const result = await runCli(['health'], { config, url: url(parameters) });
      expect(result.code).toBe(2);
      expect(result.stderr).toContain(message);
    }
  });
});

/** A server of our own making on some port, as long as it is in scope. */
async function listen(
  onConnection: (socket: Socket) => unknown,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** As much of PostgreSQL as it takes to be asked for its version. */
function speakAsVersion(text: string): (socket: Socket) => void {
  const [major = 0, minor = 0] = text.split('.').map(Number);
  const number = major >= 10 ? major * 10_000 + minor : major * 10_000 + minor * 100;
  const values = [text, String(number)];
  const message = (type: string, ...parts: readonly Buffer[]): Buffer => {
    const content = Buffer.concat(parts);
    return Buffer.concat([Buffer.from(type), int32(content.length + 4), content]);
  };
  const column = (name: string) =>
    Buffer.concat([Buffer.from(`${name}\0`), int32(0), int16(0), int32(25), int16(-1), int32(-1), int16(0)]);
  const ready = message('Z', Buffer.from('I'));
  const answer = Buffer.concat([
    message('T', int16(2), column('version'), column('number')),
    message('D', int16(2), ...values.flatMap((value) => [int32(value.length), Buffer.from(value)])),
    message('C', Buffer.from('SELECT 1\0')),
    ready,
  ]);
  return (socket) =>
    socket.on('data', (data) => {
      if (data.length === 8) socket.write('N');
      else if (data[0] === 0) socket.write(Buffer.concat([message('R', int32(0)), ready]));
      else if (data[0] === 'Q'.charCodeAt(0)) socket.write(answer);
    });
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
}

async function query(connectionString: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString });
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Undefined as long as there is no answer. */
async function recovering(url: string): Promise<boolean | undefined> {
  try {
    const [row] = await query(url, 'SELECT pg_is_in_recovery() AS recovering');
    return row?.['recovering'] === true;
  } catch {
    return undefined;
  }
}
