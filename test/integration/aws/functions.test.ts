import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { credentials } from '../../../functions/credentials.ts';
import { logger } from '../../../functions/log.ts';
import { handlerFor } from '../../../functions/runtime.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

const plentyOfTime = { awsRequestId: 'request', getRemainingTimeInMillis: () => 600_000 };

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
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'true');
  logger.setLogLevel('SILENT');
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
    await expect(handlerFor('cleanup')({ aprove: true }, plentyOfTime)).rejects.toThrow(/aprove/);
  });

  test('a failed table fails the run after the others were done', async () => {
    await useConfig([{ ...events, table: 'absent' }, events]);
    await expect(handlerFor('create')({}, plentyOfTime)).rejects.toThrow(/public\.absent/);
    const partitions = await db.query("SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass");
    expect(partitions).toHaveLength(3);
  });

  test('without time left no step is begun, and the run says so', async () => {
    await expect(
      handlerFor('create')({}, { ...plentyOfTime, getRemainingTimeInMillis: () => 0 }),
    ).rejects.toThrow(/stopped/);
    expect(await db.query("SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass")).toHaveLength(0);
  });
});

describe('a payload of cleanup', () => {
  beforeEach(async () => {
    await useConfig([{ ...events, retention: { months: 1 }, maxExpiredShare: 1 }]);
    await db.query(`
      CREATE TABLE first PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
      CREATE TABLE second PARTITION OF events FOR VALUES FROM ('2020-02-01') TO ('2020-03-01');
      CREATE TABLE present PARTITION OF events FOR VALUES FROM (now() - interval '1 day') TO (now() + interval '1 day')`);
  });

  const left = async (): Promise<string[]> => {
    const rows = await db.query<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events'::regclass ORDER BY 1",
    );
    return rows.map(({ name }) => name);
  };

  test('removes just the partitions it names', async () => {
    const report = await handlerFor('cleanup')({ partitions: ['public.second'] }, plentyOfTime);
    expect(report.tables[0]?.steps.map(({ kind, partition }) => [kind, partition])).toEqual([
      ['drop', 'public.second'],
    ]);
    expect(await left()).toEqual(['first', 'present']);
  });

  test.each([
    ['inside retention', ['public.first', 'public.present'], /public\.present is kept until/],
    ['unknown', ['public.first', 'public.thrid'], /no configured table .* public\.thrid/i],
  ])('that names one that is %s removes nothing', async (_, partitions, message) => {
    await expect(handlerFor('cleanup')({ partitions }, plentyOfTime)).rejects.toThrow(message);
    expect(await left()).toEqual(['first', 'present', 'second']);
  });

  test.each([{ partitions: [] }, { tables: [] }])(
    '%j means nobody, not all, and is refused',
    async (payload) => {
      await expect(handlerFor('cleanup')(payload, plentyOfTime)).rejects.toThrow(/must name at least one/);
      expect(await left()).toHaveLength(3);
    },
  );
});

describe('credentials', () => {
  let endpoint: Server;
  let secret: string;
  let status: number;

  beforeEach(async () => {
    status = 200;
    endpoint = createServer((_, response) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(
        status === 200
          ? JSON.stringify({ ARN: 'arn', Name: 'db', SecretString: secret })
          : JSON.stringify({ __type: 'AccessDeniedException', message: 'no' }),
      );
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

  const place = { PGHOST: 'db.example.com', PGDATABASE: 'app' };
  let number = 0;
  /** Another one each time: what was fetched is kept. */
  const fromSecret = () => ({ ...place, DATABASE_SECRET_ARN: `arn:${number++}` });

  test('take user and password from the secret, the place from the environment', async () => {
    secret = JSON.stringify({ username: 'keeper', password: 'p@ss', host: 'old.example.com', port: 5432 });
    const { settings, cached } = await credentials(fromSecret(), false);
    expect(cached).toBe(false);
    expect(settings).toMatchObject({
      host: 'db.example.com',
      port: 5432,
      user: 'keeper',
      password: 'p@ss',
      database: 'app',
      tls: { mode: 'verify-full' },
    });
  });

  test('keep a secret until they are asked to fetch it anew', async () => {
    const env = fromSecret();
    const password = async (fresh: boolean) => (await credentials(env, fresh)).settings.password;
    secret = JSON.stringify({ username: 'keeper', password: 'old' });
    await credentials(env, false);
    secret = JSON.stringify({ username: 'keeper', password: 'new' });
    expect(await password(false)).toBe('old');
    expect(await password(true)).toBe('new');
    expect(await password(false)).toBe('new');
  });

  test.each([
    ['another form', JSON.stringify({ username: 'keeper', pass: 'hunter2' })],
    ['no JSON', 'hunter2'],
  ])('say what is wrong with a secret of %s, without showing it', async (_, text) => {
    secret = text;
    const failure = await credentials(fromSecret(), false).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'secret-invalid' });
    expect(String(failure)).not.toContain('hunter2');
  });

  test('say what to check when the secret may not be read', async () => {
    status = 400;
    await expect(credentials(fromSecret(), false)).rejects.toMatchObject({
      code: 'secret-unavailable',
      message: expect.stringContaining('AccessDeniedException'),
    });
  });

  test('make a token for a role that logs in by IAM', async () => {
    const { settings } = await credentials({ ...place, PGPORT: '5433', DATABASE_IAM_USER: 'keeper' }, false);
    expect(settings).toMatchObject({
      host: 'db.example.com',
      port: 5433,
      user: 'keeper',
      tls: { mode: 'verify-full' },
    });
    const { password } = settings;
    expect(typeof password === 'function' ? await password() : '').toMatch(
      /^db\.example\.com:5433\/\?Action=connect&DBUser=keeper&.*X-Amz-Expires=900.*X-Amz-Signature=[0-9a-f]{64}/,
    );
  });
});
