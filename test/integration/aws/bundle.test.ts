import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  onTestFinished,
  test,
} from 'vitest';
import { FUNCTIONS, type FunctionName } from '../../../lib/aws/code.ts';
import { ENVIRONMENT, type Job, METRIC_NAMESPACE, type Report } from '../../../lib/contract.ts';
import { type EmbeddedServer, startEmbeddedServer } from '../../../support/embedded-server.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { synthesize, type TestAssembly } from '../../support/lambda/assembly.ts';
import {
  type Answer,
  type Emitted,
  listen,
  metricsOf,
  parseLines,
  type RunningFunction,
  recordsOf,
  startFunction,
} from '../../support/lambda/runtime-api.ts';
import { type SecretsEndpoint, startSecrets } from '../../support/lambda/secrets.ts';
import { deployment } from '../../support/stack.ts';
import { partitionName } from '../../support/traffic.ts';

const { version = 17 } = inject('wantedServer');
const sql = (path: string): URL => new URL(`../../../sql/${path}`, import.meta.url);

let assembly: TestAssembly;
let server: EmbeddedServer;
let secrets: SecretsEndpoint;
let folder: string;
let password: string;
/** Whatever was a password in the course of a test, and the functions that were started in it. */
const passwords: string[] = [];
const started: RunningFunction[] = [];
let numbers = 0;
const another = (): number => ++numbers;

beforeAll(async () => {
  const { ca, cert, key } = makeCertificates();
  folder = await mkdtemp(join(tmpdir(), 'partition-keeper-test-'));
  await writeFile(join(folder, 'ca.pem'), ca);
  assembly = synthesize();
  server = await startEmbeddedServer({ version, ssl: { cert, key } });
  const admin = await connectTo('postgres');
  await admin.query('CREATE DATABASE six_tables');
  await admin.end();
  const client = await connectTo('six_tables');
  for (const file of (await readdir(sql('tables/'))).toSorted()) {
    await client.query(await readFile(sql(`tables/${file}`), 'utf8'));
  }
  await client.query(await readFile(sql('roles/least-privilege.sql'), 'utf8'));
  await client.end();
});

beforeEach(async () => {
  secrets = await startSecrets(deployment.secretArn, { username: 'partition_keeper', password: '' });
  await rotate();
  return () => secrets[Symbol.dispose]();
});

afterEach(() => {
  const logs = started.flatMap((lambda) => lambda.logs()).join('\n');
  for (const secret of passwords) expect(logs, 'the logs of all functions').not.toContain(secret);
  started.length = 0;
  passwords.length = 0;
});

afterAll(async () => {
  await server.stop();
  assembly[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

async function connectTo(database: string): Promise<pg.Client> {
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  return client;
}

/** Gives the role another password, and the secret too unless told otherwise. */
async function rotate(where: { readonly secret: boolean } = { secret: true }): Promise<void> {
  password = `secret-${another()}`;
  passwords.push(password);
  const client = await connectTo('postgres');
  await client.query(`ALTER ROLE partition_keeper PASSWORD '${password}'`);
  await client.end();
  if (where.secret) secrets.set({ username: 'partition_keeper', password });
}

/** A new database with the six tables, without partitions. */
async function createDatabase() {
  const name = `app_${another()}`;
  const admin = await connectTo('postgres');
  await admin.query(`CREATE DATABASE ${name} TEMPLATE six_tables`);
  await admin.end();
  const client = await connectTo(name);
  onTestFinished(() => client.end());
  return {
    name,
    execute: (statements: string) => client.query(statements),
    /** How many partitions each table has. */
    partitions: async (): Promise<Record<string, number>> => {
      const { rows } = await client.query<{ name: string; count: number }>(
        `SELECT relid::regclass::text AS name, (SELECT count(*)::int FROM pg_inherits WHERE inhparent = relid) AS count
         FROM pg_partitioned_table, LATERAL (SELECT partrelid AS relid) AS parent`,
      );
      return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
    },
  };
}

const sixTimes = (monthly: number, quarterly: number): Record<string, number> => ({
  'auth.user_sessions': monthly,
  'communication.notifications': monthly,
  'compliance.data_access_log': monthly,
  'files.file_uploads': quarterly,
  'platform.activity_logs': monthly,
  'platform.audit_logs': monthly,
});
const NONE = sixTimes(0, 0);
/** The present one and those ahead: 23 in all. */
const COMPLETE = sixTimes(4, 3);

const ACCOUNT = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
};

interface StartOptions {
  readonly port?: number;
  readonly trusted?: boolean;
  readonly from?: TestAssembly;
  /** Who logs in by IAM instead of with the secret. */
  readonly iamUser?: string;
}

/** Starts a function as it would be deployed, but for the places of what it talks to. */
async function start(
  name: FunctionName,
  database: string,
  { port = server.port, trusted = true, from = assembly, iamUser }: StartOptions = {},
): Promise<RunningFunction> {
  const { NODE_EXTRA_CA_CERTS: _, ...environment } = from.functions[name].environment;
  const lambda = await startFunction({
    ...from.functions[name],
    environment: {
      ...environment,
      ...(iamUser === undefined ? {} : { [ENVIRONMENT.iamUser]: iamUser }),
      ...ACCOUNT,
      PGHOST: 'localhost',
      PGPORT: String(port),
      PGDATABASE: database,
      AWS_ENDPOINT_URL: secrets.url,
      ...(trusted ? { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') } : {}),
    },
  });
  started.push(lambda);
  return lambda;
}

/** What a metric of a job, or of a table, says. */
const valuesOf = (answer: Answer, name: string, of: { readonly Job: Job } | { readonly Table: string }) =>
  metricsOf(answer)
    .filter((metric) => metric.name === name)
    .filter(({ dimensions }) => Object.entries(of).every(([key, value]) => dimensions[key] === value))
    .map(({ value }) => value);

const reportOf = ({ ok, payload }: Answer): Report => {
  if (!ok) throw new Error(JSON.stringify(payload));
  return payload as Report;
};

const messageOf = ({ ok, payload }: Answer): string => {
  if (ok) throw new Error('The invocation has succeeded.');
  return (payload as { readonly errorMessage: string }).errorMessage;
};

/** A way to the database that can be barred and opened again. */
async function startRelay() {
  const sockets = new Set<Socket>();
  const relay = createTcpServer((near) => {
    const far = connectTcp(server.port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => other.destroy());
      socket.pipe(other);
    }
  });
  const open = async (port: number): Promise<number> => {
    relay.listen(port, '127.0.0.1');
    await once(relay, 'listening');
    return (relay.address() as { readonly port: number }).port;
  };
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    if (!relay.listening) return;
    relay.close();
    await once(relay, 'close');
  };
  const port = await open(0);
  return { port, close, reopen: () => open(port), [Symbol.asyncDispose]: close };
}

test.each(FUNCTIONS)('%s is loaded by a plain require, without a word', async (name) => {
  const file = join(assembly.functions[name].taskRoot, `${name}.cjs`);
  const script = 'process.stdout.write(typeof require(process.argv[1]).handler)';
  const loaded = await promisify(execFile)(process.execPath, ['--eval', script, file], { env: {} });
  expect(loaded).toEqual({ stdout: 'function', stderr: '' });
});

describe('create', () => {
  test('makes the partitions and tells so in answer, log and metrics; again, it has nothing to do', async () => {
    const database = await createDatabase();
    await using lambda = await start('create-partitions', database.name);

    const first = await lambda.invoke({});
    expect(reportOf(first)).toMatchObject({ job: 'create', ok: true, database: database.name });
    expect(await database.partitions()).toEqual(COMPLETE);
    const steps = recordsOf(first, 'step');
    expect(steps).toHaveLength(23);
    for (const { level, requestId, job, step } of steps) {
      expect({ level, requestId, job }).toEqual({
        level: 'INFO',
        requestId: steps[0]?.['requestId'],
        job: 'create',
      });
      expect(step).toMatchObject({
        status: 'done',
        statements: expect.arrayContaining([expect.any(String)]),
      });
    }
    expect(recordsOf(first, 'report')).toMatchObject([{ level: 'INFO', report: { ok: true } }]);
    expect(valuesOf(first, 'RunSucceeded', { Job: 'create' })).toEqual([1]);
    expect(valuesOf(first, 'RunFailed', { Job: 'create' })).toEqual([0]);
    expect(valuesOf(first, 'PartitionsCreated', { Job: 'create' })).toEqual([23]);
    expect(valuesOf(first, 'MissingPartitions', { Table: 'files.file_uploads' })).toEqual([0]);
    expect(secrets.takeCalls()).toBe(1);

    const second = await lambda.invoke({});
    expect(reportOf(second).tables.flatMap(({ steps }) => steps)).toEqual([]);
    expect(recordsOf(second, 'step')).toEqual([]);
    expect(valuesOf(second, 'PartitionsCreated', { Job: 'create' })).toEqual([0]);
    expect(secrets.takeCalls()).toBe(0);
  });

  test('refuses a payload it does not know, by name, and says nothing about the job', async () => {
    const database = await createDatabase();
    await using lambda = await start('create-partitions', database.name);
    const answer = await lambda.invoke({ premak: 5 });
    expect(messageOf(answer)).toContain('premak');
    expect(recordsOf(answer, 'refused')).toMatchObject([{ level: 'ERROR', payload: { premak: 5 } }]);
    expect(metricsOf(answer)).toEqual([]);
    expect(await database.partitions()).toEqual(NONE);
    expect(secrets.takeCalls()).toBe(0);
  });

  test('reads a secret that was rotated once more, and goes on', async () => {
    const database = await createDatabase();
    await using lambda = await start('create-partitions', database.name);
    reportOf(await lambda.invoke({ tables: ['platform.audit_logs'] }));
    expect(secrets.takeCalls()).toBe(1);
    await rotate();
    const answer = await lambda.invoke({});
    expect(reportOf(answer).ok).toBe(true);
    expect(secrets.takeCalls()).toBe(1);
    expect(parseLines(answer.logs).filter(({ level }) => level === 'WARN')).toMatchObject([
      { message: expect.stringContaining('password was refused') },
    ]);
    expect(await database.partitions()).toEqual(COMPLETE);
  });

  test('fails when the secret has not followed the rotation, and recovers when it has', async () => {
    const database = await createDatabase();
    await using lambda = await start('create-partitions', database.name);
    reportOf(await lambda.invoke({ dryRun: true }));
    secrets.takeCalls();
    await rotate({ secret: false });
    const answer = await lambda.invoke({});
    expect(messageOf(answer)).toMatch(/refused the password of role partition_keeper.*secret/);
    expect(recordsOf(answer, 'failed')).toMatchObject([{ level: 'ERROR', error: { code: '28P01' } }]);
    expect(valuesOf(answer, 'RunFailed', { Job: 'create' })).toEqual([1]);
    expect(valuesOf(answer, 'RunSucceeded', { Job: 'create' })).toEqual([0]);
    expect(secrets.takeCalls()).toBe(1);
    expect(await database.partitions()).toEqual(NONE);

    secrets.set({ username: 'partition_keeper', password });
    expect(reportOf(await lambda.invoke({})).ok).toBe(true);
    expect(await database.partitions()).toEqual(COMPLETE);
  });

  test('says that the database cannot be reached, and works when it is back', async () => {
    const database = await createDatabase();
    await using relay = await startRelay();
    await using lambda = await start('create-partitions', database.name, { port: relay.port });
    await relay.close();
    const answer = await lambda.invoke({});
    expect(messageOf(answer)).toMatch(/localhost:\d+ cannot be reached.*security group/);
    expect(recordsOf(answer, 'failed')).toMatchObject([{ level: 'ERROR', error: { code: 'unreachable' } }]);
    expect(valuesOf(answer, 'RunFailed', { Job: 'create' })).toEqual([1]);

    await relay.reopen();
    expect(reportOf(await lambda.invoke({})).ok).toBe(true);
    expect(await database.partitions()).toEqual(COMPLETE);
  });

  test('does not talk to a server whose certificate it has no reason to trust', async () => {
    const database = await createDatabase();
    await using lambda = await start('create-partitions', database.name, { trusted: false });
    const answer = await lambda.invoke({});
    expect(messageOf(answer)).toMatch(/not signed by a certificate authority that is trusted.*CA/);
    expect(recordsOf(answer, 'failed')).toMatchObject([{ level: 'ERROR', error: { code: 'tls-untrusted' } }]);
    expect(valuesOf(answer, 'RunFailed', { Job: 'create' })).toEqual([1]);
    expect(await database.partitions()).toEqual(NONE);
  });

  test('tells nothing of the token with which it logs in by IAM, not even when that is refused', async () => {
    const database = await createDatabase();
    await using lambda = await start('create-partitions', database.name, { iamUser: 'partition_keeper' });
    const answer = await lambda.invoke({});
    // This server knows passwords only, and takes the token for one.
    expect(recordsOf(answer, 'failed')).toMatchObject([{ level: 'ERROR', error: { code: '28P01' } }]);
    expect(secrets.takeCalls()).toBe(0);
    expect([...lambda.logs(), messageOf(answer)].join('\n')).not.toMatch(/X-Amz-|Signature/i);
  });

  test('begins nothing when its time is up, and finishes the next time', async () => {
    const database = await createDatabase();
    await using lambda = await start('create-partitions', database.name);
    const answer = await lambda.invoke({}, { timeoutMs: 5_000 });
    expect(messageOf(answer)).toMatch(/stopped/);
    expect(recordsOf(answer, 'report')).toMatchObject([{ level: 'ERROR', report: { ok: false } }]);
    expect(valuesOf(answer, 'RunFailed', { Job: 'create' })).toEqual([1]);
    expect(await database.partitions()).toEqual(NONE);

    expect(reportOf(await lambda.invoke({})).ok).toBe(true);
    expect(await database.partitions()).toEqual(COMPLETE);
  });

  test('does five tables when the sixth is missing, and fails because of that', async () => {
    const database = await createDatabase();
    await database.execute('DROP TABLE communication.notifications');
    await using lambda = await start('create-partitions', database.name);
    const answer = await lambda.invoke({});
    expect(messageOf(answer)).toContain('communication.notifications');
    const { 'communication.notifications': _, ...others } = COMPLETE;
    expect(await database.partitions()).toEqual(others);
    expect(recordsOf(answer, 'report')).toMatchObject([{ level: 'ERROR', report: { ok: false } }]);
    expect(valuesOf(answer, 'RunFailed', { Job: 'create' })).toEqual([1]);
    for (const table of Object.keys(others)) {
      expect(valuesOf(answer, 'MissingPartitions', { Table: table })).toEqual([0]);
    }
    expect(valuesOf(answer, 'MissingPartitions', { Table: 'communication.notifications' })).toEqual([]);
  });

  test('takes a hundred tables, more than the environment could hold', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `measurements_of_department_${index}`);
    using large = synthesize({
      tables: names.map((table) => ({
        schema: 'many',
        table,
        partitionKey: 'created_at',
        interval: 'month',
        premake: 3,
      })),
    });
    const database = await createDatabase();
    await database.execute(`
      CREATE SCHEMA many AUTHORIZATION partition_owner;
      SET ROLE partition_owner;
      ${names.map((name) => `CREATE TABLE many.${name} (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);`).join('\n')}
      RESET ROLE`);
    await using lambda = await start('create-partitions', database.name, { from: large });
    const answer = await lambda.invoke({ premake: 12 });
    expect(reportOf(answer).tables).toHaveLength(100);
    expect(await database.partitions()).toEqual({
      ...NONE,
      ...Object.fromEntries(names.map((name) => [`many.${name}`, 13])),
    });
    expect(recordsOf(answer, 'step')).toHaveLength(1300);
    expect(recordsOf(answer, 'report')).toHaveLength(1);
    // Longer ones may be cut on their way into the log, and then are no JSON.
    for (const line of answer.logs) expect(Buffer.byteLength(line)).toBeLessThan(256 * 1024);
  });
});

test('the metrics in the logs are those the alarms ask for, dimension by dimension', async () => {
  const database = await createDatabase();
  const emitted: Emitted[] = [];
  for (const name of ['create-partitions', 'cleanup-partitions', 'check-health'] as const) {
    await using lambda = await start(name, database.name);
    const answer = await lambda.invoke({});
    expect(reportOf(answer).ok).toBe(true);
    emitted.push(...metricsOf(answer));
  }
  const { alarmMetrics } = assembly;
  // Two for each table, failure and silence for each job.
  expect(alarmMetrics).toHaveLength(18);
  for (const { name, dimensions } of alarmMetrics) {
    expect(emitted).toContainEqual({
      namespace: METRIC_NAMESPACE,
      name,
      dimensions,
      value: expect.any(Number),
    });
  }
  const known = alarmMetrics.map(({ dimensions }) => dimensions);
  for (const { dimensions } of emitted) expect(known).toContainEqual(dimensions);
});

/** What CloudFormation is told about a custom resource. */
type Told = Readonly<Record<string, unknown>>;

/** Lambda, as far as the first run talks to it, and the address at which CloudFormation waits. */
async function startAws(functions: readonly (readonly [FunctionName, RunningFunction])[]) {
  const invoked: [string, unknown][] = [];
  const told: Told[] = [];
  const running = new Map(functions.map(([name, lambda]) => [assembly.functions[name].name, lambda]));
  const { port, close } = await listen(async (request, response) => {
    if (request.method === 'PUT' && request.url === '/answer?signature=abc') {
      told.push((await json(request)) as Told);
      response.writeHead(200).end();
      return;
    }
    const [, name = '', action] =
      /^\/2015-03-31\/functions\/([^/]+)(\/invocations)?$/.exec(request.url ?? '') ?? [];
    const lambda = running.get(name);
    if (lambda === undefined) {
      const headers = { 'x-amzn-errortype': 'ResourceNotFoundException' };
      response.writeHead(404, headers).end(JSON.stringify({ Message: `Function not found: ${name}` }));
    } else if (action === undefined) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ Configuration: { FunctionName: name, State: 'Active' } }));
    } else {
      const payload = await json(request);
      invoked.push([name, payload]);
      const answer = await lambda.invoke(payload);
      response.writeHead(200, answer.ok ? {} : { 'x-amz-function-error': 'Unhandled' });
      response.end(JSON.stringify(answer.payload));
    }
  });
  return { url: `http://127.0.0.1:${port}`, invoked, told, [Symbol.dispose]: close };
}

describe('the first run', () => {
  const resource = {
    StackId: 'arn:aws:cloudformation:eu-central-1:123456789012:stack/Keeper/1',
    RequestId: 'request',
    LogicalResourceId: 'FirstRun',
  };

  /** Runs it as CloudFormation does, and returns what was invoked and what CloudFormation was told. */
  async function deploy(requestType: 'Create' | 'Update' | 'Delete', database: string, port = server.port) {
    await using create = await start('create-partitions', database, { port });
    await using health = await start('check-health', database, { port });
    using aws = await startAws([
      ['create-partitions', create],
      ['check-health', health],
    ]);
    const firstRun = assembly.functions['first-run'];
    await using lambda = await startFunction({
      ...firstRun,
      environment: { ...firstRun.environment, ...ACCOUNT, AWS_ENDPOINT_URL: aws.url },
    });
    const answer = await lambda.invoke({
      ...resource,
      RequestType: requestType,
      ResponseURL: `${aws.url}/answer?signature=abc`,
      ResourceProperties: assembly.firstRun,
    });
    expect(answer.ok).toBe(true);
    return aws;
  }

  const names = () => ({
    create: assembly.functions['create-partitions'].name,
    health: assembly.functions['check-health'].name,
  });

  test.each(['Create', 'Update'] as const)(
    '%s makes partitions a year ahead and checks them',
    async (requestType) => {
      const database = await createDatabase();
      const { invoked, told } = await deploy(requestType, database.name);
      expect(invoked).toEqual([
        [names().create, { premake: 12 }],
        [names().health, {}],
      ]);
      expect(told).toEqual([{ ...resource, Status: 'SUCCESS', PhysicalResourceId: expect.any(String) }]);
      expect(await database.partitions()).toEqual(sixTimes(13, 13));
      await database.execute(`TABLE platform.${partitionName(12)}`);
    },
  );

  test('fails the deployment when the database cannot be reached, and says what to check', async () => {
    const database = await createDatabase();
    const relay = await startRelay();
    await relay.close();
    const { invoked, told } = await deploy('Create', database.name, relay.port);
    expect(invoked).toEqual([[names().create, { premake: 12 }]]);
    expect(told).toEqual([
      {
        ...resource,
        Status: 'FAILED',
        PhysicalResourceId: expect.any(String),
        Reason: expect.stringMatching(/cannot be reached.*security group.*route.*log is in.*firstRun/),
      },
    ]);
  });

  test('does nothing when the stack is deleted', async () => {
    const { invoked, told } = await deploy('Delete', 'none');
    expect(invoked).toEqual([]);
    expect(told).toMatchObject([{ ...resource, Status: 'SUCCESS' }]);
  });
});
