import { createHash } from 'node:crypto';
import { CustomResource, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { type Code, Function as LambdaFunction, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct, type IDependable } from 'constructs';
import { functionRole, type JobFunction } from './job-function.ts';

/** A year ahead for monthly tables, as after a hand-made migration. */
const PREMAKE = 12;

export interface FirstRunProps {
  readonly code: Code;
  readonly config: {
    readonly tables: readonly { readonly schema: string; readonly table: string; readonly premake: number }[];
  };
  readonly create: JobFunction;
  readonly health: JobFunction;
  /** Must be in place before anything is run: rules of security groups, the database. */
  readonly after: readonly IDependable[];
}

/** A table that is configured to keep more ready than the first run makes must not get less. */
function createPayloads({ tables }: FirstRunProps['config']): object[] {
  const short = tables.filter(({ premake }) => premake < PREMAKE);
  if (short.length === tables.length) return [{ premake: PREMAKE }];
  const names = short.map(({ schema, table }) => `${schema}.${table}`);
  return short.length === 0 ? [{}] : [{}, { premake: PREMAKE, tables: names }];
}

/**
 * Creates partitions, and then checks them, whenever the stack is deployed with another config. Lives outside the VPC,
 * from where it can answer CloudFormation.
 */
export class FirstRun extends Construct {
  readonly function: LambdaFunction;
  readonly resource: CustomResource;

  constructor(scope: Construct, id: string, props: FirstRunProps) {
    super(scope, id);
    const { create, health } = props;
    const logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role: Role = functionRole(this, logGroup, 'Partition Keeper: first run');
    const functions = [create, health];
    role.addToPolicy(
      new PolicyStatement({
        actions: ['lambda:InvokeFunction', 'lambda:GetFunction'],
        resources: functions.map((job) => job.function.functionArn),
      }),
    );
    this.function = new LambdaFunction(this, 'Function', {
      description: 'Partition Keeper: first run at deployment',
      code: props.code,
      handler: 'first-run.handler',
      runtime: Runtime.NODEJS_24_X,
      timeout: Duration.minutes(15),
      // CloudFormation has its answer, or has given up.
      retryAttempts: 0,
      memorySize: 256,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
    });
    const invocation = (job: JobFunction, payload: object) => ({
      functionName: job.function.functionName,
      logGroup: job.logGroup.logGroupName,
      payload,
    });
    const invocations = [
      ...createPayloads(props.config).map((payload) => invocation(create, payload)),
      invocation(health, {}),
    ];
    this.resource = new CustomResource(this, 'Resource', {
      serviceToken: this.function.functionArn,
      resourceType: 'Custom::PartitionKeeperFirstRun',
      serviceTimeout: Duration.minutes(16),
      properties: {
        Invocations: this.toJson(invocations),
        Config: createHash('sha256').update(JSON.stringify(props.config)).digest('hex'),
      },
    });
    this.resource.node.addDependency(...functions, ...props.after);
  }

  /** With the names of the functions filled in when the stack is deployed. */
  private toJson(value: object): string {
    return Stack.of(this).toJsonString(value);
  }
}
