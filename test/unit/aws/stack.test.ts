import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Deployment, parseDeployment } from '../../../lib/aws/deployment.ts';
import { PartitionKeeperStack } from '../../../lib/aws/stack.ts';

const deployment: Deployment = {
  vpcId: 'vpc-0123456789abcdef0',
  availabilityZones: ['eu-central-1a', 'eu-central-1b'],
  privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  databaseSecurityGroupId: 'sg-0123456789abcdef0',
  databaseHost: 'db.example.com',
  databasePort: 5433,
  databaseName: 'app',
  secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf',
};

let outdir: string;

beforeEach(async () => {
  outdir = await mkdtemp(join(tmpdir(), 'partition-keeper-test-'));
});

afterEach(() => rm(outdir, { recursive: true }));

function template(): Template {
  const app = new App({ outdir, context: { 'aws:cdk:bundling-stacks': [] } });
  return Template.fromStack(new PartitionKeeperStack(app, 'Keeper', { deployment, configFile: 'unused' }));
}

describe('PartitionKeeperStack', () => {
  test.each([
    ['create', 'cron(0 2 1 * ? *)'],
    ['cleanup', 'cron(0 3 1 1,4,7,10 ? *)'],
    ['health', 'cron(0 1 * * ? *)'],
  ])('schedules %s in UTC, with an empty payload', (job, expression) => {
    template().hasResourceProperties('AWS::Scheduler::Schedule', {
      Description: `Partition Keeper: ${job}`,
      ScheduleExpression: expression,
      ScheduleExpressionTimezone: 'Etc/UTC',
      State: 'ENABLED',
      Target: Match.objectLike({ Input: '{}' }),
    });
  });

  test('runs one of each function at a time, in the private subnets, on Node 24', () => {
    const functions = template().findResources('AWS::Lambda::Function', {
      Properties: {
        Runtime: 'nodejs24.x',
        ReservedConcurrentExecutions: 1,
        VpcConfig: Match.objectLike({ SubnetIds: deployment.privateSubnetIds }),
        Environment: {
          Variables: Match.objectLike({ PGHOST: 'db.example.com', PGPORT: '5433', PGDATABASE: 'app' }),
        },
      },
    });
    expect(Object.keys(functions)).toHaveLength(3);
  });

  test('opens the database to the functions on its port', () => {
    template().hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
      FromPort: 5433,
      ToPort: 5433,
      GroupId: 'sg-0123456789abcdef0',
    });
  });
});

describe('parseDeployment', () => {
  test('reads an object and the text of the command line alike', () => {
    expect(parseDeployment(JSON.stringify(deployment))).toEqual(parseDeployment(deployment));
  });

  test('names every field that is missing or wrong', () => {
    const { vpcId: _, ...rest } = deployment;
    expect(() => parseDeployment({ ...rest, databasePort: 'x', extra: 1 })).toThrow(
      /vpcId.*databasePort.*extra/s,
    );
  });
});
