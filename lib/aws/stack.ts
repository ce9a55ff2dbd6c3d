import { fileURLToPath } from 'node:url';
import { Duration, Stack, type StackProps, TimeZone } from 'aws-cdk-lib';
import { Port, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Runtime } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Job } from '../contract.ts';
import type { Deployment } from './deployment.ts';

export interface PartitionKeeperStackProps extends StackProps {
  readonly deployment: Deployment;
  /** The checked config as JSON; it is packed into the functions. */
  readonly configFile: string;
}

interface Plan {
  readonly entry: string;
  readonly schedule: ScheduleExpression;
  readonly timeout: Duration;
}

const utc = TimeZone.ETC_UTC;

/** Create before the new interval needs it, clean up each quarter, look every day. */
const PLANS: Record<Job, Plan> = {
  create: {
    entry: 'create-partitions',
    schedule: ScheduleExpression.cron({ minute: '0', hour: '2', day: '1', timeZone: utc }),
    timeout: Duration.minutes(10),
  },
  cleanup: {
    entry: 'cleanup-partitions',
    schedule: ScheduleExpression.cron({ minute: '0', hour: '3', day: '1', month: '1,4,7,10', timeZone: utc }),
    timeout: Duration.minutes(15),
  },
  health: {
    entry: 'check-health',
    schedule: ScheduleExpression.cron({ minute: '0', hour: '1', timeZone: utc }),
    timeout: Duration.minutes(2),
  },
};

const JOB_NAMES: Record<Job, string> = { create: 'Create', cleanup: 'Cleanup', health: 'Health' };

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The three jobs as scheduled functions in the database's VPC. */
export class PartitionKeeperStack extends Stack {
  readonly functions: Readonly<Record<Job, NodejsFunction>>;

  constructor(scope: Construct, id: string, props: PartitionKeeperStackProps) {
    super(scope, id, props);
    const { deployment } = props;
    const { vpcId, availabilityZones, privateSubnetIds } = deployment;
    const vpc = Vpc.fromVpcAttributes(this, 'Vpc', { vpcId, availabilityZones, privateSubnetIds });
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Partition Keeper functions',
    });
    const database = SecurityGroup.fromSecurityGroupId(this, 'Database', deployment.databaseSecurityGroupId);
    database.connections.allowFrom(securityGroup, Port.tcp(deployment.databasePort), 'Partition Keeper');
    const secret = Secret.fromSecretCompleteArn(this, 'Secret', deployment.secretArn);

    const scheduled = (job: Job): NodejsFunction => {
      const plan = PLANS[job];
      const handler = new NodejsFunction(this, `${JOB_NAMES[job]}Function`, {
        entry: fileOf(`functions/${plan.entry}.ts`),
        projectRoot: fileOf(''),
        depsLockFilePath: fileOf('package-lock.json'),
        runtime: Runtime.NODEJS_24_X,
        timeout: plan.timeout,
        memorySize: 256,
        reservedConcurrentExecutions: 1,
        vpc,
        securityGroups: [securityGroup],
        environment: {
          DATABASE_SECRET_ARN: deployment.secretArn,
          PGHOST: deployment.databaseHost,
          PGPORT: String(deployment.databasePort),
          PGDATABASE: deployment.databaseName,
          // Lambda has Amazon's certificate authorities here; Node's own store lacks them.
          NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
        },
        bundling: {
          minify: true,
          mainFields: ['module', 'main'],
          bundleAwsSDK: true,
          // An optional native part of pg that is not used.
          externalModules: ['pg-native'],
          commandHooks: {
            beforeBundling: () => [],
            beforeInstall: () => [],
            afterBundling: (_: string, output: string) => [
              `cp "${props.configFile}" "${output}/partitions.config.json"`,
            ],
          },
        },
      });
      secret.grantRead(handler);
      new Schedule(this, `${JOB_NAMES[job]}Schedule`, {
        schedule: plan.schedule,
        target: new LambdaInvoke(handler, { input: ScheduleTargetInput.fromObject({}) }),
        description: `Partition Keeper: ${job}`,
      });
      return handler;
    };
    this.functions = {
      create: scheduled('create'),
      cleanup: scheduled('cleanup'),
      health: scheduled('health'),
    };
  }
}
