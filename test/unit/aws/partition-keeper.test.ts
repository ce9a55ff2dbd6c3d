import { Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { type IVpc, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { AccountPrincipal, Role } from 'aws-cdk-lib/aws-iam';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  AuroraPostgresEngineVersion,
  ClusterInstance,
  DatabaseCluster,
  DatabaseClusterEngine,
  DatabaseInstance,
  DatabaseInstanceEngine,
  PostgresEngineVersion,
} from 'aws-cdk-lib/aws-rds';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { describe, expect, test } from 'vitest';
import { PartitionKeeper, type PartitionKeeperProps } from '../../../lib/aws/index.ts';
import { deployment, propertiesOf, testApp } from '../../support/stack.ts';

interface Surroundings {
  readonly stack: Stack;
  readonly vpc: IVpc;
}

/** Somebody else's app. */
function surroundings(): Surroundings {
  const stack = new Stack(testApp(), 'Mine');
  const vpc = Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: deployment.vpcId,
    availabilityZones: [...deployment.availabilityZones],
    privateSubnetIds: [...deployment.privateSubnetIds],
  });
  return { stack, vpc };
}

const secretOf = ({ stack }: Surroundings, id = 'Secret') =>
  Secret.fromSecretCompleteArn(stack, id, deployment.secretArn);

const config: PartitionKeeperProps['config'] = {
  tables: [{ schema: 'logs', table: 'events', partitionKey: 'created_at', interval: 'month' }],
};

const instance = ({ stack, vpc }: Surroundings) =>
  new DatabaseInstance(stack, 'Database', {
    vpc,
    engine: DatabaseInstanceEngine.postgres({ version: PostgresEngineVersion.VER_17 }),
    iamAuthentication: true,
    storageEncrypted: true,
  });

const cluster = ({ stack, vpc }: Surroundings) =>
  new DatabaseCluster(stack, 'Database', {
    vpc,
    engine: DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_16_4 }),
    writer: ClusterInstance.serverlessV2('Writer'),
  });

const endpoint = ({ stack, vpc }: Surroundings) => ({
  host: 'db.example.com',
  securityGroups: [new SecurityGroup(stack, 'Group', { vpc, allowAllOutbound: false })],
});

function keeperOf(
  around: Surroundings,
  database: PartitionKeeperProps['database'],
  changes: Partial<PartitionKeeperProps> = {},
): PartitionKeeper {
  return new PartitionKeeper(around.stack, 'Keeper', {
    vpc: around.vpc,
    database,
    databaseName: 'app',
    credentials: { secret: secretOf(around) },
    config,
    ...changes,
  });
}

describe.each([
  ['an instance', instance],
  ['a cluster', cluster],
  ['an endpoint', endpoint],
])('the database is %s', (_, make) => {
  test('it is let into, as the secret says, and by IAM', () => {
    const around = surroundings();
    const database = make(around);
    keeperOf(around, database);
    const template = Template.fromStack(around.stack);
    template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      Description: 'Partition Keeper to the database',
      SourceSecurityGroupId: { 'Fn::GetAtt': [Match.stringLikeRegexp('^KeeperSecurityGroup'), 'GroupId'] },
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Description: 'Partition Keeper: create',
      Environment: {
        Variables: Match.objectLike({ PGDATABASE: 'app', DATABASE_SECRET_ARN: Match.anyValue() }),
      },
    });
  });
});

test('by IAM, an instance tells its resource id itself', () => {
  const around = surroundings();
  keeperOf(around, instance(around), { credentials: { iamUser: 'keeper' } });
  const policies = JSON.stringify(propertiesOf(Template.fromStack(around.stack), 'AWS::IAM::Policy'));
  expect(policies).toMatch(/:dbuser:",\{"Fn::GetAtt":\["Database[0-9A-F]+","DbiResourceId"\]\},"\/keeper"/);
});

test('the deployment waits for the database before the first run', () => {
  const around = surroundings();
  keeperOf(around, instance(around));
  const [run] = Object.values(
    Template.fromStack(around.stack).findResources('Custom::PartitionKeeperFirstRun'),
  );
  expect(run?.['DependsOn']).toEqual(
    expect.arrayContaining([expect.stringMatching(/^Database[0-9A-F]{8}$/)]),
  );
});

test('two keepers may watch databases of one name, in one stack', () => {
  const around = surroundings();
  const database = endpoint(around);
  keeperOf(around, database);
  new PartitionKeeper(around.stack, 'Other', {
    vpc: around.vpc,
    database,
    databaseName: 'app',
    metricDatabase: 'other app',
    credentials: { secret: secretOf(around, 'Other secret') },
    config,
  });
  const alarms = propertiesOf(Template.fromStack(around.stack), 'AWS::CloudWatch::Alarm');
  expect(new Set(alarms.map(({ AlarmName }) => AlarmName)).size).toBe(alarms.length);
  expect(JSON.stringify(alarms)).toContain('"Value":"other app"');
});

describe('what it offers', () => {
  test('metrics of its tables and jobs, by the names the functions use', () => {
    const around = surroundings();
    const keeper = keeperOf(around, endpoint(around));
    const dimensions = { Database: 'app', Table: 'logs.events' };
    expect(keeper.metricMissingPartitions('logs.events')).toMatchObject({
      namespace: 'PartitionKeeper',
      metricName: 'MissingPartitions',
      dimensions,
    });
    expect(keeper.metricRunwayDays('logs.events', { statistic: 'Minimum' })).toMatchObject({
      metricName: 'RunwayDays',
      statistic: 'Minimum',
    });
    expect(keeper.metricExpiredPartitions('logs.events')).toMatchObject({ metricName: 'ExpiredPartitions' });
    expect(keeper.metricDefaultPartitionRows('logs.events')).toMatchObject({
      metricName: 'DefaultPartitionRows',
    });
    expect(keeper.metricRunSucceeded('create')).toMatchObject({
      dimensions: { Database: 'app', Job: 'create' },
    });
    expect(keeper.metricRunFailed('health')).toMatchObject({ metricName: 'RunFailed' });
    expect(() => keeper.metricMissingPartitions('logs.event')).toThrow(/logs\.event is not in the config/);
  });

  test('the right to invoke its jobs, or some of them', () => {
    const around = surroundings();
    const keeper = keeperOf(around, endpoint(around), { firstRun: false });
    const person = new Role(around.stack, 'Person', { assumedBy: new AccountPrincipal('123456789012') });
    keeper.grantInvoke(person, ['create']);
    const policies = Object.entries(Template.fromStack(around.stack).findResources('AWS::IAM::Policy'));
    const [, policy] = policies.find(([id]) => id.startsWith('Person')) ?? [];
    expect(JSON.stringify(policy)).toContain('KeeperCreateFunction');
    expect(JSON.stringify(policy)).not.toContain('KeeperCleanupFunction');
  });

  test('log groups that are kept as long as asked', () => {
    const around = surroundings();
    keeperOf(around, endpoint(around), {
      logRetention: { cleanup: RetentionDays.INFINITE },
      firstRun: false,
    });
    const groups = Object.values(Template.fromStack(around.stack).findResources('AWS::Logs::LogGroup'));
    expect(groups.map((group) => group['Properties']?.RetentionInDays)).toEqual([365, undefined, 365]);
  });
});

describe('refused, with what to do', () => {
  test.each<readonly [string, Partial<PartitionKeeperProps>, RegExp]>([
    ['a wrong config', { config: { tables: [] } }, /tables: must list at least one table/],
    ['IAM without a resource id', { credentials: { iamUser: 'keeper' } }, /needs the resource id/],
  ])('%s', (_, changes, message) => {
    const around = surroundings();
    expect(() => keeperOf(around, endpoint(around), changes)).toThrow(message);
  });
});
