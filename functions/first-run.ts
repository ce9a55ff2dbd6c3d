import { InvokeCommand, LambdaClient, waitUntilFunctionActiveV2 } from '@aws-sdk/client-lambda';
import * as v from 'valibot';
import { logger } from './log.ts';
import type { InvocationContext } from './runtime.ts';

/** What CloudFormation sends to a custom resource, as far as it is used. */
const eventSchema = v.object({
  RequestType: v.picklist(['Create', 'Update', 'Delete']),
  ResponseURL: v.string(),
  StackId: v.string(),
  RequestId: v.string(),
  LogicalResourceId: v.string(),
  ResourceProperties: v.object({
    /** JSON: the invocations, in order. */
    Invocations: v.pipe(
      v.string(),
      v.parseJson(),
      v.array(
        v.object({
          functionName: v.string(),
          logGroup: v.string(),
          payload: v.record(v.string(), v.unknown()),
        }),
      ),
    ),
  }),
});

type Event = v.InferOutput<typeof eventSchema>;
type Invocation = Event['ResourceProperties']['Invocations'][number];

/** Patient, since a scheduled run may have taken the only concurrent execution of its function. */
const lambda = new LambdaClient({ maxAttempts: 10 });

/** Kept of the remaining time to answer CloudFormation, which would wait in vain else. */
const RESERVE_MS = 15_000;

const CHECK = [
  'the security group of the database lets the functions in on its port',
  'the subnets of the functions have a route to the database and, with a secret, to Secrets Manager',
  'the secret, or the IAM user, is that of a role that has the documented grants',
  'the tables of the config exist in the database and are partitioned',
];

/** @throws Error with what the function said and what to check */
async function invoke(
  { functionName, logGroup, payload }: Invocation,
  abortSignal: AbortSignal,
): Promise<void> {
  await waitUntilFunctionActiveV2(
    { client: lambda, maxWaitTime: 300, abortSignal },
    { FunctionName: functionName },
  );
  const { FunctionError: failed, Payload: answer } = await lambda.send(
    new InvokeCommand({ FunctionName: functionName, Payload: JSON.stringify(payload) }),
    { abortSignal },
  );
  const text = answer?.transformToString() ?? '';
  logger.info('invoked', { functionName, payload, failed: failed ?? null, answer: text.slice(0, 10_000) });
  if (failed === undefined) return;
  const { errorMessage = text } = JSON.parse(text) as { readonly errorMessage?: string };
  throw new Error(
    `The first run failed: ${errorMessage.slice(0, 1500)} Check that ${CHECK.join('; that ')}. The log is in ${logGroup}. To deploy without a first run, set firstRun to false.`,
  );
}

interface Outcome {
  readonly Status: 'SUCCESS' | 'FAILED';
  readonly Reason?: string;
}

/** CloudFormation waits for this, up to its own time limit. */
async function respond(event: Event, outcome: Outcome): Promise<void> {
  const { StackId, RequestId, LogicalResourceId, ResponseURL } = event;
  const body = JSON.stringify({
    ...outcome,
    StackId,
    RequestId,
    LogicalResourceId,
    PhysicalResourceId: 'first-run',
  });
  const response = await fetch(ResponseURL, { method: 'PUT', body, headers: { 'content-type': '' } });
  if (!response.ok) throw new Error(`CloudFormation did not take the answer: ${response.status}`);
}

/** Custom resource: runs the jobs once while the stack is deployed, and fails the deployment when they fail. */
export async function handler(
  input: unknown,
  context: Pick<InvocationContext, 'getRemainingTimeInMillis'>,
): Promise<void> {
  const event = v.parse(eventSchema, input);
  const signal = AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MS));
  try {
    if (event.RequestType !== 'Delete') {
      for (const invocation of event.ResourceProperties.Invocations) await invoke(invocation, signal);
    }
  } catch (error) {
    logger.error('first run failed', { error });
    return respond(event, {
      Status: 'FAILED',
      Reason: error instanceof Error ? error.message : String(error),
    });
  }
  return respond(event, { Status: 'SUCCESS' });
}
