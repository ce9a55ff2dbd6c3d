import { Signer } from '@aws-sdk/rds-signer';
import { ENVIRONMENT } from '../lib/contract.ts';
import type { ConnectionSettings } from '../lib/postgres/connection-options.ts';
import { connectionSettings } from '../lib/postgres/connection-options.ts';
import { fetchSecret, settingsFromSecret } from './secret.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Credentials of the database, and whether they may have been replaced since they were fetched. */
export interface Credentials {
  readonly settings: ConnectionSettings;
  readonly cached: boolean;
}

/** Secrets that were fetched in this instance of the function. */
const secrets = new Map<string, Awaited<ReturnType<typeof fetchSecret>>>();

/** A token is made here, without a call, and is valid for a quarter of an hour. */
function settingsForIam(user: string, env: Environment): ConnectionSettings {
  const settings = connectionSettings(undefined, { ...env, PGUSER: user, PGSSLMODE: 'verify-full' });
  const signer = new Signer({ hostname: settings.host, port: settings.port, username: user });
  return { ...settings, password: () => signer.getAuthToken() };
}

/**
 * Where and as whom to connect: by a secret, by RDS IAM authentication, or by what the command line reads.
 * @param fresh fetch the secret anew, because the cached one was refused
 */
export async function credentials(env: Environment, fresh: boolean): Promise<Credentials> {
  const user = env[ENVIRONMENT.iamUser];
  if (user !== undefined) return { settings: settingsForIam(user, env), cached: false };
  const arn = env[ENVIRONMENT.secretArn];
  if (arn === undefined) return { settings: connectionSettings(undefined, env), cached: false };
  const known = fresh ? undefined : secrets.get(arn);
  const secret = known ?? (await fetchSecret(arn));
  secrets.set(arn, secret);
  return { settings: settingsFromSecret(arn, secret, env), cached: known !== undefined };
}
