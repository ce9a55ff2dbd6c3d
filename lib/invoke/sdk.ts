import { usageError } from '../errors.ts';

/** Where and as whom to call AWS; what is absent the SDK finds as it always does. */
export interface Account {
  readonly region?: string | undefined;
  readonly profile?: string | undefined;
}

/** A function may take a quarter of an hour, and Lambda a moment to hand its answer over. */
const LONGEST_MS = 16 * 60_000;

/** Settings of a client: nothing is sent twice, and a long answer is waited for. */
export const clientSettings = ({ region, profile }: Account) => ({
  ...(region === undefined ? {} : { region }),
  ...(profile === undefined ? {} : { profile }),
  requestHandler: { connectionTimeout: 10_000, requestTimeout: LONGEST_MS, socketTimeout: LONGEST_MS },
});

/** What Node says when a package is not there. */
const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';

/**
 * A client of the SDK, of which only those who invoke functions need any.
 * @throws KeeperError that says what to install
 */
export async function needed<Module>(load: () => Promise<Module>, name: string): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw usageError(
      'sdk-missing',
      `The package ${name} is not installed; nothing was called.`,
      `npm install ${name} (invoke needs @aws-sdk/client-lambda and, without --function, @aws-sdk/client-cloudformation)`,
      error,
    );
  }
}

/** @throws KeeperError when nothing says in which region to call */
export async function checkRegion({
  config,
}: {
  readonly config: { readonly region: () => Promise<string> };
}): Promise<void> {
  try {
    await config.region();
  } catch (error) {
    throw usageError(
      'region-missing',
      'No AWS region is given, and the profile has none; nothing was called.',
      'Set AWS_REGION, or use --region.',
      error,
    );
  }
}
