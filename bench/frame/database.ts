import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { connectionSettings, parseConfig, runCreate } from '../../lib/index.ts';
import shipped from '../../partitions.config.ts';

const TABLES = new URL('../../sql/tables/', import.meta.url);

/** A connection that its end does not end the process. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

export async function withClient<Value>(
  url: string,
  use: (client: pg.Client) => Promise<Value>,
): Promise<Value> {
  const client = await connect(url);
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Creates the six example tables with all partitions that are due. */
export async function createShippedTables(url: string): Promise<void> {
  await withClient(url, async (client) => {
    for (const file of (await readdir(TABLES)).toSorted()) {
      await client.query(await readFile(new URL(file, TABLES), 'utf8'));
    }
  });
  const report = await runCreate({
    config: parseConfig(shipped, 'the six example tables'),
    connection: connectionSettings(url, {}),
  });
  if (!report.ok) throw new Error(JSON.stringify(report.tables));
}

/** The version of the server, as it says itself: 17.10. */
export const serverVersion = (url: string): Promise<string> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ version: string }>(
      "SELECT current_setting('server_version') AS version",
    );
    return rows[0]?.version ?? '';
  });

/** The address of another database on the same server. */
export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** A copy of a database, in which things may be changed, with a folder for files; both are gone afterwards. */
export async function inCopy<Value>(
  serverUrl: string,
  template: string,
  use: (url: string, folder: string) => Promise<Value>,
): Promise<Value> {
  const [name, folder] = [`copy_of_${template}`, mkdtempSync(join(tmpdir(), 'partition-keeper-bench-'))];
  await withClient(serverUrl, (admin) =>
    admin.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`),
  );
  try {
    return await use(databaseUrl(serverUrl, name), folder);
  } finally {
    await withClient(serverUrl, (admin) => admin.query(`DROP DATABASE ${name} WITH (FORCE)`));
    rmSync(folder, { recursive: true });
  }
}
