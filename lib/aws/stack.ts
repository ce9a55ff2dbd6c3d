import { CfnOutput, Size, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { Deployment } from '../config/deployment.ts';
import type { ConfigInput } from '../config/schema.ts';
import type { Credentials } from './database.ts';
import { PartitionKeeper } from './partition-keeper.ts';
import { invokeCommand } from './runbook.ts';

export interface PartitionKeeperStackProps extends StackProps {
  readonly deployment: Deployment;
  readonly config: ConfigInput;
}

/** A keeper for a database that exists already, in the VPC that exists already. */
export class PartitionKeeperStack extends Stack {
  readonly keeper: PartitionKeeper;

  constructor(scope: Construct, id: string, { deployment, config, ...props }: PartitionKeeperStackProps) {
    super(scope, id, { description: 'Partition Keeper: time partitions of PostgreSQL tables', ...props });
    const { vpcId, availabilityZones, privateSubnetIds, alarmTopicArn, logRetentionDays, freeStorageGiB } =
      deployment;
    const vpc = Vpc.fromVpcAttributes(this, 'Vpc', { vpcId, availabilityZones, privateSubnetIds });
    Validations.of(vpc).acknowledge({
      id: 'Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId',
      reason: 'Nothing is added to the route tables.',
    });
    this.keeper = new PartitionKeeper(this, 'Keeper', {
      vpc,
      database: {
        host: deployment.databaseHost,
        port: deployment.databasePort,
        securityGroups: [
          SecurityGroup.fromSecurityGroupId(this, 'Database', deployment.databaseSecurityGroupId),
        ],
        ...optional('resourceId', deployment.databaseResourceId),
        ...optional('instanceIdentifier', deployment.databaseInstanceIdentifier),
      },
      databaseName: deployment.databaseName,
      ...optional('metricDatabase', deployment.metricDatabase),
      credentials: this.credentials(deployment),
      config,
      schedules: definedOnly(deployment.schedules ?? {}),
      ...optional('scheduleTimeZone', deployment.scheduleTimeZone),
      ...optional('alarmEmails', deployment.alarmEmails),
      ...(alarmTopicArn === undefined
        ? {}
        : { alarmTopic: Topic.fromTopicArn(this, 'AlarmTopic', alarmTopicArn) }),
      logRetention: definedOnly(logRetentionDays ?? {}),
      ...optional('memorySize', deployment.memorySize),
      ...optional('reserveConcurrency', deployment.reserveConcurrency),
      ...optional('firstRun', deployment.firstRun),
      ...optional('vpcEndpoint', deployment.vpcEndpoint),
      ...(freeStorageGiB === undefined ? {} : { freeStorageThreshold: Size.gibibytes(freeStorageGiB) }),
    });
    this.outputs();
  }

  /** What the runbook's commands need. */
  private outputs(): void {
    const { functions, logGroups, failures, undelivered, alarmTopic, dashboard } = this.keeper;
    const values = {
      CreateFunction: functions.create.functionName,
      CleanupFunction: functions.cleanup.functionName,
      HealthFunction: functions.health.functionName,
      CreateLogs: logGroups.create.logGroupName,
      CleanupLogs: logGroups.cleanup.logGroupName,
      HealthLogs: logGroups.health.logGroupName,
      InvokeCreate: invokeCommand(functions.create.functionName),
      FailuresQueue: failures.queueUrl,
      UndeliveredQueue: undelivered.queueUrl,
      AlarmTopicArn: alarmTopic.topicArn,
      DashboardName: dashboard.dashboardName,
    };
    for (const [id, value] of Object.entries(values)) new CfnOutput(this, id, { value });
  }

  private credentials({ secretArn, secretKeyArn, iamUser = '' }: Deployment): Credentials {
    if (secretArn === undefined) return { iamUser };
    return {
      secret: Secret.fromSecretAttributes(this, 'Secret', {
        secretCompleteArn: secretArn,
        ...(secretKeyArn === undefined
          ? {}
          : { encryptionKey: Key.fromKeyArn(this, 'SecretKey', secretKeyArn) }),
      }),
    };
  }
}

const optional = <Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [N in Name]?: Value } => (value === undefined ? {} : ({ [name]: value } as { [N in Name]?: Value }));

const definedOnly = <Value>(entries: Record<string, Value | undefined>): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(entries).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
