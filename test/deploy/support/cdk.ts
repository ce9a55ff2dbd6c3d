import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { DeploymentInput } from '../../../lib/config/deployment.ts';
import type { ConfigInput } from '../../../lib/config/schema.ts';
import { credentials, type Emulator, REGION } from './emulator.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CDK = join(ROOT, 'node_modules/aws-cdk/bin/cdk');

/** What is deployed: the config and the deployment it goes with. */
export interface Wanted {
  readonly config: ConfigInput;
  readonly deployment: DeploymentInput;
}

export interface CdkResult {
  readonly code: number | null;
  /** Both outputs, as a terminal shows them. */
  readonly output: string;
}

/** The environment without anything that leads to an account of the user. */
function environment(endpoint: string, home: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(AWS|CDK)_/.test(name));
  return {
    ...Object.fromEntries(own),
    // The app is run by the node that is found first: this one.
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    AWS_ENDPOINT_URL: endpoint,
    // The address of the template as CloudFormation is told it: moto takes it apart only under this name.
    AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION: endpoint.replace('127.0.0.1', 'localhost'),
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_REGION: REGION,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: join(home, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(home, 'none'),
    CDK_HOME: home,
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    CDK_DISABLE_VERSION_CHECK: 'true',
    NO_COLOR: '1',
  };
}

/** The CDK command of this project, at work in the emulator only. */
export class Cdk {
  private readonly emulator: Emulator;

  constructor(emulator: Emulator) {
    this.emulator = emulator;
  }

  /** Runs a command on what is wanted, as an operator would in a checkout. */
  async run({ config, deployment }: Wanted, ...args: string[]): Promise<CdkResult> {
    const { endpoint, folder, watch } = this.emulator;
    const file = join(folder, 'partitions.json');
    await writeFile(file, JSON.stringify(config));
    const options = [
      ...['--context', `config=${file}`],
      ...['--context', `deployment=${JSON.stringify(deployment)}`],
      ...['--output', join(folder, 'cdk.out'), '--no-notices', '--ci'],
    ];
    const child = spawn(process.execPath, [CDK, ...args, ...options], {
      cwd: ROOT,
      env: environment(endpoint, folder),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const [code, ...outputs] = await Promise.all([watch(child), text(child.stdout), text(child.stderr)]);
    return { code, output: outputs.join('\n') };
  }
}
