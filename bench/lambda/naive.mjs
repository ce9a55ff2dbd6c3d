// What one writes without a bundler: whole clients of the SDK, loaded from node_modules, and the strategy document's
// function called by pg.
import * as cloudwatch from '@aws-sdk/client-cloudwatch';
import * as secretsManager from '@aws-sdk/client-secrets-manager';
import * as sns from '@aws-sdk/client-sns';
import pg from 'pg';

const secrets = new secretsManager.SecretsManagerClient({});
// Made for every run, used when something is to be told.
export const clients = [new cloudwatch.CloudWatchClient({}), new sns.SNSClient({})];

export async function handler() {
  const secret = await secrets.send(
    new secretsManager.GetSecretValueCommand({ SecretId: process.env.DATABASE_SECRET_ARN }),
  );
  const { username, password } = JSON.parse(secret.SecretString);
  const client = new pg.Client({ user: username, password, ssl: { rejectUnauthorized: true } });
  await client.connect();
  try {
    const { rows } = await client.query('SELECT * FROM document.create_future_partitions($1, 3)', [
      process.env.TABLES,
    ]);
    return { results: rows.length };
  } finally {
    await client.end();
  }
}
