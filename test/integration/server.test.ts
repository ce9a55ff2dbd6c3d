import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import pg from 'pg';
import { describe, expect, inject, test } from 'vitest';
import { startEmbeddedServer } from '../../support/embedded-server.ts';
import { makeCertificates } from '../support/certificates.ts';
import { createTestDatabase } from '../support/database.ts';
import { waitUntil } from '../support/wait.ts';

/** The embedded servers of these tests are of the version under test too, so that each version's binaries are tried. */
const { version = 17 } = inject('wantedServer');

describe('the server of the tests', () => {
  test('is of the version it is said to be', async () => {
    await using database = await createTestDatabase();
    const [row] = await database.query<{ major: number }>(
      "SELECT current_setting('server_version_num')::int / 10000 AS major",
    );
    expect(row?.major).toBe(inject('serverVersion'));
  });

  test('keeps databases apart', async () => {
    await using one = await createTestDatabase();
    await using other = await createTestDatabase();
    await one.query('CREATE TABLE things (id int)');
    await other.query('CREATE TABLE things (id int)');
    await one.query('INSERT INTO things VALUES ($1)', [1]);
    expect(await one.query('SELECT id FROM things')).toEqual([{ id: 1 }]);
    expect(await other.query('SELECT id FROM things')).toEqual([]);
  });

  test('has nothing left of a database that was dropped, though it was in use', async () => {
    await using witness = await createTestDatabase();
    const database = await createTestDatabase();
    const role = await database.createRole({ inherit: false, attributes: 'CREATEDB' });
    await database.query(`GRANT CREATE ON DATABASE ${database.name} TO ${role.name}`);
    const client = await database.connect({ role });
    await client.query('CREATE SCHEMA owned CREATE TABLE things (id int)');
    await client.query('BEGIN');
    await client.query('LOCK TABLE owned.things');

    await database.drop();

    const left = await witness.query(
      'SELECT datname AS name FROM pg_database WHERE datname = $1 UNION SELECT rolname FROM pg_roles WHERE rolname = $2',
      [database.name, role.name],
    );
    expect(left).toEqual([]);
  });
});

describe('an embedded server', () => {
  test('keeps its data and its address over a restart, and is gone after a stop', async () => {
    const server = await startEmbeddedServer({ version, settings: { TimeZone: 'Asia/Tokyo' } });
    try {
      await queryOnce(server.url, 'CREATE TABLE things AS SELECT 1 AS id');
      await server.restart();
      expect(
        await queryOnce(server.url, "SELECT id, current_setting('TimeZone') AS zone FROM things"),
      ).toEqual([{ id: 1, zone: 'Asia/Tokyo' }]);
    } finally {
      await server.stop();
    }
    expect(existsSync(dirname(server.dataDir))).toBe(false);
    expect(await isOpen(server.port)).toBe(false);
  });

  test('says why it does not start', async () => {
    await expect(startEmbeddedServer({ version, settings: { work_mem: 'plenty' } })).rejects.toThrow(
      'invalid value for parameter "work_mem": "plenty"',
    );
  });

  test('identifies itself with its certificate', async () => {
    const { ca, cert, key } = makeCertificates();
    const server = await startEmbeddedServer({ version, ssl: { cert, key } });
    try {
      const sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
      expect(await queryOnce(server.url, sql, { ca })).toEqual([{ ssl: true }]);
      await expect(queryOnce(server.url, sql, { ca: makeCertificates().ca })).rejects.toThrow('certificate');
    } finally {
      await server.stop();
    }
  });

  test.each<{ handles: boolean; signals: NodeJS.Signals[] }>([
    { handles: false, signals: ['SIGTERM'] },
    { handles: false, signals: ['SIGKILL'] },
    { handles: true, signals: ['SIGTERM'] },
    { handles: true, signals: ['SIGINT', 'SIGTERM', 'SIGINT'] },
  ])('ends with the process that started it: $signals, handled: $handles', async ({ handles, signals }) => {
    const starter = await startInProcess(handles);
    for (const signal of signals) starter.child.kill(signal);
    const [, signal] = await once(starter.child, 'exit');
    expect(signals).toContain(signal);
    await waitUntil(() => !existsSync(starter.folder), { what: 'the folder is gone' });
    await waitUntil(async () => !(await isRunning(starter.postmaster)), { what: 'the server has ended' });
  });
});

/** Starts a server in another Node process, which leaves it running until it is ended itself. */
async function startInProcess(handlingSignals: boolean) {
  const module = new URL('../../support/embedded-server.ts', import.meta.url);
  const code = `
    import { startEmbeddedServer, stopOnSignals } from '${module}';
    const server = await startEmbeddedServer({ version: ${version} });
    if (${handlingSignals}) stopOnSignals(server);
    console.log(server.dataDir);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [dataDir] = await once(createInterface(child.stdout), 'line');
  const lockFile = await readFile(join(dataDir, 'postmaster.pid'), 'utf8');
  return { child, folder: dirname(dataDir), postmaster: Number.parseInt(lockFile, 10) };
}

/** Whether a process runs. One that has ended counts as such even if nobody has asked for its exit status yet. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not ours to signal, but running.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return !/^State:\s+Z/m.test(status);
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function queryOnce(connectionString: string, sql: string, ssl?: { readonly ca: string }) {
  const client = new pg.Client({ connectionString, ssl: ssl ?? false });
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
