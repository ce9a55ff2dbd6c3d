import { ArnFormat, type Stack, Token } from 'aws-cdk-lib';
import type { IConnectable, ISecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Connections, Port } from 'aws-cdk-lib/aws-ec2';
import type { IDatabaseCluster, IDatabaseInstance } from 'aws-cdk-lib/aws-rds';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { usageError } from '../errors.ts';

/** A database that this app does not define. */
export interface DatabaseEndpoint {
  readonly host: string;
  /** @default 5432 */
  readonly port?: number;
  /** Of the database; the functions are let in. */
  readonly securityGroups: readonly ISecurityGroup[];
  /** For IAM authentication: the resource id of the instance (`db-...`) or cluster (`cluster-...`). */
  readonly resourceId?: string;
  /** For the alarm on free storage. */
  readonly instanceIdentifier?: string;
}

export type Database = IDatabaseInstance | IDatabaseCluster | DatabaseEndpoint;

/** How the functions log in: with a secret as RDS makes them, or as a role that uses RDS IAM authentication. */
export type Credentials = { readonly secret: ISecret } | { readonly iamUser: string };

/** What the construct needs to know of any of them. */
export interface DatabaseTarget extends IConnectable {
  readonly host: string;
  readonly port: string;
  readonly resourceId?: string;
  readonly instanceIdentifier?: string;
}

const ofInstance = (instance: IDatabaseInstance): DatabaseTarget => ({
  host: instance.dbInstanceEndpointAddress,
  port: instance.dbInstanceEndpointPort,
  connections: instance.connections,
  instanceIdentifier: instance.instanceIdentifier,
  ...(instance.instanceResourceId === undefined ? {} : { resourceId: instance.instanceResourceId }),
});

const ofCluster = (cluster: IDatabaseCluster): DatabaseTarget => ({
  host: cluster.clusterEndpoint.hostname,
  port: Token.asString(cluster.clusterEndpoint.port),
  connections: cluster.connections,
  resourceId: cluster.clusterResourceIdentifier,
});

const ofEndpoint = ({ port = 5432, securityGroups, ...rest }: DatabaseEndpoint): DatabaseTarget => ({
  ...rest,
  port: String(port),
  connections: new Connections({ securityGroups: [...securityGroups], defaultPort: Port.tcp(port) }),
});

export function databaseTarget(database: Database): DatabaseTarget {
  if ('dbInstanceEndpointAddress' in database) return ofInstance(database);
  return 'clusterEndpoint' in database ? ofCluster(database) : ofEndpoint(database);
}

/**
 * The ARN that the permission to log in as a role names.
 * @throws KeeperError when the resource id is not known, as with some imported instances
 */
export function loginArn(stack: Stack, target: DatabaseTarget, user: string): string {
  if (target.resourceId === undefined) {
    throw usageError(
      'resource-id-missing',
      'IAM authentication needs the resource id of the database, and this one does not tell it.',
      'Give instanceResourceId when importing the instance, or resourceId with the endpoint; aws rds describe-db-instances shows it as DbiResourceId.',
    );
  }
  return stack.formatArn({
    service: 'rds-db',
    resource: 'dbuser',
    resourceName: `${target.resourceId}/${user}`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}
