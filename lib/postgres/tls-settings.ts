import { usageError } from '../errors.ts';

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
/** libpq's `sslmode`, with libpq's meaning. */
export type SslMode = (typeof MODES)[number];

export interface TlsSettings {
  readonly mode: SslMode;
  /** A PEM file, or `system` for the certificate authorities Node trusts. */
  readonly rootCertificate?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Modes in which the connection may come about without TLS. */
const PLAIN_TEXT: ReadonlySet<SslMode> = new Set(['disable', 'allow', 'prefer']);

/** What is read, with its variable. */
const READ = {
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
} as const;

/** Parameters of libpq of which no more is done than these values say; with their variable, where they have one. */
const LIMITED: Readonly<Record<string, { readonly variable?: string; readonly values: readonly string[] }>> =
  {
    channel_binding: { variable: 'PGCHANNELBINDING', values: ['disable', 'prefer'] },
    gssencmode: { variable: 'PGGSSENCMODE', values: ['disable', 'prefer'] },
    require_auth: { variable: 'PGREQUIREAUTH', values: [] },
    requirepeer: { variable: 'PGREQUIREPEER', values: [] },
    requiressl: { variable: 'PGREQUIRESSL', values: ['0', '1'] },
    ssl: { values: ['true'] },
    ssl_max_protocol_version: { variable: 'PGSSLMAXPROTOCOLVERSION', values: ['TLSv1.3'] },
    ssl_min_protocol_version: {
      variable: 'PGSSLMINPROTOCOLVERSION',
      values: ['TLSv1', 'TLSv1.1', 'TLSv1.2'],
    },
    sslcertmode: { variable: 'PGSSLCERTMODE', values: ['allow'] },
    sslcompression: { variable: 'PGSSLCOMPRESSION', values: ['0', '1'] },
    sslcrl: { variable: 'PGSSLCRL', values: [] },
    sslcrldir: { variable: 'PGSSLCRLDIR', values: [] },
    sslnegotiation: { variable: 'PGSSLNEGOTIATION', values: ['postgres'] },
    sslsni: { variable: 'PGSSLSNI', values: ['1'] },
  };

/** What asks for something that would not be done; values are not told, for one may be a password. */
function unsupported(parameters: URLSearchParams, env: Environment): string[] {
  const limited = Object.entries(LIMITED).flatMap(([name, { variable = '', values }]) => {
    const given = parameters.get(name);
    const value = given ?? env[variable] ?? '';
    if (value === '' || values.includes(value)) return [];
    const source = given === null ? variable : name;
    return [values.length === 0 ? source : `${source} (other than ${values.join(' or ')})`];
  });
  const unknown = [...parameters]
    .filter(([name, value]) => value !== '' && /ssl|tls/i.test(name) && !(name in READ) && !(name in LIMITED))
    .map(([name]) => name);
  return [...limited, ...unknown];
}

function modeOf(parameters: URLSearchParams, env: Environment, rootCertificate: string | undefined): SslMode {
  const written = parameters.get('sslmode');
  const fromSystem = rootCertificate === 'system';
  const text = written ?? env[READ.sslmode] ?? (fromSystem ? 'verify-full' : 'prefer');
  const mode = MODES.find((known) => known === text);
  const known = `Use one of ${MODES.join(', ')}.`;
  if (mode === undefined) throw usageError('sslmode', `sslmode=${text} is unknown.`, known);
  // As in libpq: whoever has a certificate of a public authority could pass for the server.
  if (fromSystem && mode !== 'verify-full') {
    throw usageError(
      'sslmode',
      `sslmode=${mode} is too weak for sslrootcert=system.`,
      'Use sslmode=verify-full, or name the file of the CA in sslrootcert.',
    );
  }
  const required =
    parameters.get('ssl') === 'true' || (parameters.get('requiressl') ?? env['PGREQUIRESSL']) === '1';
  if (!required || !PLAIN_TEXT.has(mode)) return mode;
  if (written === null) return 'require';
  throw usageError(
    'sslmode',
    `The connection is to have TLS and, by sslmode=${mode}, may do without.`,
    'Leave out one of both: ssl=true (or requiressl=1) is sslmode=require.',
  );
}

/**
 * TLS as a database URL or, where that is silent, libpq's variables ask for it.
 * @param parameters of the URL
 * @throws KeeperError on an unknown sslmode, and on whatever asks for a protection that would not be given
 */
export function tlsSettings(parameters: URLSearchParams, env: Environment): TlsSettings {
  const refused = unsupported(parameters, env);
  if (refused.length > 0) {
    throw usageError(
      'tls-parameter',
      `Not supported, and not to be ignored since the connection could be less safe than it is meant to be: ${refused.join(', ')}.`,
      `Leave it out, and ask for TLS with ${Object.keys(READ).join(', ')}; sslmode is one of ${MODES.join(', ')}.`,
    );
  }
  const read = (name: keyof typeof READ) => parameters.get(name) ?? env[READ[name]];
  const rootCertificate = read('sslrootcert');
  return {
    mode: modeOf(parameters, env, rootCertificate),
    rootCertificate,
    certificate: read('sslcert'),
    key: read('sslkey'),
  };
}
