import { parsePayload } from '../config/payload.ts';
import { ANSWER_IN_ANY_CASE, type Job, type Report } from '../contract.ts';
import { KeeperError } from '../errors.ts';
import { functionOf } from './function-name.ts';
import { type Account, checkRegion, clientSettings, needed } from './sdk.ts';
import { trouble } from './trouble.ts';

export interface InvokeOptions extends Account {
  readonly job: Job;
  readonly payload: object;
  /** Name or ARN of the function; absent: from the outputs of the stack. */
  readonly function?: string | undefined;
  readonly stack: string;
  /** Told the end of the log when the function failed. */
  readonly onLog?: ((log: string) => void) | undefined;
}

const isReport = (value: unknown): value is Report =>
  typeof value === 'object' &&
  value !== null &&
  'version' in value &&
  value.version === 1 &&
  'tables' in value &&
  Array.isArray(value.tables);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the runtime says of a handler that threw, or of a function that was ended. */
function failureOf(text: string, name: string): KeeperError {
  const answer = parsed(text);
  const message =
    typeof answer === 'object' && answer !== null && 'errorMessage' in answer
      ? String(answer.errorMessage)
      : text;
  return new KeeperError({
    code: 'function-failed',
    message: `The function ${name} failed: ${message}`,
    hint: 'What it had done before remains; run the command again when the cause is gone. The end of its log is above.',
  });
}

/**
 * Invokes the deployed function of a job once, and waits for its report.
 * @throws KeeperError when the payload is wrong, before anything is called; when the function cannot be invoked; when
 *   it fails without a report
 */
export async function invokeJob(options: InvokeOptions): Promise<Report> {
  const { job, payload, onLog } = options;
  parsePayload(job, payload);
  const { LambdaClient, InvokeCommand } = await needed(
    () => import('@aws-sdk/client-lambda'),
    '@aws-sdk/client-lambda',
  );
  const name = options.function ?? (await functionOf(job, options.stack, options));
  // One attempt: a second one would run the job twice.
  const client = new LambdaClient({ ...clientSettings(options), maxAttempts: 1 });
  await checkRegion(client);
  const answer = await client
    .send(
      new InvokeCommand({
        FunctionName: name,
        Payload: JSON.stringify(payload),
        LogType: 'Tail',
        ClientContext: Buffer.from(JSON.stringify(ANSWER_IN_ANY_CASE)).toString('base64'),
      }),
    )
    .catch((error: unknown) => {
      throw trouble(error, `function ${name}`);
    });
  const text = answer.Payload?.transformToString() ?? '';
  if (answer.FunctionError !== undefined) {
    onLog?.(Buffer.from(answer.LogResult ?? '', 'base64').toString());
    throw failureOf(text, name);
  }
  const report = parsed(text);
  if (isReport(report)) return report;
  throw new KeeperError({
    code: 'answer-unknown',
    message: `The function ${name} did not answer with a report: ${text.slice(0, 200)}`,
    hint: 'Check that it is a function of Partition Keeper, of this version or a newer one.',
  });
}
