import { KeeperError } from '../errors.ts';

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Where a call did not come through, it may have been carried out all the same. */
const UNANSWERED: ReadonlySet<string> = new Set(['TimeoutError', 'ECONNRESET', 'EPIPE']);

/** What a failed call to AWS means. @param what was called, for people */
export function trouble(error: unknown, what: string): KeeperError {
  if (error instanceof KeeperError) return error;
  const name = nameOf(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : name;
  const told = (word: string, message: string, hint: string): KeeperError =>
    new KeeperError({ code: word, message, hint, cause: error });
  switch (name) {
    case 'ResourceNotFoundException':
      return told(
        'function-unknown',
        `There is no ${what} in this account and region.`,
        'Check AWS_REGION and AWS_PROFILE (or --region, --profile), and the name given to --function.',
      );
    case 'CredentialsProviderError':
      return told(
        'credentials-missing',
        `No credentials for AWS were found: ${textOf(error)}`,
        'Log in (aws sso login), or set AWS_PROFILE (or --profile) or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
      );
    case 'AccessDeniedException':
    case 'AccessDenied':
      return told(
        'access-denied',
        `AWS does not allow this for ${what}: ${textOf(error)}`,
        'The caller needs lambda:InvokeFunction on the function and, without --function, cloudformation:DescribeStacks; in the CDK app: keeper.grantInvoke(role).',
      );
    case 'ExpiredTokenException':
    case 'UnrecognizedClientException':
    case 'InvalidSignatureException':
      return told('credentials-refused', `AWS refuses the credentials: ${textOf(error)}`, 'Log in anew.');
    case 'TooManyRequestsException':
      return told(
        'function-busy',
        `${what} takes no invocation now: ${textOf(error)}`,
        'Another run is under way, as each function runs once at a time, or it has been stopped (reserved concurrency 0). Nothing was done; run the command again later.',
      );
    default:
  }
  if (UNANSWERED.has(name) || UNANSWERED.has(code)) {
    return told(
      'answer-missing',
      `${what} gave no answer: ${textOf(error)}. It may have run, or be running still; it is not invoked again.`,
      'Look at its log, or run status from where the database can be reached. Running the command again does no harm.',
    );
  }
  if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code)) {
    return told(
      'aws-unreachable',
      `AWS cannot be reached: ${textOf(error)}`,
      'Check the network, a proxy, and the region.',
    );
  }
  return told(
    code === '' ? 'aws' : code,
    `The call to ${what} failed: ${textOf(error)}`,
    'The code is that of AWS.',
  );
}
