import pg from 'pg';
import type { EmbeddedServer } from '../../support/embedded-server.ts';

export async function connect(connectionString: string, application?: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, application_name: application });
  // A lost connection also fails the query that is under way, which is where it is dealt with.
  client.on('error', () => {});
  await client.connect();
  return client;
}

export async function withClient<T>(
  connectionString: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(connectionString);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Returns the connection string of a new, empty database. */
export async function createDatabase(server: EmbeddedServer): Promise<string> {
  await withClient(server.url, (client) => client.query('CREATE DATABASE demo'));
  const url = new URL(server.url);
  url.pathname = '/demo';
  return url.href;
}
