import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { handlerFor } from '../../functions/runtime.ts';
import { settingsFromSecret } from '../../functions/secret.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const plentyOfTime = { getRemainingTimeInMillis: () => 600_000 };

let db: TestDatabase;
let folder: string;

async function useConfig(tables: readonly object[]): Promise<void> {
  await writeFile(join(folder, 'partitions.config.json'), JSON.stringify({ tables }));
}

const events = {
  schema: 'public',
  table: 'events',
  partitionKey: 'created_at',
  interval: 'month',
  premake: 2,
};

beforeEach(async () => {
  db = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'partition-keeper-test-'));
  await db.query('CREATE TABLE events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)');
  await useConfig([events]);
  vi.stubEnv('DATABASE_URL', db.url);
  vi.stubEnv('LAMBDA_TASK_ROOT', folder);
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
  await db.drop();
});

describe('handlers', () => {
  test('create without a payload creates what is missing and answers with the report', async () => {
    const report = await handlerFor('create')(undefined, plentyOfTime);
    expect(report).toMatchObject({ job: 'create', ok: true, dryRun: false });
    const [count] = await db.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM pg_inherits WHERE inhparent = 'events'::regclass",
    );
    expect(count?.count).toBe(3);
  });

  test('the payload is obeyed', async () => {
    const report = await handlerFor('create')(
      { premake: 5, dryRun: true, tables: ['public.events'] },
      plentyOfTime,
    );
    expect(report.tables[0]?.steps.map(({ status }) => status)).toEqual(Array(6).fill('planned'));
  });

  test('an unknown key is refused before anything is done', async () => {
    await expect(handlerFor('cleanup')({ aprove: true }, plentyOfTime)).rejects.toMatchObject({
      code: 'payload-invalid',
    });
  });

  test('a failed table fails the run after the others were done', async () => {
    await useConfig([{ ...events, table: 'absent' }, events]);
    await expect(handlerFor('create')({}, plentyOfTime)).rejects.toThrow(/public\.absent/);
    const partitions = await db.query("SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass");
    expect(partitions).toHaveLength(3);
  });

  test('without time left no step is begun, and the run says so', async () => {
    await expect(handlerFor('create')({}, { getRemainingTimeInMillis: () => 0 })).rejects.toThrow(/stopped/);
    expect(await db.query("SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass")).toHaveLength(0);
  });
});

describe('settingsFromSecret', () => {
  let endpoint: Server;
  let secret: string;

  beforeEach(async () => {
    endpoint = createServer((_, response) => {
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      response.end(JSON.stringify({ ARN: 'arn', Name: 'db', SecretString: secret }));
    });
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
    const { port } = endpoint.address() as AddressInfo;
    vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${port}`);
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  });

  afterEach(() => {
    endpoint.close();
  });

  test('takes user and password from the secret, the place from the environment', async () => {
    secret = JSON.stringify({ username: 'keeper', password: 'p@ss', host: 'old.example.com', port: 5432 });
    const settings = await settingsFromSecret('arn', { PGHOST: 'db.example.com', PGDATABASE: 'app' });
    expect(settings).toMatchObject({
      host: 'db.example.com',
      port: 5432,
      user: 'keeper',
      password: 'p@ss',
      database: 'app',
      tls: { mode: 'verify-full' },
    });
  });

  test('says what is wrong with a secret of another form, without showing it', async () => {
    secret = JSON.stringify({ username: 'keeper', pass: 'hunter2' });
    const failure = await settingsFromSecret('arn', {}).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'secret-invalid' });
    expect(String(failure)).not.toContain('hunter2');
  });
});
