import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { type PostgresVersion, startEmbeddedServer } from '../../support/embedded-server.ts';
import { startContainer } from './container.ts';

/** Which server a project wants for its tests. */
export interface WantedServer {
  /** The major version. Unless given, that of TEST_DATABASE_URL, or else our default. */
  readonly version?: PostgresVersion;
  /** True for the embedded server in any case, false for the best there is. */
  readonly embedded: boolean;
}

declare module 'vitest' {
  interface ProvidedContext {
    wantedServer: WantedServer;
    /** Leads a superuser to the server of the tests. */
    serverUrl: string;
    /** Major version of that server, by its own account. */
    serverVersion: number;
  }
}

/** A server for the tests and the way to be rid of it. */
interface TestServer {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/**
 * Provides the tests of a project with a server: the one TEST_DATABASE_URL names, else a container if a Docker
 * daemon answers, else an embedded server. Throws if it is not of the version wanted.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const { wantedServer } = project.getProvidedContext();
  const server = await startServer(wantedServer);
  try {
    const version = await majorVersion(server.url);
    if (wantedServer.version !== undefined && version !== wantedServer.version) {
      throw new Error(
        `The tests want PostgreSQL ${wantedServer.version}, the server is PostgreSQL ${version}.`,
      );
    }
    project.provide('serverUrl', server.url);
    project.provide('serverVersion', version);
    return server.stop;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function startServer({ version = 17, embedded }: WantedServer): Promise<TestServer> {
  const { TEST_DATABASE_URL: url } = process.env;
  if (embedded) return await startEmbeddedServer({ version });
  if (url !== undefined && url !== '') return { url, stop: async () => {} };
  return (await startContainer(version)) ?? (await startEmbeddedServer({ version }));
}

async function majorVersion(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
    return Math.floor(Number(rows[0]?.server_version_num) / 10_000);
  } finally {
    await client.end();
  }
}
