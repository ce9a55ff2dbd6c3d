import { Duration, RemovalPolicy, type Size, Stack, Validations } from 'aws-cdk-lib';
import type { Alarm, Dashboard, Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import {
  Connections,
  type IConnectable,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  type SubnetSelection,
} from 'aws-cdk-lib/aws-ec2';
import { type Grant, type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { type ILogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { parseConfig } from '../config/config.ts';
import { defaultSchedules } from '../config/schedules.ts';
import type { ConfigInput } from '../config/schema.ts';
import { ENVIRONMENT, JOBS, type Job } from '../contract.ts';
import { usageError } from '../errors.ts';
import { Alarms } from './alarms.ts';
import { functionsCode } from './code.ts';
import { addDashboard } from './dashboard.ts';
import {
  type Credentials,
  type Database,
  type DatabaseTarget,
  databaseTarget,
  loginArn,
} from './database.ts';
import { FirstRun } from './first-run.ts';
import { JobFunction } from './job-function.ts';
import { jobMetric, tableMetric } from './metrics.ts';
import { notifications } from './notifications.ts';

export interface PartitionKeeperProps {
  readonly vpc: IVpc;
  /**
   * Where the functions are put: with a way to the database and, with a secret, to Secrets Manager.
   * @default the private subnets
   */
  readonly vpcSubnets?: SubnetSelection;
  readonly database: Database;
  readonly databaseName: string;
  readonly credentials: Credentials;
  /** Time zone and tables, as in `partitions.config.ts`. */
  readonly config: ConfigInput;
  /**
   * Value of the metrics' dimension Database. Set it when two databases of one name are watched in one region.
   * @default databaseName
   */
  readonly metricDatabase?: string;
  /**
   * Cron expressions of five fields.
   * @default create on the 1st at 02:00, but daily at 02:00 where a table has intervals of a week or a day, and hourly
   *   where one has hours; cleanup on 1 January, April, July and October at 03:00; health daily at 01:00
   */
  readonly schedules?: Partial<Readonly<Record<Job, string>>>;
  /** @default UTC */
  readonly scheduleTimeZone?: string;
  /** An existing topic for alarms. @default a topic of its own, encrypted */
  readonly alarmTopic?: ITopic;
  /** Addresses that are subscribed to the topic. @default none */
  readonly alarmEmails?: readonly string[];
  /** @default ten years for cleanup, which is evidence of what was removed; a year for the others */
  readonly logRetention?: Partial<Readonly<Record<Job, RetentionDays>>>;
  /** What becomes of the log groups when the construct is removed. @default RETAIN */
  readonly removalPolicy?: RemovalPolicy;
  /** MiB for each function. @default 256 */
  readonly memorySize?: number;
  /** Whether each function keeps one of the account's concurrent executions for itself. @default true */
  readonly reserveConcurrency?: boolean;
  /** Whether to create and check partitions while deploying, and fail if that fails. @default true */
  readonly firstRun?: boolean;
  /** Whether to make an interface endpoint for Secrets Manager in the VPC. @default false */
  readonly vpcEndpoint?: boolean;
  /** Alarm when the instance has less free storage. @default no such alarm */
  readonly freeStorageThreshold?: Size;
}

const DEFAULT_RETENTION: Readonly<Record<Job, RetentionDays>> = {
  create: RetentionDays.ONE_YEAR,
  cleanup: RetentionDays.TEN_YEARS,
  health: RetentionDays.ONE_YEAR,
};

const IDS: Readonly<Record<Job, string>> = { create: 'Create', cleanup: 'Cleanup', health: 'Health' };

const perJob = <Value>(make: (job: Job) => Value): Readonly<Record<Job, Value>> => ({
  create: make('create'),
  cleanup: make('cleanup'),
  health: make('health'),
});

/**
 * Creates, removes and watches the time partitions of the tables of one PostgreSQL database: a scheduled function for
 * each of the three jobs, metrics, alarms and a dashboard.
 */
export class PartitionKeeper extends Construct implements IConnectable {
  readonly functions: Readonly<Record<Job, LambdaFunction>>;
  readonly logGroups: Readonly<Record<Job, ILogGroup>>;
  readonly alarms: readonly Alarm[];
  readonly alarmTopic: ITopic;
  readonly dashboard: Dashboard;
  /** Of the functions; the rules for the database are there already. */
  readonly connections: Connections;
  /** Takes invocations that failed for good. */
  readonly failures: Queue;
  /** Takes invocations that could not be handed over. */
  readonly undelivered: Queue;
  private readonly database: string;
  private readonly tables: readonly { readonly schema: string; readonly table: string }[];

  /** @throws KeeperError when the config has problems; all are named */
  constructor(scope: Construct, id: string, props: PartitionKeeperProps) {
    super(scope, id);
    const { vpc, credentials } = props;
    const { deployment: _, ...config } = props.config;
    const { tables } = parseConfig(config, 'The config of the construct');
    this.tables = tables;
    this.database = props.metricDatabase ?? props.databaseName;
    const target = databaseTarget(props.database);
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'Partition Keeper functions',
      allowAllOutbound: false,
    });
    this.connections = new Connections({ securityGroups: [securityGroup] });
    const endpoint = this.connectTo(target, props);

    this.failures = this.queue('Failures');
    this.undelivered = this.queue('Undelivered');
    const code = functionsCode(this, config);
    const schedules = { ...defaultSchedules(tables), ...props.schedules };
    const timeZone = props.scheduleTimeZone ?? 'UTC';
    const jobs = perJob(
      (job) =>
        new JobFunction(this, IDS[job], {
          job,
          code,
          vpc,
          vpcSubnets: props.vpcSubnets,
          securityGroup,
          environment: this.environment(target, props),
          memorySize: props.memorySize ?? 256,
          reserveConcurrency: props.reserveConcurrency ?? true,
          logRetention: props.logRetention?.[job] ?? DEFAULT_RETENTION[job],
          removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
          schedule: schedules[job],
          timeZone,
          failures: this.failures,
          undelivered: this.undelivered,
        }),
    );
    this.functions = perJob((job) => jobs[job].function);
    this.logGroups = perJob((job) => jobs[job].logGroup);
    for (const job of JOBS) this.allowLogin(jobs[job], target, credentials);

    this.alarmTopic = notifications(this, props.alarmTopic, props.alarmEmails ?? []);
    const alarms = new Alarms(this, 'Alarms', {
      prefix: this.node.path.replaceAll('/', ' '),
      database: this.database,
      tables,
      jobs,
      schedules,
      timeZone,
      failures: this.failures,
      undelivered: this.undelivered,
      freeStorage: this.freeStorage(target, props),
      topic: this.alarmTopic,
    });
    this.alarms = alarms.all;
    this.dashboard = addDashboard(this, { database: this.database, tables, jobs, alarms });
    if (props.firstRun !== false) {
      const firstRun = new FirstRun(this, 'FirstRun', {
        code,
        config: { tables },
        create: jobs.create,
        health: jobs.health,
        after: [
          securityGroup,
          ...target.connections.securityGroups,
          ...constructsOf(props.database),
          ...endpoint,
        ],
      });
      // Alarms on silence would go off before the first figures are there.
      alarms.node.addDependency(firstRun);
    }
  }

  /** Grid intervals of the table that should have a partition and have none. */
  metricMissingPartitions(table: string, options?: MetricOptions): Metric {
    return tableMetric(this.database, this.tableOf(table), 'missing', options);
  }

  /** Days until the partitions that exist end. */
  metricRunwayDays(table: string, options?: MetricOptions): Metric {
    return tableMetric(this.database, this.tableOf(table), 'runway', options);
  }

  /** Partitions past retention that a cleanup should have removed. */
  metricExpiredPartitions(table: string, options?: MetricOptions): Metric {
    return tableMetric(this.database, this.tableOf(table), 'expired', options);
  }

  /** Rows in the default partition. */
  metricDefaultPartitionRows(table: string, options?: MetricOptions): Metric {
    return tableMetric(this.database, this.tableOf(table), 'defaultRows', options);
  }

  metricRunSucceeded(job: Job, options?: MetricOptions): Metric {
    return jobMetric(this.database, job, 'succeeded', options);
  }

  metricRunFailed(job: Job, options?: MetricOptions): Metric {
    return jobMetric(this.database, job, 'failed', options);
  }

  /** Lets somebody invoke the jobs by hand. @param jobs all unless given */
  grantInvoke(grantee: IGrantable, jobs: readonly Job[] = JOBS): Grant[] {
    return jobs.map((job) => this.functions[job].grantInvoke(grantee));
  }

  private tableOf(name: string): { readonly schema: string; readonly table: string } {
    const found = this.tables.find(({ schema, table }) => `${schema}.${table}` === name);
    if (found !== undefined) return found;
    const known = this.tables.map(({ schema, table }) => `${schema}.${table}`).join(', ');
    throw usageError('table-unknown', `${name} is not in the config.`, `Known are ${known}.`);
  }

  private queue(id: string): Queue {
    const queue = new Queue(this, id, {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    Validations.of(queue).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'It is a dead-letter queue itself, and has an alarm.',
    });
    return queue;
  }

  private environment(target: DatabaseTarget, props: PartitionKeeperProps): Record<string, string> {
    const { credentials } = props;
    return {
      PGHOST: target.host,
      PGPORT: target.port,
      PGDATABASE: props.databaseName,
      [ENVIRONMENT.database]: this.database,
      ...('secret' in credentials
        ? { [ENVIRONMENT.secretArn]: credentials.secret.secretArn }
        : { [ENVIRONMENT.iamUser]: credentials.iamUser }),
      // Lambda has Amazon's certificate authorities here; Node's own store lacks them.
      NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem',
    };
  }

  /** Rules of the security groups, both ways. Returns the endpoint, if one is made. */
  private connectTo(
    target: DatabaseTarget,
    { vpc, vpcSubnets, credentials, vpcEndpoint }: PartitionKeeperProps,
  ): InterfaceVpcEndpoint[] {
    this.connections.allowToDefaultPort(target, 'Partition Keeper to the database');
    if (!('secret' in credentials)) return [];
    if (vpcEndpoint !== true) {
      this.connections.allowTo(Peer.anyIpv4(), Port.tcp(443), 'Partition Keeper to Secrets Manager');
      return [];
    }
    const endpoint = new InterfaceVpcEndpoint(this, 'SecretsManager', {
      vpc,
      service: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
      open: false,
      ...(vpcSubnets === undefined ? {} : { subnets: vpcSubnets }),
    });
    this.connections.allowTo(endpoint, Port.tcp(443), 'Partition Keeper to Secrets Manager');
    return [endpoint];
  }

  private allowLogin(job: JobFunction, target: DatabaseTarget, credentials: Credentials): void {
    if ('secret' in credentials) {
      credentials.secret.grantRead(job.role);
      // That covers the policy of a key in this app only, not of one that exists already.
      credentials.secret.encryptionKey?.grantDecrypt(job.role);
      return;
    }
    job.role.addToPolicy(
      new PolicyStatement({
        actions: ['rds-db:connect'],
        resources: [loginArn(Stack.of(this), target, credentials.iamUser)],
      }),
    );
  }

  private freeStorage(target: DatabaseTarget, { freeStorageThreshold: threshold }: PartitionKeeperProps) {
    if (threshold === undefined) return undefined;
    const { instanceIdentifier } = target;
    if (instanceIdentifier === undefined) {
      throw usageError(
        'instance-unknown',
        'freeStorageThreshold is given, but not whose storage to watch.',
        'Give instanceIdentifier with the endpoint; the storage of a cluster grows by itself.',
      );
    }
    return { instanceIdentifier, threshold };
  }
}

/** What has to exist before the database can be reached; an endpoint exists already. */
const constructsOf = (database: Database): Construct[] => (Construct.isConstruct(database) ? [database] : []);
