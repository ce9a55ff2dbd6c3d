import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedServer } from '../../../support/embedded-server.ts';
import { makeCertificates } from '../../support/certificates.ts';

const sql = (path: string): URL => new URL(`../../../sql/${path}`, import.meta.url);

/** A partition as the catalog has it. */
export interface CatalogEntry {
  readonly table: string;
  readonly name: string;
  readonly bounds: string;
  readonly owner: string;
  /** Another one after it was dropped and made again. */
  readonly oid: number;
}

export interface Database extends AsyncDisposable {
  readonly port: number;
  /** The authority that has issued the certificate of the server, for 'localhost'. */
  readonly caFile: string;
  /** Whom the functions log in as. */
  readonly login: { readonly username: string; readonly password: string };
  /** As an administrator. */
  readonly query: (text: string, values?: readonly unknown[]) => Promise<unknown[]>;
  readonly catalog: () => Promise<CatalogEntry[]>;
}

/**
 * A server with TLS, and in the database 'app' the six tables, without partitions, and the role that sql/ has for us.
 * @param folder where the file of the authority is put
 */
export async function startDatabase(folder: string): Promise<Database> {
  const { ca, cert, key } = makeCertificates();
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, ca);
  const server = await startEmbeddedServer({ ssl: { cert, key } });
  const login = { username: 'partition_keeper', password: randomBytes(16).toString('hex') };
  const url = new URL(server.url);
  const admin = new pg.Client({ connectionString: url.href });
  url.pathname = '/app';
  const client = new pg.Client({ connectionString: url.href });
  const stop = async (): Promise<void> => {
    await client.end();
    await server.stop();
  };
  try {
    await admin.connect();
    await admin.query('CREATE DATABASE app');
    await admin.end();
    await client.connect();
    for (const file of (await readdir(sql('tables/'))).toSorted()) {
      await client.query(await readFile(sql(`tables/${file}`), 'utf8'));
    }
    await client.query(await readFile(sql('roles/least-privilege.sql'), 'utf8'));
    await client.query(`ALTER ROLE ${login.username} PASSWORD '${login.password}'`);
  } catch (error) {
    await Promise.all([admin.end(), client.end()]);
    await server.stop();
    throw error;
  }
  return {
    port: server.port,
    caFile,
    login,
    query: async (text, values = []) => (await client.query(text, [...values])).rows,
    catalog: async () => {
      const { rows } = await client.query<CatalogEntry>(
        `SELECT inhparent::regclass::text AS table, inhrelid::regclass::text AS name,
           pg_get_expr(relpartbound, oid) AS bounds, relowner::regrole::text AS owner, oid::int AS oid
         FROM pg_inherits JOIN pg_class ON oid = inhrelid
         WHERE relispartition AND relkind = 'r' ORDER BY 1, 2`,
      );
      return rows;
    },
    [Symbol.asyncDispose]: stop,
  };
}
