import pg from 'pg';
import type { ReportError } from '../contract.ts';
import { KeeperError } from '../errors.ts';
import { quoteIdentifier } from '../partition/identifiers.ts';
import type { ConnectionSettings } from './connection-options.ts';
import { passfilePassword } from './passfile.ts';
import { codeOf, SQLSTATE } from './sqlstate.ts';
import { serverOffersTls, tlsOptions } from './tls.ts';

const isSocket = (host: string): boolean => host.startsWith('/');

const UNTRUSTED: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
]);
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ECONNRESET',
  'ENOENT',
  'EACCES',
  'EPIPE',
]);

interface Diagnosis {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** What a failed connection attempt means, by code. */
function diagnose(code: string | undefined, settings: ConnectionSettings, reason: string): Diagnosis {
  const { host, port, user, database } = settings;
  const server = isSocket(host) ? `${host} (port ${port})` : `${host}:${port}`;
  switch (code) {
    case SQLSTATE.invalidPassword:
      return {
        code,
        message: `The server ${server} refused the password of role ${user}.`,
        hint: 'Check that the role exists, and its password in PGPASSWORD, the passfile, the database URL or the secret; passwords may have been rotated.',
      };
    case SQLSTATE.invalidAuthorization:
      return {
        code,
        message: `The server ${server} does not let role ${user} into database ${database} this way: ${reason}`,
        hint: 'Check that the role exists and may log in, that pg_hba.conf (or rds.force_ssl) admits this host, and sslmode.',
      };
    case SQLSTATE.invalidCatalog:
      return {
        code,
        message: `The server ${server} has no database ${database}.`,
        hint: 'Correct the last part of the database URL, or PGDATABASE.',
      };
    case SQLSTATE.insufficientPrivilege:
      return {
        code,
        message: `Role ${user} may not connect to database ${database} of the server ${server}: ${reason}`,
        hint: `GRANT CONNECT ON DATABASE ${quoteIdentifier(database)} TO ${quoteIdentifier(user)};`,
      };
    case SQLSTATE.tooManyConnections:
      return {
        code,
        message: `The server ${server} has no connection left for role ${user}.`,
        hint: 'Close idle connections or raise max_connections; Partition Keeper needs just one.',
      };
    case SQLSTATE.cannotConnectNow:
      return {
        code,
        message: `The server ${server} is starting up, shutting down or recovering.`,
        hint: 'Wait until it accepts connections, then run the command again.',
      };
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return {
        code: 'tls-host-name',
        message: `The certificate of ${server} is for another host name.`,
        hint: 'Connect by the name in the certificate, or use sslmode=verify-ca if the name cannot match.',
      };
    case 'CERT_HAS_EXPIRED':
      return {
        code: 'tls-expired',
        message: `The certificate of ${server} has expired.`,
        hint: 'Renew the certificate of the server.',
      };
    default:
  }
  if (code !== undefined && UNTRUSTED.has(code)) {
    return {
      code: 'tls-untrusted',
      message: `The certificate of ${server} is not signed by a certificate authority that is trusted here (${code}).`,
      hint: 'Give the CA file: sslrootcert=/path/ca.pem in the database URL, or PGSSLROOTCERT (for RDS, the regional or global bundle of Amazon); in a Lambda function, NODE_EXTRA_CA_CERTS.',
    };
  }
  if (code !== undefined && UNREACHABLE.has(code)) {
    return {
      code: 'unreachable',
      message: `The server ${server} cannot be reached: ${reason}${reason.includes(code) ? '' : ` (${code})`}.`,
      hint: 'Check host and port, that PostgreSQL is running, and that firewall or security group let this machine in.',
    };
  }
  return {
    code: code ?? 'connection-failed',
    message: `Connecting to ${server} failed: ${reason}`,
    hint: 'Check host, port, role and TLS settings, and the log of the server.',
  };
}

function tlsRefused(settings: ConnectionSettings): KeeperError {
  return new KeeperError({
    code: 'tls-refused',
    message: `The server ${settings.host}:${settings.port} does not offer TLS, but sslmode=${settings.tls.mode} asks for it.`,
    hint: 'Turn on TLS at the server (ssl = on); only on a trusted network use sslmode=disable.',
  });
}

/** The driver gives no code when the time for connecting is over. */
const connectionCodeOf = (error: unknown): string | undefined =>
  codeOf(error) ?? (error instanceof Error && error.message === 'timeout expired' ? 'ETIMEDOUT' : undefined);

/** AggregateError, which Node throws when several addresses fail, has its words in its parts. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

const ended = new WeakSet<pg.Client>();

export const CONNECTION_LOST: ReportError = {
  code: 'connection-lost',
  message: 'The connection to the server was lost.',
  hint: 'Run the command again: it continues with what is left.',
};

/** Whether an error says no more than that the connection broke: the network does, or the driver, without a code. */
export function isConnectionLoss(client: pg.Client, error: unknown): boolean {
  const code = codeOf(error);
  return code === undefined ? ended.has(client) : UNREACHABLE.has(code);
}

/**
 * Opens one connection. The caller ends it.
 * @param applicationName what `pg_stat_activity` shows
 * @throws KeeperError that names server, reason and remedy
 */
export async function connect(settings: ConnectionSettings, applicationName: string): Promise<pg.Client> {
  const { host, port, tls, connectTimeoutMs } = settings;
  const negotiable = !isSocket(host) && tls.mode !== 'disable';
  try {
    const offered = negotiable && (await serverOffersTls(host, port, connectTimeoutMs));
    if (negotiable && !offered && tls.mode !== 'prefer' && tls.mode !== 'allow') throw tlsRefused(settings);
    const client = new pg.Client({
      host,
      port,
      user: settings.user,
      database: settings.database,
      // The driver would look there itself, but not for much longer.
      password: settings.password ?? (() => passfilePassword(settings)),
      ssl: negotiable ? tlsOptions(tls, offered) : false,
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    });
    // A connection that breaks between two queries must not end the process: the next query, which may come before
    // the end of the connection is noticed, will say so.
    client.on('error', () => ended.add(client));
    client.on('end', () => ended.add(client));
    await client.connect().catch((error: unknown) => {
      // Else a server that waits for the password would wait on, and this process with it.
      client.end().catch(() => undefined);
      throw error;
    });
    return client;
  } catch (error) {
    if (error instanceof KeeperError) throw error;
    throw new KeeperError({ ...diagnose(connectionCodeOf(error), settings, reasonOf(error)), cause: error });
  }
}
