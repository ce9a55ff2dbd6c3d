import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { onTestFinished } from 'vitest';
import { PartitionKeeperStack } from '../../lib/aws/stack.ts';
import { type DeploymentInput, parseDeployment } from '../../lib/config/deployment.ts';
import type { ConfigInput } from '../../lib/config/schema.ts';
import sixTables from '../../partitions.config.ts';

/** A database in a VPC that exist already. */
export const deployment = {
  vpcId: 'vpc-0123456789abcdef0',
  availabilityZones: ['eu-central-1a', 'eu-central-1b'],
  privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  databaseSecurityGroupId: 'sg-0123456789abcdef0',
  databaseHost: 'db.example.com',
  databasePort: 5433,
  databaseName: 'app',
  secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf',
  alarmEmails: ['dba@example.com'],
} satisfies DeploymentInput;

/** An app whose assembly is removed when the test is over. */
export function testApp(): App {
  const outdir = mkdtempSync(join(tmpdir(), 'partition-keeper-test-'));
  onTestFinished(() => rmSync(outdir, { recursive: true }));
  return new App({ outdir });
}

/** The stack with the six tables, unless told otherwise. */
export const testStack = (
  app: App,
  changes: Partial<DeploymentInput> = {},
  config: ConfigInput = sixTables,
): PartitionKeeperStack =>
  new PartitionKeeperStack(app, 'Keeper', {
    deployment: parseDeployment({ ...deployment, ...changes }),
    config,
  });

export const testTemplate = (changes: Partial<DeploymentInput> = {}, config?: ConfigInput): Template =>
  Template.fromStack(testStack(testApp(), changes, config));

/** The properties of the resources of a type. */
export const propertiesOf = (template: Template, type: string): Record<string, unknown>[] =>
  Object.values(template.findResources(type)).map(({ Properties }) => Properties);
