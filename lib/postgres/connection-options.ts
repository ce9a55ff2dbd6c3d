import { userInfo } from 'node:os';
import { parse } from 'pg-connection-string';
import { usageError } from '../errors.ts';
import { type Environment, type TlsSettings, tlsSettings } from './tls-settings.ts';

/** Where and as whom to connect. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** A function is asked anew for each connection, so that a rotated password is picked up. */
  readonly password?: string | (() => Promise<string>) | undefined;
  readonly tls: TlsSettings;
  /** Milliseconds until an unanswered connection attempt counts as failed. */
  readonly connectTimeoutMs: number;
}

const DEFAULT_CONNECT_TIMEOUT_SECONDS = 10;

/** Variables any of which says that a database is meant. */
const LIBPQ_VARIABLES = ['PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE'];

/** Whether anything says which database to use. */
export const isConnectionConfigured = (url: string | undefined, env: Environment): boolean =>
  url !== undefined ||
  env['DATABASE_URL'] !== undefined ||
  LIBPQ_VARIABLES.some((name) => env[name] !== undefined);

interface UrlParts {
  readonly parts: ReturnType<typeof parse>;
  readonly parameters: URLSearchParams;
}

/** Parses the URL without its TLS parameters: the parser would read files and weaken modes by itself. */
function parseUrl(url: string): UrlParts {
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw usageError(
      'database-url',
      'The database URL does not begin with postgresql://.',
      'Write it as postgresql://user@host:5432/database?sslmode=verify-full; keep the password in PGPASSWORD or a passfile.',
    );
  }
  const [address = '', query = ''] = url.split(/\?(.*)/s);
  const parameters = new URLSearchParams(query);
  const rest = new URLSearchParams([...parameters].filter(([name]) => !name.startsWith('ssl')));
  try {
    return { parts: parse(rest.size === 0 ? address : `${address}?${rest}`), parameters };
  } catch (error) {
    throw usageError(
      'database-url',
      'The database URL cannot be parsed.',
      'Percent-encode special characters in it, such as @, /, # and % in a password.',
      error,
    );
  }
}

function portOf(text: string | undefined): number {
  if (text === undefined || text === '') return 5432;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw usageError('database-url', `${text} is not a port.`, 'Use a number from 1 to 65535.');
}

/**
 * Settings from a URL or, where the URL is silent, from libpq's environment variables.
 * @param url flag; absent: `DATABASE_URL`
 * @throws KeeperError on a URL that cannot be parsed, an unknown sslmode or a protection that is not supported
 */
export function connectionSettings(url: string | undefined, env: Environment): ConnectionSettings {
  const given = url ?? env['DATABASE_URL'];
  const { parts, parameters } =
    given === undefined ? { parts: undefined, parameters: new URLSearchParams() } : parseUrl(given);
  const user = parts?.user || env['PGUSER'] || userInfo().username;
  const seconds = Number(
    parameters.get('connect_timeout') ?? env['PGCONNECT_TIMEOUT'] ?? DEFAULT_CONNECT_TIMEOUT_SECONDS,
  );
  return {
    host: parts?.host || env['PGHOST'] || 'localhost',
    port: portOf(parts?.port || env['PGPORT']),
    user,
    database: parts?.database || env['PGDATABASE'] || user,
    password: parts?.password || env['PGPASSWORD'],
    connectTimeoutMs: (seconds > 0 ? seconds : DEFAULT_CONNECT_TIMEOUT_SECONDS) * 1000,
    tls: tlsSettings(parameters, env),
  };
}
