import { Match, type Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import type { DeploymentInput } from '../../../lib/config/deployment.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import config from '../../../partitions.config.ts';
import { deployment, propertiesOf, testApp, testStack, testTemplate } from '../../support/stack.ts';

const names = config.tables.map(({ schema, table }) => `${schema}.${table}`);

const byIam = { ...deployment, secretArn: undefined, iamUser: 'keeper', databaseResourceId: 'db-ABC' };

/** Statements of all policies, by what they allow. */
const statementsOn = (template: Template, action: string): Record<string, unknown>[] =>
  Object.values(template.findResources('AWS::IAM::Policy'))
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
    .filter(({ Action }) => [Action].flat().includes(action));

describe('schedules', () => {
  test.each([
    ['create', 'cron(0 2 1 * ? *)'],
    ['cleanup', 'cron(0 3 1 1,4,7,10 ? *)'],
    ['health', 'cron(0 1 * * ? *)'],
  ])(
    'run %s in UTC, with an empty payload, retries and a queue for what cannot be handed over',
    (job, expression) => {
      testTemplate().hasResourceProperties('AWS::Scheduler::Schedule', {
        Description: `Partition Keeper: ${job}`,
        ScheduleExpression: expression,
        ScheduleExpressionTimezone: 'UTC',
        State: 'ENABLED',
        FlexibleTimeWindow: { Mode: 'OFF' },
        Target: Match.objectLike({
          Input: '{}',
          RetryPolicy: { MaximumRetryAttempts: 10, MaximumEventAgeInSeconds: 3600 },
          DeadLetterConfig: { Arn: Match.anyValue() },
        }),
      });
    },
  );

  test('can be others, in another time zone, with the weekdays EventBridge means', () => {
    const template = testTemplate({
      schedules: { health: '30 6 * * 1-5', cleanup: '0 4 15 */2 *' },
      scheduleTimeZone: 'Europe/Berlin',
    });
    const expressions = propertiesOf(template, 'AWS::Scheduler::Schedule').map(
      ({ ScheduleExpression, ScheduleExpressionTimezone }) => [
        ScheduleExpression,
        ScheduleExpressionTimezone,
      ],
    );
    expect(expressions.toSorted()).toEqual([
      ['cron(0 2 1 * ? *)', 'Europe/Berlin'],
      ['cron(0 4 15 */2 ? *)', 'Europe/Berlin'],
      ['cron(30 6 ? * MON-FRI *)', 'Europe/Berlin'],
    ]);
  });

  test.each([
    ['day', 'cron(0 2 * * ? *)', 26],
    ['hour', 'cron(0 * * * ? *)', 3],
  ] as const)('run create as often as the shortest interval needs it: %s', (interval, expression, hours) => {
    const [table] = config.tables;
    if (table === undefined) throw new Error('no table');
    const tables = [...config.tables, { ...table, table: 'measurements', interval }];
    const template = testTemplate({}, { ...config, tables });
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      Description: 'Partition Keeper: create',
      ScheduleExpression: expression,
    });
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmName: 'Keeper Keeper: create is silent',
      EvaluationPeriods: hours,
      Period: 3600,
    });
  });

  test('may invoke their function, and no other version or function', () => {
    const invoking = statementsOn(testTemplate({ firstRun: false }), 'lambda:InvokeFunction');
    expect(invoking).toHaveLength(3);
    for (const { Resource } of invoking) expect(Resource).toHaveProperty('Fn::GetAtt');
  });
});

describe('functions', () => {
  test('are three, one run of each at a time, in the private subnets, on Node 24', () => {
    const functions = propertiesOf(testTemplate({ firstRun: false }), 'AWS::Lambda::Function');
    expect(functions).toHaveLength(3);
    for (const one of functions) {
      expect(one).toMatchObject({
        Runtime: 'nodejs24.x',
        ReservedConcurrentExecutions: 1,
        VpcConfig: { SubnetIds: deployment.privateSubnetIds },
        LoggingConfig: { LogFormat: 'JSON' },
        Environment: {
          Variables: {
            PGHOST: 'db.example.com',
            PGPORT: '5433',
            PGDATABASE: 'app',
            PARTITION_KEEPER_DATABASE: 'app',
            DATABASE_SECRET_ARN: deployment.secretArn,
            NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
          },
        },
      });
    }
  });

  test('leave the concurrency of a small account alone when asked to', () => {
    testTemplate({ reserveConcurrency: false }).allResourcesProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: Match.absent(),
    });
  });

  test('send what failed for good to a queue', () => {
    const template = testTemplate({ firstRun: false });
    template.resourceCountIs('AWS::Lambda::EventInvokeConfig', 3);
    template.allResourcesProperties('AWS::Lambda::EventInvokeConfig', {
      MaximumRetryAttempts: 2,
      DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
    });
    template.allResourcesProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
  });

  test('keep the log of cleanup for ten years, and all logs when the stack goes', () => {
    const groups = Object.values(testTemplate({ firstRun: false }).findResources('AWS::Logs::LogGroup'));
    expect(groups.map(({ Properties }) => Properties.RetentionInDays)).toEqual([365, 3653, 365]);
    expect(new Set(groups.map(({ DeletionPolicy }) => DeletionPolicy))).toEqual(new Set(['Retain']));
  });

  test('may not use the network interfaces that Lambda makes for them', () => {
    const denied = statementsOn(testTemplate(), 'ec2:CreateNetworkInterface').filter(
      ({ Effect }) => Effect === 'Deny',
    );
    expect(denied).toHaveLength(3);
    for (const { Condition } of denied)
      expect(Condition).toHaveProperty(['ArnEquals', 'lambda:SourceFunctionArn']);
  });
});

describe('logging in', () => {
  test('by secret: each function may read that one, and reach Secrets Manager', () => {
    const template = testTemplate();
    const reading = statementsOn(template, 'secretsmanager:GetSecretValue');
    expect(reading.map(({ Resource }) => Resource)).toEqual(Array(3).fill(deployment.secretArn));
    expect(JSON.stringify(propertiesOf(template, 'AWS::EC2::SecurityGroup'))).toContain('"FromPort":443');
  });

  test('by secret with a key of its own: each function may decrypt it', () => {
    const key = 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
    const decrypting = statementsOn(testTemplate({ secretKeyArn: key }), 'kms:Decrypt').filter(
      ({ Resource }) => Resource === key,
    );
    expect(decrypting).toHaveLength(3);
  });

  test('by IAM: each function may log in as that role, and needs nothing but the database', () => {
    const template = testTemplate(byIam);
    const logins = statementsOn(template, 'rds-db:connect');
    expect(logins).toHaveLength(3);
    for (const { Resource } of logins) expect(JSON.stringify(Resource)).toContain('dbuser:db-ABC/keeper');
    expect(JSON.stringify(template.toJSON())).not.toContain('secretsmanager');
    expect(JSON.stringify(propertiesOf(template, 'AWS::EC2::SecurityGroup'))).not.toContain('443');
  });

  test('opens the database to the functions on its port, and the functions to it', () => {
    const template = testTemplate();
    template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      FromPort: 5433,
      ToPort: 5433,
      GroupId: 'sg-0123456789abcdef0',
    });
    template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', {
      FromPort: 5433,
      ToPort: 5433,
      DestinationSecurityGroupId: 'sg-0123456789abcdef0',
    });
  });

  test('with an endpoint in the VPC: nothing else on port 443 is reached', () => {
    const template = testTemplate({ vpcEndpoint: true });
    template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
      ServiceName: { 'Fn::Join': ['', ['com.amazonaws.', { Ref: 'AWS::Region' }, '.secretsmanager']] },
      VpcEndpointType: 'Interface',
    });
    template.hasResourceProperties('AWS::EC2::SecurityGroupEgress', {
      FromPort: 443,
      DestinationSecurityGroupId: Match.anyValue(),
    });
    const [run] = Object.values(template.findResources('Custom::PartitionKeeperFirstRun'));
    expect(run?.['DependsOn']).toContainEqual(expect.stringContaining('SecretsManager'));
  });
});

test('the roles may do this and nothing else, each word spelled as IAM has it', () => {
  const actionsOf = (changes: Partial<DeploymentInput>): unknown[] =>
    Object.values(testTemplate(changes).findResources('AWS::IAM::Policy')).flatMap(({ Properties }) =>
      Properties.PolicyDocument.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action),
    );
  const actions = new Set([...actionsOf({}), ...actionsOf(byIam)]);
  expect([...actions].toSorted()).toEqual([
    'ec2:AssignPrivateIpAddresses',
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:UnassignPrivateIpAddresses',
    'lambda:GetFunction',
    'lambda:InvokeFunction',
    'logs:CreateLogStream',
    'logs:PutLogEvents',
    'rds-db:connect',
    'secretsmanager:DescribeSecret',
    'secretsmanager:GetSecretValue',
    'sqs:GetQueueAttributes',
    'sqs:GetQueueUrl',
    'sqs:SendMessage',
  ]);
  testTemplate().allResourcesProperties('AWS::IAM::Role', { ManagedPolicyArns: Match.absent() });
});

describe('notifications', () => {
  test('are encrypted with a key that CloudWatch may use, on behalf of this account', () => {
    const template = testTemplate();
    template.hasResourceProperties('AWS::KMS::Key', {
      EnableKeyRotation: true,
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
          }),
        ]),
      },
    });
    const [policy] = propertiesOf(template, 'AWS::SNS::TopicPolicy');
    expect(policy).toHaveProperty(
      ['PolicyDocument', 'Statement'],
      expect.arrayContaining([
        expect.objectContaining({
          Action: 'sns:Publish',
          Effect: 'Allow',
          Principal: { Service: 'cloudwatch.amazonaws.com' },
        }),
        expect.objectContaining({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
      ]),
    );
    template.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'dba@example.com',
    });
  });

  test('that would reach nobody are warned of', () => {
    const app = testApp();
    testStack(app, { alarmEmails: undefined });
    const messages = app
      .synth()
      .getStackByName('Keeper')
      .messages.map(({ entry }) => String(entry.data));
    expect(messages.join()).toContain('Alarms reach nobody');
  });

  test('can go to a topic that exists', () => {
    const alarmTopicArn = 'arn:aws:sns:eu-central-1:123456789012:alarms';
    const template = testTemplate({ alarmTopicArn, alarmEmails: undefined });
    template.resourceCountIs('AWS::SNS::Topic', 0);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: [alarmTopicArn],
      OKActions: [alarmTopicArn],
    });
  });
});

describe('alarms', () => {
  const alarmsOn = (template: Template, metric: string) =>
    propertiesOf(template, 'AWS::CloudWatch::Alarm').filter(({ MetricName }) => MetricName === metric);

  test.each(['MissingPartitions', 'ExpiredPartitions'])(
    'on %s: one for each table, which holds its state between two figures',
    (metric) => {
      const alarms = alarmsOn(testTemplate(), metric);
      expect(alarms.map(({ Dimensions }) => Dimensions)).toEqual(
        names.map((name) => [
          { Name: 'Database', Value: 'app' },
          { Name: 'Table', Value: name },
        ]),
      );
      for (const alarm of alarms) {
        expect(alarm).toMatchObject({
          Namespace: 'PartitionKeeper',
          Statistic: 'Maximum',
          Threshold: 1,
          ComparisonOperator: 'GreaterThanOrEqualToThreshold',
          TreatMissingData: 'ignore',
          Period: 60,
          EvaluationPeriods: 5,
          DatapointsToAlarm: 1,
        });
      }
    },
  );

  test('on failure: one for each job', () => {
    const alarms = alarmsOn(testTemplate(), 'RunFailed');
    expect(alarms.map(({ Dimensions }) => Dimensions)).toEqual(
      ['create', 'cleanup', 'health'].map((job) => [
        { Name: 'Database', Value: 'app' },
        { Name: 'Job', Value: job },
      ]),
    );
  });

  test('on silence: one for each job, for which no data is bad news', () => {
    const silent = propertiesOf(testTemplate(), 'AWS::CloudWatch::Alarm').filter(
      ({ TreatMissingData }) => TreatMissingData === 'breaching',
    );
    expect(silent).toHaveLength(3);
    for (const alarm of silent) {
      expect(JSON.stringify(alarm)).toContain('"MetricName":"RunSucceeded"');
      expect(alarm).toMatchObject({ Threshold: 1, ComparisonOperator: 'LessThanThreshold' });
      // The expression speaks of calendar days.
      const { EvaluationWindow } = alarm;
      expect(EvaluationWindow).toEqual(
        JSON.stringify(alarm).includes('DATE(m)') ? { WallClockWindow: { Timezone: 'UTC' } } : undefined,
      );
    }
  });

  test('on silence: none, and a warning, for a schedule that none can follow', () => {
    const app = testApp();
    testStack(app, { schedules: { cleanup: '0 3 * * 1' } });
    const messages = app
      .synth()
      .getStackByName('Keeper')
      .messages.map(({ entry }) => String(entry.data));
    expect(messages.join()).toMatch(/0 3 \* \* 1 of cleanup .* no alarm on its silence/);
  });

  test('on both queues', () => {
    expect(alarmsOn(testTemplate(), 'ApproximateNumberOfMessagesVisible')).toHaveLength(2);
  });

  test('on free storage, when asked for', () => {
    const changes = { freeStorageGiB: 20, databaseInstanceIdentifier: 'app-db' };
    expect(alarmsOn(testTemplate(), 'FreeStorageSpace')).toEqual([]);
    expect(alarmsOn(testTemplate(changes), 'FreeStorageSpace')).toMatchObject([
      { Threshold: 20 * 2 ** 30, Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'app-db' }] },
    ]);
  });

  test('all tell the topic when they go off and when they are over', () => {
    const topic = [{ Ref: Match.stringLikeRegexp('Topic') }];
    testTemplate().allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: topic,
      OKActions: topic,
    });
  });

  test('all have a command that helps, and lead to the runbook', () => {
    const template = testTemplate({ freeStorageGiB: 20, databaseInstanceIdentifier: 'app-db' });
    for (const { AlarmDescription } of propertiesOf(template, 'AWS::CloudWatch::Alarm')) {
      expect(JSON.stringify(AlarmDescription)).toMatch(
        /aws lambda invoke --function-name ",\{"Ref":"Keeper\w+Function\w+"\}.*--payload '\{.*operations\.md#/,
      );
    }
  });

  test('fit the limits of CloudWatch', () => {
    const template = testTemplate({ freeStorageGiB: 20, databaseInstanceIdentifier: 'app-db' });
    for (const { AlarmName, AlarmDescription, Period, EvaluationPeriods } of propertiesOf(
      template,
      'AWS::CloudWatch::Alarm',
    )) {
      expect(String(AlarmName).length).toBeLessThanOrEqual(255);
      // What stands for a name is at least as long as the longest name of a function.
      const text = JSON.stringify(AlarmDescription).replaceAll(
        /\{"(Ref|Fn::GetAtt)":[^}]*\}/g,
        'x'.repeat(64),
      );
      expect(text.length).toBeLessThanOrEqual(1024);
      if (Period !== undefined)
        expect(Number(Period) * Number(EvaluationPeriods)).toBeLessThanOrEqual(604_800);
    }
  });
});

describe('the first run', () => {
  /** The invocations, with what stands for names replaced by words. */
  const invocations = (changes: object = {}, tables?: ConfigInput): unknown => {
    const [resource] = propertiesOf(testTemplate(changes, tables), 'Custom::PartitionKeeperFirstRun');
    const { Invocations } = resource as {
      Invocations: { 'Fn::Join': [string, (string | { Ref: string })[]] };
    };
    const text = Invocations['Fn::Join'][1]
      .map((part) => (typeof part === 'string' ? part : part.Ref))
      .join('');
    return JSON.parse(text).map(({ functionName, payload }: { functionName: string; payload: object }) => [
      functionName.replace(/^Keeper(\w+)Function.*/, '$1'),
      payload,
    ]);
  };

  test('creates a year ahead, and checks', () => {
    expect(invocations()).toEqual([
      ['Create', { premake: 12 }],
      ['Health', {}],
    ]);
  });

  test('does not make less than a table is configured to keep', () => {
    const [first, ...others] = config.tables;
    if (first === undefined) throw new Error('no table');
    const tables = [{ ...first, premake: 24 }, ...others];
    expect(invocations({}, { ...config, tables })).toEqual([
      ['Create', {}],
      ['Create', { premake: 12, tables: names.slice(1) }],
      ['Health', {}],
    ]);
  });

  test('happens again when the tables change, and before the alarms', () => {
    const of = (tables: ConfigInput['tables']) =>
      propertiesOf(testTemplate({}, { ...config, tables }), 'Custom::PartitionKeeperFirstRun')[0]?.['Config'];
    expect(of(config.tables)).toBe(of([...config.tables]));
    expect(of(config.tables.slice(1))).not.toBe(of(config.tables));
    const alarms = Object.values(testTemplate().findResources('AWS::CloudWatch::Alarm'));
    for (const { DependsOn } of alarms) expect(JSON.stringify(DependsOn)).toContain('FirstRun');
  });

  test('can be left out', () => {
    const template = testTemplate({ firstRun: false });
    template.resourceCountIs('Custom::PartitionKeeperFirstRun', 0);
    template.resourceCountIs('AWS::Lambda::Function', 3);
  });
});

describe('the dashboard', () => {
  /** The body as JSON, with what is filled in at deployment left empty. */
  const body = (
    config?: ConfigInput,
  ): { widgets: { type: string; properties: Record<string, unknown> }[] } => {
    const [dashboard] = propertiesOf(testTemplate({}, config), 'AWS::CloudWatch::Dashboard');
    const { DashboardBody } = dashboard as { DashboardBody: { 'Fn::Join': [string, unknown[]] } };
    return JSON.parse(
      DashboardBody['Fn::Join'][1].map((part) => (typeof part === 'string' ? part : 'filled-in')).join(''),
    );
  };

  test('shows runway, missing, expired and size of each table, the last runs and all alarms', () => {
    const { widgets } = body();
    const titles = widgets.map(({ properties }) => properties['title']);
    expect(titles).toEqual(
      expect.arrayContaining([
        'Alarms',
        'Runway (days)',
        'Missing partitions',
        'Expired partitions, overdue',
        'Size by table',
        'Last runs',
      ]),
    );
    const runway = widgets.find(({ properties }) => properties['title'] === 'Runway (days)');
    expect(JSON.stringify(runway)).toMatch(new RegExp(names.map((name) => `"${name}"`).join('.*')));
    const alarms = widgets.find(({ type }) => type === 'alarm')?.properties['alarms'];
    expect(alarms).toHaveLength(2 * names.length + 8);
  });

  test('copes with more alarms than one widget can show', () => {
    const [table] = config.tables;
    if (table === undefined) throw new Error('no table');
    const tables = Array.from({ length: 100 }, (_, index) => ({ ...table, table: `logs_${index}` }));
    const shown = body({ tables }).widgets.filter(({ type }) => type === 'alarm');
    expect(shown.map(({ properties }) => (properties['alarms'] as unknown[]).length)).toEqual([100, 100, 8]);
  });
});

test('names beyond ASCII are written so that CloudWatch takes them', () => {
  const [table] = config.tables;
  if (table === undefined) throw new Error('no table');
  const template = testTemplate({}, { tables: [{ ...table, table: 'ereignisse_ü' }] });
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    Dimensions: Match.arrayWith([{ Name: 'Table', Value: 'platform.ereignisse_\\u00fc' }]),
  });
});

test('two stacks for databases of one name can keep their metrics apart', () => {
  const template = testTemplate({ metricDatabase: 'staging app' });
  template.allResourcesProperties(
    'AWS::CloudWatch::Alarm',
    Match.not({ Dimensions: [{ Name: 'Database', Value: 'app' }] }),
  );
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    Dimensions: Match.arrayWith([{ Name: 'Database', Value: 'staging app' }]),
  });
});

test('one hundred tables fit, far beyond what environment variables would hold', () => {
  const [table] = config.tables;
  if (table === undefined) throw new Error('no table');
  const tables = Array.from({ length: 100 }, (_, index) => ({ ...table, table: `logs_${index}` }));
  const template = testTemplate({}, { tables });
  expect(JSON.stringify(tables).length).toBeGreaterThan(4096);
  // CloudFormation's limits.
  expect(Object.keys(template.toJSON()['Resources']).length).toBeLessThanOrEqual(500);
  expect(JSON.stringify(template.toJSON()).length).toBeLessThan(1_000_000);
});

test.each([
  ['with a secret', {}],
  ['with IAM', byIam],
  [
    'with an endpoint and everything else',
    { vpcEndpoint: true, freeStorageGiB: 1, databaseInstanceIdentifier: 'db' },
  ],
])('AWS Solutions finds nothing that is not explained, %s', (_, changes) => {
  const app = testApp();
  testStack(app, changes);
  expect(new AwsSolutionsChecks(app).validateScope(app).violations).toEqual([]);
});
