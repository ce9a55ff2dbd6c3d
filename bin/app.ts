import { App } from 'aws-cdk-lib';
import { PartitionKeeperStack } from '../lib/aws/stack.ts';
import { parseDeployment } from '../lib/config/deployment.ts';
import { loadConfigInput } from '../lib/config/load.ts';
import { KeeperError } from '../lib/errors.ts';

const app = new App();
try {
  const config = await loadConfigInput(app.node.tryGetContext('config'), process.cwd());
  const deployment = parseDeployment(app.node.tryGetContext('deployment') ?? config.deployment);
  new PartitionKeeperStack(app, deployment.stackName ?? 'PartitionKeeper', { deployment, config });
} catch (error) {
  if (!(error instanceof KeeperError)) throw error;
  console.error(`error: ${error.message}\n hint: ${error.hint}`);
  process.exit(error.exitCode);
}
