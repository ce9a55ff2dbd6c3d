import * as v from 'valibot';
import { usageError } from '../errors.ts';
import { cron } from './cron.ts';
import { timeZone } from './time-zone.ts';
import { unknownKey } from './unknown-key.ts';

const text = (example: string) =>
  v.pipe(v.string(`must be text such as ${example}`), v.nonEmpty('must not be empty'));

const texts = (example: string) =>
  v.pipe(
    v.array(text(example), `must be a list of texts such as ${example}`),
    v.minLength(1, 'must not be empty'),
  );

const flag = v.optional(v.boolean('must be true or false'));

const whole = (least: number) =>
  v.pipe(
    v.number('must be a number'),
    v.integer('must be a whole number'),
    v.minValue(least, `must be at least ${least}`),
  );

const strict = <Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, unknownKey(Object.keys(entries)));

/** What CloudWatch Logs knows; 0: for ever. */
const RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

const logRetention = v.optional(
  v.picklist(
    RETENTION_DAYS,
    `must be a number of days that CloudWatch Logs knows: ${RETENTION_DAYS.join(', ')}`,
  ),
);

/** What exists already and the functions are put into, and what may differ from the defaults. */
export const deploymentSchema = v.pipe(
  strict({
    /** Name of the CloudFormation stack. */
    stackName: v.optional(text('PartitionKeeper')),
    vpcId: text('vpc-0123456789abcdef0'),
    availabilityZones: texts('eu-central-1a'),
    /** One for each availability zone, with a way to the database. */
    privateSubnetIds: texts('subnet-0123456789abcdef0'),
    /** Of the database; the functions are let in. */
    databaseSecurityGroupId: text('sg-0123456789abcdef0'),
    databaseHost: text('db.abc123.eu-central-1.rds.amazonaws.com'),
    databasePort: v.optional(whole(1), 5432),
    databaseName: text('app'),
    /** Tells two databases of one name apart in the metrics of an account and region. */
    metricDatabase: v.optional(text('staging app')),
    /** A secret with username and password, as RDS makes them. */
    secretArn: v.optional(text('arn:aws:secretsmanager:eu-central-1:123456789012:secret:keeper-AbCdEf')),
    /** The key the secret is encrypted with, unless it is the account's default key. */
    secretKeyArn: v.optional(text('arn:aws:kms:eu-central-1:123456789012:key/1234abcd')),
    /** Instead of a secret: the database role that logs in by RDS IAM authentication. */
    iamUser: v.optional(text('partition_keeper')),
    /** With `iamUser`: the resource id of the instance (`db-...`) or cluster (`cluster-...`). */
    databaseResourceId: v.optional(text('db-ABCDEFGHIJKL01234')),
    /** Watches the free storage of this instance, too. */
    databaseInstanceIdentifier: v.optional(text('app-db')),
    freeStorageGiB: v.optional(whole(1)),
    alarmEmails: v.optional(texts('dba@example.com')),
    /** An existing topic instead of one of our own. */
    alarmTopicArn: v.optional(text('arn:aws:sns:eu-central-1:123456789012:alarms')),
    schedules: v.optional(
      strict({ create: v.optional(cron), cleanup: v.optional(cron), health: v.optional(cron) }),
    ),
    scheduleTimeZone: v.optional(timeZone),
    logRetentionDays: v.optional(
      strict({ create: logRetention, cleanup: logRetention, health: logRetention }),
    ),
    /** In MiB. */
    memorySize: v.optional(v.pipe(whole(128), v.maxValue(10_240, 'must be at most 10240'))),
    /** Whether to create partitions once while deploying. Default: true. */
    firstRun: flag,
    /** Whether to make an interface endpoint for Secrets Manager in the VPC. Default: false. */
    vpcEndpoint: flag,
    /** Whether each function keeps one of the account's concurrent executions. Default: true. */
    reserveConcurrency: flag,
  }),
  v.forward(
    v.partialCheck(
      [['secretArn'], ['iamUser']],
      ({ secretArn, iamUser }) => (secretArn === undefined) !== (iamUser === undefined),
      'give either secretArn or iamUser: how the functions log in to the database',
    ),
    ['secretArn'],
  ),
  v.forward(
    v.partialCheck(
      [['iamUser'], ['databaseResourceId']],
      ({ iamUser, databaseResourceId }) => iamUser === undefined || databaseResourceId !== undefined,
      'is required with iamUser: the permission to log in names it',
    ),
    ['databaseResourceId'],
  ),
  v.forward(
    v.partialCheck(
      [['availabilityZones'], ['privateSubnetIds']],
      ({ availabilityZones, privateSubnetIds }) => privateSubnetIds.length % availabilityZones.length === 0,
      'must have as many entries for each availability zone as for the others',
    ),
    ['privateSubnetIds'],
  ),
  v.forward(
    v.partialCheck(
      [['freeStorageGiB'], ['databaseInstanceIdentifier']],
      ({ freeStorageGiB, databaseInstanceIdentifier }) =>
        freeStorageGiB === undefined || databaseInstanceIdentifier !== undefined,
      'is required with freeStorageGiB: whose storage to watch',
    ),
    ['databaseInstanceIdentifier'],
  ),
);

export type Deployment = v.InferOutput<typeof deploymentSchema>;
export type DeploymentInput = v.InferInput<typeof deploymentSchema>;

/**
 * @param context the value of the context key, an object, or its JSON text from the command line
 * @throws KeeperError that names every field that is missing or wrong
 */
export function parseDeployment(context: unknown): Deployment {
  const help =
    'Describe it under "deployment" in the config file or in the context of cdk.json, or give --context deployment=JSON; docs/operations.md goes through it step by step.';
  let value = context;
  if (typeof context === 'string') {
    try {
      value = JSON.parse(context);
    } catch (error) {
      throw usageError('deployment-invalid', 'The deployment is not JSON.', help, error);
    }
  }
  const result = v.safeParse(deploymentSchema, value ?? {});
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => `  ${v.getDotPath(issue) ?? 'deployment'}: ${issue.message}`);
  throw usageError('deployment-invalid', `The deployment is not described:\n${problems.join('\n')}`, help);
}
