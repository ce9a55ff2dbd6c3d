import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MetricAlarm } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job, Report, ReportStep } from '../../lib/contract.ts';
import sixTables from '../../partitions.config.ts';
import { type Answer, metricsOf, startFunction } from '../support/lambda/runtime-api.ts';
import { shellWords } from '../support/shell.ts';
import { Account, known } from './support/account.ts';
import { Cdk, type Wanted } from './support/cdk.ts';
import { CloudWatch, minutesAfter } from './support/cloudwatch.ts';
import { type CatalogEntry, type Database, startDatabase } from './support/database.ts';
import { ACCOUNT, credentials, type Emulator, REGION, startEmulator } from './support/emulator.ts';

/** Nobody is there to be asked. And moto keeps no values of parameters. */
const DEPLOY = ['deploy', '--method=direct', '--no-previous-parameters', '--require-approval', 'never'];
const TABLE = 'platform.audit_logs';
const INSERT = `INSERT INTO ${TABLE} (action, resource_type, created_at) VALUES ('login', 'session', $1)
                RETURNING tableoid::regclass::text AS partition`;

let emulator: Emulator | undefined;
let database: Database | undefined;
let account: Account;
let cloudWatch: CloudWatch;
/** The alarms that figures alone decide on. */
let alarms: readonly MetricAlarm[];

beforeAll(async () => {
  emulator = await startEmulator();
  account = new Account(emulator.endpoint);
  cloudWatch = new CloudWatch(emulator.endpoint);
  database = await startDatabase(emulator.folder);
  await deploy(emulator, {
    config: sixTables,
    deployment: {
      ...(await account.createNetwork()),
      databaseHost: 'localhost',
      databasePort: database.port,
      databaseName: 'app',
      secretArn: await account.createSecret('partition-keeper', database.login),
      alarmEmails: ['dba@example.com'],
      // The emulator runs no functions: this test does.
      firstRun: false,
    },
  });
  alarms = (await account.alarms()).filter(({ TreatMissingData }) => TreatMissingData === 'ignore');
});

afterAll(async () => {
  await database?.[Symbol.asyncDispose]();
  await emulator?.stop();
});

async function deploy(into: Emulator, wanted: Wanted): Promise<void> {
  const cdk = new Cdk(into);
  for (const args of [['bootstrap', `aws://${ACCOUNT}/${REGION}`], DEPLOY]) {
    const { code, output } = await cdk.run(wanted, ...args);
    expect(code, `${output}\n${into.complaints()}`).toBe(0);
  }
}

/** Runs the code that was uploaded, with the environment that was deployed but for where AWS and the authority are. */
async function invoke(functionName: string, payload: unknown): Promise<Answer> {
  const { endpoint, folder } = known(emulator);
  const functions = await account.functions();
  const made = known(functions.find(({ FunctionName }) => FunctionName === functionName));
  const taskRoot = join(folder, functionName);
  await mkdir(taskRoot, { recursive: true });
  await writeFile(`${taskRoot}.zip`, await account.archive(functionName));
  await promisify(execFile)('python3', ['-m', 'zipfile', '-e', `${taskRoot}.zip`, taskRoot]);
  await using lambda = await startFunction({
    taskRoot,
    handler: known(made.Handler),
    timeoutMs: known(made.Timeout) * 1000,
    environment: {
      ...known(made.Environment?.Variables),
      NODE_EXTRA_CA_CERTS: known(database).caFile,
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
  });
  return await lambda.invoke(payload);
}

/** What happens when the time of a schedule comes: its function is invoked with its payload. */
async function comeDue(job: Job): Promise<Answer> {
  const schedules = await account.schedules();
  const { Target } = known(schedules.find(({ Description }) => Description === `Partition Keeper: ${job}`));
  const functionName = known(Target?.Arn?.split(':').at(-1));
  return await invoke(functionName, JSON.parse(known(Target?.Input)));
}

const reportOf = ({ ok, payload }: Answer): Report => {
  expect(ok, JSON.stringify(payload)).toBe(true);
  return payload as Report;
};

const stepsOf = (report: Report, name: string): readonly ReportStep[] =>
  report.tables.find(({ schema, table }) => `${schema}.${table}` === name)?.steps ?? [];

/** How many partitions each table lacks, as the figures of an invocation say. */
const missingIn = (answer: Answer): Record<string, unknown> =>
  Object.fromEntries(
    metricsOf(answer).flatMap(({ name, dimensions, value }) =>
      name === 'MissingPartitions' ? [[String(dimensions['Table']), value]] : [],
    ),
  );

/** What the conditions of the alarms come to. */
async function verdicts(at: Date): Promise<Record<string, string>> {
  const entries = alarms.map(
    async (alarm) =>
      [known(alarm.AlarmName).split(': ').at(-1) ?? '', await cloudWatch.verdict(alarm, at)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

const tableNames = sixTables.tables.map(({ schema, table }) => `${schema}.${table}`);
const ofEachTable = <Value>(title: (name: string) => string, value: Value): Record<string, Value> =>
  Object.fromEntries(tableNames.map((name) => [title(name), value]));
const missing = (name: string): string => `partitions missing in ${name}`;
const overdue = (name: string): string => `expired partitions of ${name} are overdue`;

test('a partition is dropped by mistake, an alarm goes off, its command mends it, the alarm is over', async () => {
  const { catalog, query } = known(database);

  // The first of the month has come, and all partitions are there.
  const created = reportOf(await comeDue('create'));
  const complete = await catalog();
  expect(complete).toHaveLength(23);
  const next = known(stepsOf(created, TABLE)[1]);
  const insertNext = () => query(INSERT, [next.from]);

  // Then somebody drops that of the next month.
  await query(`DROP TABLE ${next.partition}`);
  await expect(insertNext()).rejects.toThrow('no partition of relation "audit_logs" found for row');

  // 1. At 01:00 health finds it missing, and tells CloudWatch.
  const found = await comeDue('health');
  expect(reportOf(found).ok).toBe(true);
  expect(missingIn(found)).toEqual({ ...ofEachTable(String, 0), [TABLE]: 1 });
  const night = await cloudWatch.read(found);

  // 2. The alarm of this table goes off, and no other. It does not get over it by itself.
  expect(await verdicts(night)).toEqual({
    ...ofEachTable(missing, 'clear'),
    ...ofEachTable(overdue, 'clear'),
    [missing(TABLE)]: 'breach',
    'health failed': 'clear',
    'create failed': 'no figures',
    'cleanup failed': 'no figures',
    'failures are waiting': 'no figures',
    'undelivered are waiting': 'no figures',
  });
  expect((await verdicts(minutesAfter(night, 20)))[missing(TABLE)]).toBe('no figures');
  const alarm = known(alarms.find(({ AlarmName }) => AlarmName?.endsWith(`: ${missing(TABLE)}`)));
  expect(alarm.ActionsEnabled).toBe(true);
  const [TopicArn] = known(alarm.AlarmActions);
  expect(alarm.OKActions).toEqual([TopicArn]);
  expect(await account.subscriptions()).toContainEqual(
    expect.objectContaining({ TopicArn, Protocol: 'email', Endpoint: 'dba@example.com' }),
  );

  // The mail has the description of the alarm, and so the command. It is pasted into a shell.
  const { AlarmDescription: mail = '' } = alarm;
  expect(mail).toContain(`Partitions of ${TABLE} that should exist do not.`);
  const words = shellWords(known(/^Do: (.*)$/m.exec(mail)?.[1]));
  expect(words.slice(0, 3)).toEqual(['aws', 'lambda', 'invoke']);
  const option = (name: string): string => known(words[words.indexOf(name) + 1]);
  expect(option('--function-name')).toBe((await account.stack('PartitionKeeper')).outputs['CreateFunction']);
  const mended = await invoke(option('--function-name'), JSON.parse(option('--payload')));

  // 3. It answers with what was created: this one, and nothing else was touched.
  const { tables } = reportOf(mended);
  expect(tables).toMatchObject([
    { schema: 'platform', table: 'audit_logs', status: 'ok', gauges: { missing: 0 } },
  ]);
  expect(tables[0]?.steps).toMatchObject([
    { kind: 'create', status: 'done', partition: next.partition, from: next.from, to: next.to },
  ]);
  const again = await catalog();
  const dropped = ({ name }: CatalogEntry): boolean => name === next.partition;
  expect(again).toEqual(complete.map((was) => (dropped(was) ? { ...was, oid: expect.any(Number) } : was)));
  expect(again.find(dropped)?.oid).not.toBe(complete.find(dropped)?.oid);
  expect(await insertNext()).toEqual([{ partition: next.partition }]);

  // The metric is 0 again, and the alarm is over.
  expect(missingIn(mended)).toEqual({ [TABLE]: 0 });
  const later = await cloudWatch.read(mended, 30);
  const afterwards = await verdicts(later);
  expect(afterwards[missing(TABLE)]).toBe('clear');
  expect(Object.values(afterwards)).not.toContain('breach');
});
