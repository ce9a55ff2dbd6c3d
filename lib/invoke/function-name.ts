import type { Job } from '../contract.ts';
import { KeeperError } from '../errors.ts';
import { type Account, checkRegion, clientSettings, needed } from './sdk.ts';
import { trouble } from './trouble.ts';

/** What the stack of `cdk deploy` calls its functions among its outputs. */
const OUTPUTS: Readonly<Record<Job, string>> = {
  create: 'CreateFunction',
  cleanup: 'CleanupFunction',
  health: 'HealthFunction',
};

/**
 * The name of a job's function, from the outputs of its stack.
 * @throws KeeperError when there is no such stack, or it has no such output
 */
export async function functionOf(job: Job, stack: string, account: Account): Promise<string> {
  const name = '@aws-sdk/client-cloudformation';
  const { CloudFormationClient, DescribeStacksCommand } = await needed(
    () => import('@aws-sdk/client-cloudformation'),
    name,
  );
  const client = new CloudFormationClient(clientSettings(account));
  await checkRegion(client);
  const { Stacks: stacks = [] } = await client
    .send(new DescribeStacksCommand({ StackName: stack }))
    .catch((error: unknown) => {
      // CloudFormation has no word of its own for it.
      if (error instanceof Error && error.name === 'ValidationError') throw unknownStack(stack, error);
      throw trouble(error, `the stack ${stack}`);
    });
  const outputs = stacks[0]?.Outputs ?? [];
  const found = outputs.find(({ OutputKey: key }) => key === OUTPUTS[job])?.OutputValue;
  if (found !== undefined) return found;
  throw new KeeperError({
    code: 'output-missing',
    message: `The stack ${stack} has no output ${OUTPUTS[job]}, so the function of ${job} is not known.`,
    hint: 'In an app of your own, give the name or the ARN with --function, or make it an output of that name.',
  });
}

const unknownStack = (stack: string, cause: unknown): KeeperError =>
  new KeeperError({
    code: 'stack-unknown',
    message: `There is no stack ${stack} in this account and region.`,
    hint: 'Check AWS_REGION and AWS_PROFILE (or --region, --profile), and give the name of the stack with --stack, or the function with --function.',
    cause,
  });
