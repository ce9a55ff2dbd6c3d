import type pg from 'pg';
import { connect } from '../postgres/connect.ts';
import type { ConnectionSettings } from '../postgres/connection-options.ts';
import { codeOf, SQLSTATE } from '../postgres/sqlstate.ts';

/** What is between us and the server. */
export interface PoolerFacts {
  /** Whether the process of the server is another one than the connection was told of: a pooler tells of one of its own. */
  readonly pooled: boolean;
  /** Whether two connections were served by one process: what a session holds is then anybody's. */
  readonly shared: boolean;
  readonly serverVersion: string;
}

interface PidRow {
  readonly pid: number;
  readonly version: string;
}

async function served(client: pg.Client): Promise<PidRow> {
  const { rows } = await client.query<PidRow>(
    "SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.current_setting('server_version') AS version",
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the server told nothing of the session');
  return row;
}

/**
 * Whether a session is handed on between transactions: then a second connection that begins one is served by the
 * process that served us just now, or we are served by another one while it lasts.
 */
async function isShared(client: pg.Client, settings: ConnectionSettings): Promise<boolean> {
  const other = await connect(settings, 'partition-keeper/doctor');
  try {
    const { pid } = await served(client);
    await other.query('BEGIN');
    const theirs = await served(other);
    return theirs.pid === pid || (await served(client)).pid !== pid;
  } catch (error) {
    // Said by a pooler that hands sessions on after every statement, where no transaction can be begun.
    if (codeOf(error) === SQLSTATE.protocolViolation) return true;
    throw error;
  } finally {
    await other.end();
  }
}

/**
 * Looks for a pooler before anything is set: in one that shares sessions, our settings would become the application's.
 * @throws KeeperError when it cannot connect
 */
export async function lookForPooler(settings: ConnectionSettings): Promise<PoolerFacts> {
  const client = await connect(settings, 'partition-keeper/doctor');
  try {
    const { pid, version } = await served(client);
    // What the server announced when the connection began; the driver's types do not know it.
    const pooled = Reflect.get(client, 'processID') !== pid;
    return {
      pooled,
      shared: pooled && (await isShared(client, settings)),
      serverVersion: version.split(' ')[0] ?? version,
    };
  } finally {
    await client.end();
  }
}
