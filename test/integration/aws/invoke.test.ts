import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { bundleFunctions } from '../../../lib/aws/code.ts';
import { ENVIRONMENT, type Report } from '../../../lib/contract.ts';
import { type InvokeOptions, invokeJob } from '../../../lib/invoke/invoke.ts';
import { needed } from '../../../lib/invoke/sdk.ts';
import { type CliResult, runCli } from '../../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { configFile, done, partitionsOf } from '../../support/keeper.ts';
import { type InvokeEndpoint, refusal, startInvokeEndpoint } from '../../support/lambda/invoke-api.ts';
import { type RunningFunction, startFunction } from '../../support/lambda/runtime-api.ts';
import { monthStart } from '../../support/traffic.ts';

let folder: string;
let database: TestDatabase;
let functions: Readonly<Record<'create' | 'cleanup' | 'health', RunningFunction>>;
let endpoint: InvokeEndpoint;

const config = configFile({ premake: 1, retention: { months: 1 }, maxExpiredShare: 1 });

const start = (handler: string): Promise<RunningFunction> =>
  startFunction({
    taskRoot: folder,
    handler: `${handler}.handler`,
    environment: { DATABASE_URL: database.url, [ENVIRONMENT.config]: join(folder, 'config.json') },
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'partition-keeper-test-'));
  bundleFunctions(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  database = await createTestDatabase();
  functions = {
    create: await start('create-partitions'),
    cleanup: await start('cleanup-partitions'),
    health: await start('check-health'),
  };
  endpoint = await startInvokeEndpoint(
    {
      'keeper-create': functions.create,
      'keeper-cleanup': functions.cleanup,
      'keeper-health': functions.health,
    },
    { CreateFunction: 'keeper-create', CleanupFunction: 'keeper-cleanup', HealthFunction: 'keeper-health' },
  );
});

afterAll(async () => {
  endpoint[Symbol.dispose]();
  await Promise.all(Object.values(functions).map((lambda) => lambda.stop()));
  await database.drop();
  await rm(folder, { recursive: true });
});

const old = (name: string, from: string, to: string): string =>
  `CREATE TABLE app.${name} PARTITION OF app.events FOR VALUES FROM ('${from}') TO ('${to}');`;

beforeEach(async () => {
  endpoint.answerWith(null);
  await database.query(`
    DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app;
    CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
    ${old('first', '2020-01-01', '2020-02-01')} ${old('second', '2020-02-01', '2020-03-01')}
    ${old('present', monthStart(0), monthStart(1))}`);
});

const account = () => ({
  AWS_ENDPOINT_URL: endpoint.url,
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
});

const invoke = (args: string): Promise<CliResult> =>
  runCli(['invoke', ...args.split(' ')], {
    env: account(),
  });

const report = (result: CliResult): Report => result.json() as Report;
const names = async (): Promise<string[]> => Object.keys(await partitionsOf(database)).toSorted();

describe('the function does what the command of its name does', () => {
  test('cleanup --partition: dry run, then for real, found by the outputs of the stack', async () => {
    const dry = await invoke('cleanup --partition app.first --dry-run --format json');
    expect([dry.code, dry.stderr]).toEqual([0, '']);
    expect(report(dry)).toMatchObject({ job: 'cleanup', dryRun: true, database: database.name });
    expect(await names()).toHaveLength(3);

    const real = await invoke('cleanup --partition app.first --format json');
    expect(real.code).toBe(0);
    expect(done(report(real))).toEqual(['drop app.first']);
    expect(await names()).toEqual(['present', 'second']);
    expect(endpoint.calls.at(-1)).toEqual({
      functionName: 'keeper-cleanup',
      payload: { partitions: ['app.first'] },
      logType: 'Tail',
    });
  });

  test('create, for people, by the name of the function and with the payload as it is', async () => {
    const payload = '{"tables":["app.events"],"premake":2}';
    const result = await invoke(`create --function keeper-create --payload ${payload}`);
    expect([result.code, result.stderr]).toEqual([0, '']);
    expect(result.stdout).toMatch(/^partition-keeper create: database test_/);
    expect(result.stdout).toMatch(/ok: \d+ created/);
    expect(await names()).toContain(`events_${monthStart(2).slice(0, 7).replace('-', '_')}`);
  });

  test('what a guard refuses comes with the report and ends with 4, what fails with 1, findings with 3', async () => {
    const refused = await invoke('cleanup --partition app.present --format json');
    expect(refused.code).toBe(4);
    expect(report(refused)).toMatchObject({
      ok: false,
      tables: [{ status: 'refused', error: { code: 'not-expired' } }],
    });
    const health = await invoke('health --format json');
    expect([health.code, report(health).job]).toEqual([3, 'health']);
    await database.query('DROP TABLE app.events');
    const failed = await invoke('create --format json');
    expect(failed.code).toBe(1);
    expect(report(failed)).toMatchObject({ ok: false, tables: [{ status: 'failed' }] });
  });

  test('a caller who does not ask for the report gets the failure, as before', async () => {
    const { ok, payload } = await functions.cleanup.invoke({ partitions: ['app.present'] });
    expect([ok, payload]).toEqual([
      false,
      expect.objectContaining({ errorMessage: expect.stringContaining('is kept until') }),
    ]);
  });

  test('a function that fails without a report: its message, the end of its log, and 1', async () => {
    const result = await invoke('cleanup --partition app.absent --format json');
    expect(result.code).toBe(1);
    expect(report(result).error).toMatchObject({
      code: 'function-failed',
      message: expect.stringContaining(
        'has a partition, or a table detached from it, of the name app.absent',
      ),
    });
    expect(result.stderr).toContain('"level":"ERROR"');
  });
});

describe('what is wrong is said before anything is called', () => {
  test.concurrent.each([
    ['cleanup --premake 5', 'payload-invalid', 'premake'],
    ['create --payload {"premak":5}', 'payload-invalid', 'premak'],
    ['create --payload nonsense', 'payload-invalid', 'not JSON'],
    ['create --payload {} --premake 2', 'payload-twice', '--payload'],
    ['drop', 'job-unknown', 'drop'],
  ])('%s', async (args, code, word) => {
    const before = endpoint.calls.length;
    const result = await invoke(`${args} --format json`);
    expect([result.code, report(result).error]).toEqual([
      2,
      expect.objectContaining({ code, message: expect.stringContaining(word) }),
    ]);
    expect(endpoint.calls).toHaveLength(before);
  });
});

test('without the SDK it says what to install', async () => {
  const missing = 'partition-keeper-test-absent';
  await expect(needed(() => import(missing), missing)).rejects.toMatchObject({
    code: 'sdk-missing',
    hint: expect.stringContaining(`npm install ${missing} `),
  });
});

describe('what AWS refuses', () => {
  beforeEach(() => {
    for (const [name, value] of Object.entries(account())) vi.stubEnv(name, value);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'absent'));
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'absent'));
    return () => vi.unstubAllEnvs();
  });

  const errorOf = (options: Partial<InvokeOptions> = {}): Promise<unknown> =>
    invokeJob({ job: 'health', payload: {}, stack: 'PartitionKeeper', ...options }).catch(
      (error: unknown) => error,
    );

  test.each([
    [refusal(404, 'ResourceNotFoundException', 'Function not found'), 'function-unknown'],
    [refusal(403, 'AccessDeniedException', 'not authorized'), 'access-denied'],
    [refusal(429, 'TooManyRequestsException', 'Rate Exceeded.'), 'function-busy'],
    [refusal(500, 'ServiceException', 'oops'), 'ServiceException'],
    [[200, {}, '"hello"'] as const, 'answer-unknown'],
  ])('is told, and called once only: %j', async (answer, code) => {
    endpoint.answerWith(answer);
    const before = endpoint.calls.length;
    expect(await errorOf()).toMatchObject({ code, exitCode: 1 });
    expect(endpoint.calls.length - before).toBe(1);
  });

  test('a connection that breaks off leaves it open whether the job was done, and it is not called again', async () => {
    endpoint.answerWith('break off');
    const before = endpoint.calls.length;
    expect(await errorOf()).toMatchObject({ code: 'answer-missing' });
    expect(endpoint.calls.length - before).toBe(1);
  });

  test('a stack that is not there', async () => {
    expect(await errorOf({ stack: 'Another' })).toMatchObject({
      code: 'stack-unknown',
      hint: expect.stringContaining('--function'),
    });
  });

  test('an endpoint that is not there', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1');
    expect(await errorOf({ function: 'x' })).toMatchObject({ code: 'aws-unreachable' });
  });

  test('no region, unless one is asked for', async () => {
    vi.stubEnv('AWS_REGION', '');
    expect(await errorOf()).toMatchObject({ code: 'region-missing', exitCode: 2 });
    expect(await errorOf({ region: 'eu-west-1' })).toMatchObject({ job: 'health' });
  });

  test('no credentials', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', '');
    expect(await errorOf({ function: 'x' })).toMatchObject({ code: 'credentials-missing' });
  });
});
