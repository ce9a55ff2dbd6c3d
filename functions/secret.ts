import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import * as v from 'valibot';
import { KeeperError } from '../lib/errors.ts';
import type { ConnectionSettings } from '../lib/postgres/connection-options.ts';

/** What RDS writes into the secrets it manages; a secret made by hand has the same keys. */
const secretSchema = v.object({
  username: v.string(),
  password: v.string(),
  host: v.optional(v.string()),
  port: v.optional(v.pipe(v.union([v.string(), v.number()]), v.transform(Number))),
  dbname: v.optional(v.string()),
});

type Secret = v.InferOutput<typeof secretSchema>;

const wrong = (arn: string, what: string, cause?: unknown): KeeperError =>
  new KeeperError({
    code: 'secret-invalid',
    message: `The secret ${arn} ${what}.`,
    hint: 'It must hold JSON with username and password, and host, port and dbname unless the environment has them.',
    cause,
  });

async function fetchSecret(client: SecretsManagerClient, arn: string): Promise<Secret> {
  const { SecretString: text } = await client.send(new GetSecretValueCommand({ SecretId: arn }));
  if (text === undefined) throw wrong(arn, 'holds no text');
  try {
    return v.parse(secretSchema, JSON.parse(text));
  } catch (error) {
    throw wrong(arn, 'does not have the form of an RDS secret', error);
  }
}

/**
 * Connection settings from a secret; host, port and database may also come from the environment, as an
 * RDS-managed secret names none of them.
 * @throws KeeperError when the secret has not the expected form, and the SDK's errors
 */
export async function settingsFromSecret(arn: string, env: NodeJS.ProcessEnv): Promise<ConnectionSettings> {
  const { username, password, host, port, dbname } = await fetchSecret(new SecretsManagerClient({}), arn);
  const server = env['PGHOST'] ?? host;
  if (server === undefined) throw wrong(arn, 'names no host, and PGHOST is not set');
  return {
    host: server,
    port: Number(env['PGPORT'] ?? port ?? 5432),
    user: username,
    password,
    database: env['PGDATABASE'] ?? dbname ?? username,
    connectTimeoutMs: 10_000,
    tls: { mode: 'verify-full', rootCertificate: env['PGSSLROOTCERT'] ?? 'system' },
  };
}
