import { ArnFormat, Duration, type RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type Code, Function as LambdaFunction, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Schedule, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Job } from '../contract.ts';
import type { FunctionName } from './code.ts';
import { scheduleExpression } from './schedule.ts';

const ENTRIES: Readonly<Record<Job, FunctionName>> = {
  create: 'create-partitions',
  cleanup: 'cleanup-partitions',
  health: 'check-health',
};

const TIMEOUTS: Readonly<Record<Job, Duration>> = {
  create: Duration.minutes(10),
  cleanup: Duration.minutes(15),
  health: Duration.minutes(2),
};

export interface JobFunctionProps {
  readonly job: Job;
  readonly code: Code;
  readonly vpc: IVpc;
  readonly vpcSubnets?: SubnetSelection | undefined;
  readonly securityGroup: ISecurityGroup;
  readonly environment: Readonly<Record<string, string>>;
  readonly memorySize: number;
  readonly reserveConcurrency: boolean;
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
  /** Cron expression of five fields. */
  readonly schedule: string;
  readonly timeZone: string;
  /** Takes invocations that failed for good. */
  readonly failures: IQueue;
  /** Takes invocations that could not be handed over. */
  readonly undelivered: IQueue;
}

/** A role that may write to its own log group and nothing else. */
export function functionRole(scope: Construct, logGroup: LogGroup, description: string): Role {
  const role = new Role(scope, 'Role', {
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    description,
  });
  role.addToPolicy(
    new PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    }),
  );
  return role;
}

/** Lambda itself attaches functions to a VPC in the name of their role; the code of the function may not. */
function allowVpc(role: Role, functionArn: string): void {
  const actions = [
    'ec2:CreateNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:DeleteNetworkInterface',
    'ec2:AssignPrivateIpAddresses',
    'ec2:UnassignPrivateIpAddresses',
  ];
  role.addToPolicy(new PolicyStatement({ actions, resources: ['*'] }));
  role.addToPolicy(
    new PolicyStatement({
      effect: Effect.DENY,
      actions,
      resources: ['*'],
      conditions: { ArnEquals: { 'lambda:SourceFunctionArn': functionArn } },
    }),
  );
}

/** One job: its function, role, log group and schedule. */
export class JobFunction extends Construct {
  readonly job: Job;
  readonly function: LambdaFunction;
  readonly role: Role;
  readonly logGroup: LogGroup;
  readonly schedule: Schedule;

  constructor(scope: Construct, id: string, props: JobFunctionProps) {
    super(scope, id);
    const { job, failures, undelivered } = props;
    this.job = job;
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: props.removalPolicy,
    });
    this.role = functionRole(this, this.logGroup, `Partition Keeper: function of ${job}`);
    this.function = new LambdaFunction(this, 'Function', {
      description: `Partition Keeper: ${job}`,
      code: props.code,
      handler: `${ENTRIES[job]}.handler`,
      runtime: Runtime.NODEJS_24_X,
      timeout: TIMEOUTS[job],
      memorySize: props.memorySize,
      role: this.role,
      vpc: props.vpc,
      ...(props.vpcSubnets === undefined ? {} : { vpcSubnets: props.vpcSubnets }),
      securityGroups: [props.securityGroup],
      environment: { ...props.environment },
      logGroup: this.logGroup,
      loggingFormat: LoggingFormat.JSON,
      ...(props.reserveConcurrency ? { reservedConcurrentExecutions: 1 } : {}),
      onFailure: new SqsDestination(failures),
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
    });
    allowVpc(this.role, this.functionArn());
    this.schedule = this.scheduled(props, undelivered);
    Validations.of(this.role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'Lambda checks these actions on network interfaces without naming one; a second statement denies them to the code of the function.',
    });
  }

  /** Without a reference to the function, which itself refers to the role. */
  private functionArn(): string {
    return Stack.of(this).formatArn({
      service: 'lambda',
      resource: 'function',
      resourceName: '*',
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }

  private scheduled(props: JobFunctionProps, undelivered: IQueue): Schedule {
    const { account } = Stack.of(this);
    const role = new Role(this, 'ScheduleRole', {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
      description: `Partition Keeper: schedule of ${props.job}`,
    });
    role.addToPolicy(
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [this.function.functionArn] }),
    );
    role.addToPolicy(
      new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [undelivered.queueArn] }),
    );
    return new Schedule(this, 'Schedule', {
      schedule: scheduleExpression(props.schedule, props.timeZone),
      target: new LambdaInvoke(this.function, {
        input: ScheduleTargetInput.fromObject({}),
        // The target would add the right to invoke every version of the function.
        role: role.withoutPolicyUpdates(),
        deadLetterQueue: undelivered,
        retryAttempts: 10,
        maxEventAge: Duration.hours(1),
      }),
      description: `Partition Keeper: ${props.job}`,
    });
  }
}
