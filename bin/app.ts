import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { parseDeployment } from '../lib/aws/deployment.ts';
import { PartitionKeeperStack } from '../lib/aws/stack.ts';
import { parseConfig } from '../lib/config/config.ts';
import { KeeperError } from '../lib/errors.ts';
import config from '../partitions.config.ts';

/** The checked config in a file, from which bundling copies it into the functions. */
function writeConfig(): string {
  parseConfig(config, 'partitions.config.ts');
  const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'partitions.config.json');
  writeFileSync(file, JSON.stringify(config));
  return file;
}

const app = new App();
try {
  new PartitionKeeperStack(app, 'PartitionKeeper', {
    deployment: parseDeployment(app.node.tryGetContext('deployment')),
    configFile: writeConfig(),
  });
} catch (error) {
  if (!(error instanceof KeeperError)) throw error;
  console.error(`error: ${error.message}\n hint: ${error.hint}`);
  process.exit(error.exitCode);
}
