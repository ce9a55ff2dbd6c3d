import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { listen, type RunningFunction } from './runtime-api.ts';

/** A call as it came in. */
export interface InvokeCall {
  readonly functionName: string;
  readonly payload: unknown;
  readonly logType: string | undefined;
}

type Reply = readonly [status: number, headers: Readonly<Record<string, string>>, body: string];

/** What stands in for Lambda and CloudFormation. */
export interface InvokeEndpoint extends Disposable {
  readonly url: string;
  readonly calls: readonly InvokeCall[];
  /** Answers further invocations like this instead of by the function; null: by the function again. */
  readonly answerWith: (reply: Reply | 'break off' | null) => void;
}

export const refusal = (status: number, name: string, message: string): Reply => [
  status,
  { 'content-type': 'application/json', 'x-amzn-errortype': name },
  JSON.stringify({ Type: 'User', message }),
];

/** As `DescribeStacks` answers. */
const stackXml = (outputs: Readonly<Record<string, string>>): string => {
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member><StackName>PartitionKeeper</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${members.join('')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
};

const noStack = (name: string): string =>
  `<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id ${name} does not exist</Message></Error></ErrorResponse>`;

function describeStacks(body: string, outputs: Readonly<Record<string, string>>): Reply {
  const name = new URLSearchParams(body).get('StackName');
  return name === 'PartitionKeeper'
    ? [200, { 'content-type': 'text/xml' }, stackXml(outputs)]
    : [400, { 'content-type': 'text/xml' }, noStack(name ?? '')];
}

const decoded = (header: string | readonly string[] | undefined): string | undefined =>
  header === undefined ? undefined : Buffer.from(String(header), 'base64').toString();

/** Lambda gives the last 4 KB of the log along. */
const tail = (lines: readonly string[]): string =>
  Buffer.from(lines.join('\n')).subarray(-4096).toString('base64');

async function invoked(request: IncomingMessage, body: string, lambda: RunningFunction): Promise<Reply> {
  const clientContext = decoded(request.headers['x-amz-client-context']);
  const { ok, payload, logs } = await lambda.invoke(
    JSON.parse(body),
    clientContext === undefined ? {} : { clientContext },
  );
  const headers = {
    'content-type': 'application/json',
    'x-amz-executed-version': '$LATEST',
    ...(request.headers['x-amz-log-type'] === 'Tail' ? { 'x-amz-log-result': tail(logs) } : {}),
    ...(ok ? {} : { 'x-amz-function-error': 'Unhandled' }),
  };
  return [200, headers, JSON.stringify(payload)];
}

/**
 * Speaks the part of Lambda's API that invokes functions, and that of CloudFormation that tells a stack's outputs.
 * @param functions by their name
 * @param outputs of the stack PartitionKeeper
 */
export async function startInvokeEndpoint(
  functions: Readonly<Record<string, RunningFunction>>,
  outputs: Readonly<Record<string, string>>,
): Promise<InvokeEndpoint> {
  const calls: InvokeCall[] = [];
  let fixed: Reply | 'break off' | null = null;

  async function reply(request: IncomingMessage, body: string): Promise<Reply | 'break off'> {
    const [, name] = /^\/2015-03-31\/functions\/([^/]+)\/invocations/.exec(request.url ?? '') ?? [];
    if (name === undefined) return describeStacks(body, outputs);
    const functionName = decodeURIComponent(name);
    calls.push({
      functionName,
      payload: JSON.parse(body),
      logType: request.headers['x-amz-log-type']?.toString(),
    });
    if (fixed !== null) return fixed;
    const lambda = functions[functionName];
    if (lambda === undefined)
      return refusal(404, 'ResourceNotFoundException', `Function not found: ${functionName}`);
    return invoked(request, body, lambda);
  }

  const { port, close } = await listen(async (request, response) => {
    const answer = await reply(request, await text(request));
    if (answer === 'break off') request.socket.destroy();
    else response.writeHead(answer[0], answer[1]).end(answer[2]);
  });
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    answerWith: (next) => {
      fixed = next;
    },
    [Symbol.dispose]: close,
  };
}
