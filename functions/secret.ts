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

export type Secret = v.InferOutput<typeof secretSchema>;

const wrong = (arn: string, what: string): KeeperError =>
  new KeeperError({
    code: 'secret-invalid',
    message: `The secret ${arn} ${what}.`,
    hint: 'It must hold JSON with username and password, and host, port and dbname unless the environment has them.',
  });

/** No retries beyond the SDK's own, and no waiting for an endpoint that a security group keeps away. */
const client = (): SecretsManagerClient =>
  new SecretsManagerClient({ requestHandler: { connectionTimeout: 3_000, requestTimeout: 5_000 } });

async function readText(arn: string): Promise<string | undefined> {
  try {
    const { SecretString: text } = await client().send(new GetSecretValueCommand({ SecretId: arn }));
    return text;
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new KeeperError({
      code: 'secret-unavailable',
      message: `The secret ${arn} could not be read: ${reason}`,
      hint: 'Check that it exists, that the role of the function may read it and decrypt it with its key, and that the VPC has a way to Secrets Manager: a NAT gateway or an interface endpoint, and security groups that let port 443 through. IAM authentication needs none of it.',
      cause: error,
    });
  }
}

/** @throws KeeperError when the secret cannot be read or has not the expected form; its value is never shown */
export async function fetchSecret(arn: string): Promise<Secret> {
  const text = await readText(arn);
  if (text === undefined) throw wrong(arn, 'holds no text');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message would quote the secret.
    throw wrong(arn, 'does not hold JSON');
  }
  const result = v.safeParse(secretSchema, value);
  if (result.success) return result.output;
  const fields = result.issues.map((issue) => v.getDotPath(issue) ?? 'the whole').join(', ');
  throw wrong(arn, `does not have the form of an RDS secret (wrong or missing: ${fields})`);
}

/**
 * Connection settings from a secret; host, port and database may also come from the environment, as an
 * RDS-managed secret names none of them.
 * @throws KeeperError when neither names a host
 */
export function settingsFromSecret(
  arn: string,
  { username, password, host, port, dbname }: Secret,
  env: Readonly<Record<string, string | undefined>>,
): ConnectionSettings {
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
