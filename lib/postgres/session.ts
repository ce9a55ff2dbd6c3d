import type pg from 'pg';
import { Temporal } from 'temporal-polyfill';
import { KeeperError } from '../errors.ts';
import { releaseTableLocks } from './advisory-lock.ts';
import { CONNECTION_LOST, connect, isConnectionLoss } from './connect.ts';
import type { ConnectionSettings } from './connection-options.ts';

/** PostgreSQL 14 brought DETACH PARTITION CONCURRENTLY and `inhdetachpending`. */
const OLDEST_VERSION = 140_000;

/** What one needs to know of the server before the first statement. */
export interface ServerFacts {
  readonly database: string;
  /** For people, such as `17.10`. */
  readonly version: string;
  readonly versionNumber: number;
  readonly role: string;
  /** The server's clock at the start of the run. */
  readonly clock: Temporal.Instant;
  /** Whether it accepts no writes: a standby, or a session that was made read-only. */
  readonly readOnly: boolean;
  readonly inRecovery: boolean;
  /** Milliseconds after which the server looks for deadlocks and may choose a victim. */
  readonly deadlockTimeoutMs: number;
}

export interface Session {
  readonly client: pg.Client;
  readonly server: ServerFacts;
}

/**
 * Settings that no surrounding default may change: instants are read and written in UTC, names resolve to
 * nobody's objects and are quoted only where they must be, oids come whole, a transaction sees what was committed
 * while it waited, row security leaves out no row in silence (that is an error instead), and nothing waits or
 * stays open for ever: a transaction in which we fall silent, as a machine that is put to sleep does, may hold locks.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'iso_8601',
  search_path: 'pg_catalog',
  quote_all_identifiers: 'off',
  extra_float_digits: '1',
  default_transaction_isolation: 'read committed',
  row_security: 'off',
  standard_conforming_strings: 'on',
  client_min_messages: 'warning',
  lock_timeout: '2s',
  statement_timeout: '60s',
  idle_in_transaction_session_timeout: '10s',
  idle_session_timeout: '60s',
};

/**
 * The first is unknown before PostgreSQL 17 and would end a long move of rows each time anew; the second, which hides
 * deletions from foreign keys, takes a superuser. So they are set only where they are otherwise.
 */
const SETTINGS_OF_SOME = `
  SELECT pg_catalog.set_config(s.name, w.value, false)
  FROM pg_catalog.pg_settings AS s JOIN (VALUES ('transaction_timeout', '0'), ('session_replication_role', 'origin')) AS w (name, value) USING (name)
  WHERE s.setting <> w.value`;

/**
 * A statement of ours that may take long, such as a move of rows, ends when we are no longer there to hear of it, and
 * its locks with it. Not every system can tell the server of a connection that was closed.
 */
const NOTICE_LOSS = `
  DO $$ BEGIN
    PERFORM pg_catalog.set_config('client_connection_check_interval', '1s', false);
  EXCEPTION WHEN invalid_parameter_value THEN NULL;
  END $$`;

/** The settings as statements, for scripts that are run elsewhere. */
export const settingStatements = (): string[] =>
  Object.entries(SETTINGS).map(([name, value]) => `SET ${name} = '${value}'`);

interface FactsRow {
  readonly database: string;
  readonly version: string;
  readonly version_number: number;
  readonly role: string;
  readonly clock: string;
  readonly read_only: boolean;
  readonly in_recovery: boolean;
  readonly deadlock_timeout: number;
}

async function prepare(client: pg.Client, readOnly: boolean): Promise<void> {
  const settings = { ...SETTINGS, ...(readOnly ? { default_transaction_read_only: 'on' } : {}) };
  const calls = Object.entries(settings).map(
    (_, index) => `pg_catalog.set_config($${index * 2 + 1}, $${index * 2 + 2}, false)`,
  );
  await client.query(`SELECT ${calls.join(', ')}`, Object.entries(settings).flat());
  await client.query(SETTINGS_OF_SOME);
  if (!readOnly) await client.query(NOTICE_LOSS);
}

async function readFacts(client: pg.Client): Promise<ServerFacts> {
  const { rows } = await client.query<FactsRow>(`
    SELECT current_database() AS database, current_setting('server_version') AS version,
           current_setting('server_version_num')::int AS version_number, current_user AS role,
           to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS clock,
           current_setting('transaction_read_only') = 'on' AS read_only,
           pg_is_in_recovery() AS in_recovery,
           (SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout') AS deadlock_timeout`);
  const [row] = rows;
  if (row === undefined) throw new Error('the server told nothing of itself');
  return {
    database: row.database,
    version: row.version.split(' ')[0] ?? row.version,
    versionNumber: row.version_number,
    role: row.role,
    clock: Temporal.Instant.from(row.clock),
    readOnly: row.read_only,
    inRecovery: row.in_recovery,
    deadlockTimeoutMs: row.deadlock_timeout,
  };
}

/** @throws KeeperError when the server is too old */
export function checkVersion(server: Pick<ServerFacts, 'version' | 'versionNumber'>): void {
  if (server.versionNumber >= OLDEST_VERSION) return;
  throw new KeeperError({
    code: 'server-too-old',
    message: `The server is PostgreSQL ${server.version}; Partition Keeper needs 14 or newer.`,
    hint: 'Upgrade the server. PostgreSQL 13 and older cannot detach a partition without blocking readers.',
  });
}

/** @throws KeeperError when the server takes no writes */
function checkWritable(server: ServerFacts, settings: ConnectionSettings): void {
  if (!server.readOnly && !server.inRecovery) return;
  throw new KeeperError({
    code: 'read-only-server',
    message: server.inRecovery
      ? `${settings.host}:${settings.port} is a read replica (in recovery): partitions cannot be changed there.`
      : `Transactions of role ${server.role} in database ${server.database} are read-only.`,
    hint: server.inRecovery
      ? 'Connect to the primary (on RDS: the writer endpoint).'
      : 'Unset default_transaction_read_only for this role or database.',
  });
}

/**
 * Connects, pins the session's settings and looks at the server.
 * @param purpose the job, shown as `partition-keeper/<purpose>` in `pg_stat_activity`
 * @param access `write` also demands that the server takes writes; `read` makes the session read-only
 * @throws KeeperError when it cannot connect, the server is too old, or takes no writes
 */
export async function openSession(
  settings: ConnectionSettings,
  purpose: string,
  access: 'read' | 'write',
): Promise<Session> {
  const client = await connect(settings, `partition-keeper/${purpose}`);
  try {
    const versionRow = await client.query<{ version: string; number: string }>(
      `SELECT pg_catalog.current_setting('server_version') AS version,
              pg_catalog.current_setting('server_version_num') AS number`,
    );
    const found = versionRow.rows[0];
    checkVersion({ version: found?.version ?? '', versionNumber: Number(found?.number) });
    await prepare(client, access === 'read');
    const server = await readFacts(client);
    if (access === 'write') checkWritable(server, settings);
    return { client, server };
  } catch (error) {
    await client.end();
    throw error;
  }
}

/**
 * Works over a connection and then ends it, whatever has happened.
 * @throws KeeperError `connection-lost` when the connection broke meanwhile; else whatever the work has thrown
 */
export async function untilDone<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (isConnectionLoss(client, error)) throw new KeeperError({ ...CONNECTION_LOST, cause: error });
    throw error;
  } finally {
    // Where that fails, the end of the connection gives them back.
    await releaseTableLocks(client).catch(() => undefined);
    await client.end();
  }
}
