import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigInput } from '../../lib/config/schema.ts';
import sixTables from '../../partitions.config.ts';
import { Account, known } from './support/account.ts';
import { Cdk, type CdkResult, type Wanted } from './support/cdk.ts';
import { ACCOUNT, type Emulator, REGION, startEmulator } from './support/emulator.ts';

const STACK = 'PartitionKeeper';
const JOBS = ['create', 'cleanup', 'health'];
/** Nobody is there to be asked. And moto keeps no values of parameters. */
const DEPLOY = ['deploy', '--method=direct', '--no-previous-parameters', '--require-approval', 'never'];

const tableNames = ({ tables }: ConfigInput): string[] =>
  tables.map(({ schema, table }) => `${schema}.${table}`);

const alarmNames = (config: ConfigInput): string[] =>
  [
    ...tableNames(config).flatMap((name) => [
      `partitions missing in ${name}`,
      `expired partitions of ${name} are overdue`,
    ]),
    ...JOBS.flatMap((job) => [`${job} failed`, `${job} is silent`]),
    'failures are waiting',
    'undelivered are waiting',
  ]
    .map((name) => `${STACK} Keeper: ${name}`)
    .toSorted();

let emulator: Emulator | undefined;
let cdk: Cdk;
let account: Account;
let wanted: Wanted;
let before: Awaited<ReturnType<Account['inventory']>>;

beforeAll(async () => {
  emulator = await startEmulator();
  cdk = new Cdk(emulator);
  account = new Account(emulator.endpoint);
  wanted = {
    config: sixTables,
    deployment: {
      ...(await account.createNetwork()),
      databaseHost: 'db.example.com',
      databaseName: 'app',
      secretArn: `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:db-AbCdEf`,
      alarmEmails: ['dba@example.com'],
      // Nothing answers the functions here.
      firstRun: false,
    },
  };
});

afterAll(async () => {
  await emulator?.stop();
});

/** Succeeds, or fails with all it has to say. */
const succeed = ({ code, output }: CdkResult): string => {
  expect(code, `${output}\n${emulator?.complaints()}`).toBe(0);
  return output;
};

test('the account is bootstrapped', async () => {
  succeed(await cdk.run(wanted, 'bootstrap', `aws://${ACCOUNT}/${REGION}`));
  expect(await account.stack('CDKToolkit')).toMatchObject({ status: 'CREATE_COMPLETE' });
  before = await account.inventory();
});

test('before the first deployment, the difference is everything', async () => {
  const output = succeed(await cdk.run(wanted, 'diff', '--method=template'));
  expect(output).toMatch(/\[\+\] AWS::Scheduler::Schedule/);
  expect(output).toContain('Number of stacks with differences: 1');
});

describe('deployed', () => {
  test('the stack is complete', async () => {
    succeed(await cdk.run(wanted, ...DEPLOY));
    expect(await account.stack(STACK)).toMatchObject({
      status: 'CREATE_COMPLETE',
      outputs: {
        InvokeCreate: expect.stringMatching(/^aws lambda invoke --function-name PartitionKeeper-/),
        AlarmTopicArn: expect.stringMatching(/^arn:aws:sns:/),
      },
    });
  });

  test('there is nothing more to deploy', async () => {
    const output = succeed(await cdk.run(wanted, 'diff', '--method=template', '--fail'));
    expect(output).toContain('Number of stacks with differences: 0');
  });

  test.each([
    ['create', 'create-partitions', 600],
    ['cleanup', 'cleanup-partitions', 900],
    ['health', 'check-health', 120],
  ])('the function of %s is in the private subnets, one run at a time', async (job, file, timeout) => {
    const functions = await account.functions();
    expect(functions).toHaveLength(3);
    const groups = await account.securityGroups();
    const group = groups.find(({ Description }) => Description === 'Partition Keeper functions');
    const made = functions.find(({ Description }) => Description === `Partition Keeper: ${job}`);
    expect(made).toMatchObject({
      Handler: `${file}.handler`,
      Runtime: 'nodejs24.x',
      Timeout: timeout,
      MemorySize: 256,
      VpcConfig: { SubnetIds: wanted.deployment.privateSubnetIds, SecurityGroupIds: [group?.GroupId] },
      reserved: 1,
      failures: { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 21_600 },
    });
    expect(made?.CodeSize).toBeGreaterThan(100_000);
    expect(made?.Environment?.Variables).toEqual({
      PGHOST: 'db.example.com',
      PGPORT: '5432',
      PGDATABASE: 'app',
      PARTITION_KEEPER_DATABASE: 'app',
      DATABASE_SECRET_ARN: wanted.deployment.secretArn,
      NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
    });
    const queues = await account.queues();
    const destination = made?.failures.DestinationConfig?.OnFailure?.Destination;
    expect(queues.map(({ QueueArn }) => QueueArn)).toContain(destination);
    expect(destination).toMatch(/Failures/);
  });

  test.each([
    ['create', 'cron(0 2 1 * ? *)'],
    ['cleanup', 'cron(0 3 1 1,4,7,10 ? *)'],
    ['health', 'cron(0 1 * * ? *)'],
  ])('%s is scheduled, and what cannot be handed over is kept', async (job, expression) => {
    const schedules = await account.schedules();
    expect(schedules).toHaveLength(3);
    const Description = `Partition Keeper: ${job}`;
    const functions = await account.functions();
    expect(schedules.find((schedule) => schedule.Description === Description)).toMatchObject({
      ScheduleExpression: expression,
      ScheduleExpressionTimezone: 'UTC',
      State: 'ENABLED',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: {
        Arn: functions.find((made) => made.Description === Description)?.FunctionArn,
        Input: '{}',
        RetryPolicy: { MaximumRetryAttempts: 10, MaximumEventAgeInSeconds: 3600 },
        DeadLetterConfig: { Arn: expect.stringMatching(/Undelivered/) },
      },
    });
  });

  test('alarms watch each table, each job and both queues, and tell the topic', async () => {
    const alarms = await account.alarms();
    expect(alarms.map(({ AlarmName }) => AlarmName).toSorted()).toEqual(alarmNames(sixTables));
    const topic = (await account.stack(STACK)).outputs['AlarmTopicArn'];
    for (const alarm of alarms) expect(alarm).toMatchObject({ AlarmActions: [topic], OKActions: [topic] });

    const alarm = (name: string) => alarms.find(({ AlarmName }) => AlarmName === `${STACK} Keeper: ${name}`);
    expect(alarm('partitions missing in platform.audit_logs')).toMatchObject({
      Namespace: 'PartitionKeeper',
      MetricName: 'MissingPartitions',
      Dimensions: [
        { Name: 'Database', Value: 'app' },
        { Name: 'Table', Value: 'platform.audit_logs' },
      ],
      Statistic: 'Maximum',
      Period: 60,
      EvaluationPeriods: 5,
      DatapointsToAlarm: 1,
      Threshold: 1,
      TreatMissingData: 'ignore',
    });
    expect(alarm('health failed')).toMatchObject({
      MetricName: 'RunFailed',
      Dimensions: [
        { Name: 'Database', Value: 'app' },
        { Name: 'Job', Value: 'health' },
      ],
      TreatMissingData: 'ignore',
    });
    for (const job of JOBS)
      expect(alarm(`${job} is silent`)).toMatchObject({
        ComparisonOperator: 'LessThanThreshold',
        TreatMissingData: 'breaching',
      });
    expect(alarm('failures are waiting')).toMatchObject({
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: expect.stringMatching(/Failures/) }],
    });
    // Names are filled in: these commands can be pasted.
    expect(alarm('create failed')?.AlarmDescription).toMatch(/--function-name PartitionKeeper-\S+ /);
  });

  test('the topic is encrypted, open to CloudWatch, and mails', async () => {
    const [topic, ...others] = await account.topics();
    expect(others).toEqual([]);
    const { TopicArn, KmsMasterKeyId, Policy = '' } = known(topic);
    expect(TopicArn).toBe((await account.stack(STACK)).outputs['AlarmTopicArn']);
    expect(KmsMasterKeyId).toMatch(/^arn:aws:kms:/);
    expect(JSON.parse(Policy).Statement).toContainEqual(
      expect.objectContaining({
        Action: 'sns:Publish',
        Effect: 'Allow',
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': ACCOUNT } },
      }),
    );
    expect(await account.subscriptions()).toMatchObject([
      { TopicArn, Protocol: 'email', Endpoint: 'dba@example.com' },
    ]);
  });

  test('the dashboard shows the alarms and logs that exist', async () => {
    const [dashboard, ...others] = await account.dashboards();
    expect(others).toEqual([]);
    const { widgets } = JSON.parse(known(dashboard).body) as Dashboard;
    expect(widgets.map(({ type, properties }) => properties.title ?? type)).toEqual([
      'text',
      'Alarms',
      'Runway (days)',
      'Missing partitions',
      'Expired partitions, overdue',
      'Rows in the default partition',
      'Size by table',
      'Last runs',
      'Findings',
      'Runs',
      'Partitions created and dropped',
      'Waiting for locks (ms)',
    ]);
    const shown = widgets.flatMap(({ properties }) => properties.alarms ?? []);
    const arns = (await account.alarms()).map(({ AlarmArn }) => AlarmArn);
    expect(shown.toSorted()).toEqual(arns.toSorted());
    const groups = (await account.logGroups()).map(({ logGroupName }) => logGroupName);
    const queries = widgets.flatMap(({ properties }) => properties.query ?? []);
    expect(queries).toHaveLength(3);
    for (const query of queries) for (const group of groups) expect(query).toContain(`SOURCE '${group}'`);
  });

  test('queues keep messages for two weeks and take them over TLS only', async () => {
    const queues = await account.queues();
    expect(queues).toHaveLength(2);
    for (const { MessageRetentionPeriod, Policy = '' } of queues) {
      expect(MessageRetentionPeriod).toBe('1209600');
      expect(JSON.parse(Policy).Statement).toMatchObject([
        { Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
      ]);
    }
  });

  test('logs are kept for a year, those of cleanup for ten', async () => {
    const retention = (await account.logGroups()).map(
      ({ logGroupName = '', retentionInDays }) =>
        [JOBS.find((job) => logGroupName.toLowerCase().includes(`keeper${job}`)), retentionInDays] as const,
    );
    expect(Object.fromEntries(retention)).toEqual({ create: 365, cleanup: 3653, health: 365 });
  });

  test('the functions reach the database and Secrets Manager, and nothing else', async () => {
    const { databaseSecurityGroupId: database } = wanted.deployment;
    const groups = await account.securityGroups();
    const functions = known(groups.find(({ Description }) => Description === 'Partition Keeper functions'));
    const own = await account.rulesOf(known(functions.GroupId));
    expect(own).toHaveLength(2);
    expect(own).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ IsEgress: true, FromPort: 443, ToPort: 443, CidrIpv4: '0.0.0.0/0' }),
        expect.objectContaining({
          IsEgress: true,
          FromPort: 5432,
          ToPort: 5432,
          ReferencedGroupInfo: expect.objectContaining({ GroupId: database }),
        }),
      ]),
    );
    const [rule, ...more] = (await account.rulesOf(database)).filter(({ IsEgress }) => !IsEgress);
    expect(more).toEqual([]);
    expect(rule).toMatchObject({
      FromPort: 5432,
      ToPort: 5432,
      ReferencedGroupInfo: { GroupId: functions.GroupId },
    });
  });
});

describe('updated with one more table and another schedule', () => {
  let changed: Wanted;

  beforeAll(() => {
    const { config, deployment } = wanted;
    const { tables } = config;
    changed = {
      config: { ...config, tables: [...tables, { ...known(tables[0]), table: 'request_logs' }] },
      deployment: { ...deployment, schedules: { health: '30 6 * * *' }, scheduleTimeZone: 'Europe/Berlin' },
    };
  });

  test('the difference is shown first', async () => {
    const output = succeed(await cdk.run(changed, 'diff', '--method=template'));
    expect(output).toContain('[+] AWS::CloudWatch::Alarm');
    expect(output).toMatch(/\[-\] cron\(0 1 \* \* \? \*\)\s+.*\[\+\] cron\(30 6 \* \* \? \*\)/);
    expect(output).not.toContain('[-] AWS::');
  });

  test('the table is watched, and the rest remains', async () => {
    const [oldDashboard] = await account.dashboards();
    const codeBefore = (await account.functions()).map(({ CodeSha256 }) => CodeSha256);
    succeed(await cdk.run(changed, ...DEPLOY));
    expect(await account.stack(STACK)).toMatchObject({ status: 'UPDATE_COMPLETE' });

    const alarms = await account.alarms();
    expect(alarms.map(({ AlarmName }) => AlarmName).toSorted()).toEqual(alarmNames(changed.config));
    const ofTable = alarms.filter(({ Dimensions = [] }) =>
      Dimensions.some(({ Value }) => Value === 'platform.request_logs'),
    );
    expect(ofTable.map(({ MetricName }) => MetricName).toSorted()).toEqual([
      'ExpiredPartitions',
      'MissingPartitions',
    ]);
    const [dashboard, ...others] = await account.dashboards();
    expect(others).toEqual([]);
    expect(dashboard?.name).toBe(oldDashboard?.name);
    expect(dashboard?.body).toContain('platform.request_logs');
    // The config is part of the code.
    const code = (await account.functions()).map(({ CodeSha256 }) => CodeSha256);
    expect(code).toHaveLength(3);
    for (const sum of code) expect(codeBefore).not.toContain(sum);
  });

  test('schedules are those in the other time zone', async () => {
    const schedules = await account.schedules();
    const told = schedules.map(({ Description = '', ScheduleExpression, ScheduleExpressionTimezone }) => [
      Description.replace('Partition Keeper: ', ''),
      ScheduleExpression,
      ScheduleExpressionTimezone,
    ]);
    expect(told.toSorted()).toEqual([
      ['cleanup', 'cron(0 3 1 1,4,7,10 ? *)', 'Europe/Berlin'],
      ['create', 'cron(0 2 1 * ? *)', 'Europe/Berlin'],
      ['health', 'cron(30 6 * * ? *)', 'Europe/Berlin'],
    ]);
  });

  test('without the table again, its alarms are gone', async () => {
    succeed(await cdk.run({ ...changed, config: wanted.config }, ...DEPLOY));
    const names = (await account.alarms()).map(({ AlarmName }) => AlarmName);
    expect(names.toSorted()).toEqual(alarmNames(wanted.config));
  });
});

test('destroyed, nothing is left but the logs', async () => {
  const { logGroups } = await account.inventory();
  expect(logGroups).toHaveLength(3);
  succeed(await cdk.run(wanted, 'destroy', '--force'));
  expect(await account.inventory()).toEqual({ ...before, logGroups });
});

interface Dashboard {
  readonly widgets: readonly {
    readonly type: string;
    readonly properties: {
      readonly title?: string;
      readonly alarms?: readonly string[];
      readonly query?: string;
    };
  }[];
}
