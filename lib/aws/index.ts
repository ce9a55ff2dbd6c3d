/** Partition Keeper as a construct: import from `partition-keeper/cdk`. */
export type { Deployment, DeploymentInput } from '../config/deployment.ts';
export { parseDeployment } from '../config/deployment.ts';
export type { ConfigInput } from '../config/schema.ts';
export type { Credentials, Database, DatabaseEndpoint } from './database.ts';
export { PartitionKeeper, type PartitionKeeperProps } from './partition-keeper.ts';
export { PartitionKeeperStack, type PartitionKeeperStackProps } from './stack.ts';
