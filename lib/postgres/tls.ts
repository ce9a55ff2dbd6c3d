import { readFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { usageError } from '../errors.ts';
import type { TlsSettings } from './tls-settings.ts';

function readPem(what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw usageError(
      'tls-file',
      `The ${what} ${path} cannot be read.`,
      `Correct the path, or make the file readable.`,
      error,
    );
  }
}

/** Options for the TLS handshake, or false for none. `allow` and `prefer` depend on what the server offers. */
export function tlsOptions(settings: TlsSettings, offered: boolean): ConnectionOptions | false {
  const { mode, rootCertificate } = settings;
  if (mode === 'disable') return false;
  if (!offered && (mode === 'allow' || mode === 'prefer')) return false;
  const ca =
    rootCertificate === undefined || rootCertificate === 'system'
      ? undefined
      : readPem('CA file (sslrootcert)', rootCertificate);
  // As in libpq, a CA file turns mere encryption into a check of the certificate, but not of the host name.
  const verify = mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && ca !== undefined);
  return {
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca }),
    ...(verify && mode !== 'verify-full' ? { checkServerIdentity: () => undefined } : {}),
    ...(settings.certificate === undefined
      ? {}
      : { cert: readPem('client certificate (sslcert)', settings.certificate) }),
    ...(settings.key === undefined ? {} : { key: readPem('client key (sslkey)', settings.key) }),
  };
}

/** The SSLRequest message: its length and its code. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/**
 * Whether the server is willing to speak TLS: what it answers to an SSLRequest. Rejects as connecting does.
 * @param timeoutMs bound on connecting and on the answer
 */
export function serverOffersTls(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port });
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(Object.assign(new Error('timeout expired'), { code: 'ETIMEDOUT' })),
    );
    socket.once('error', reject);
    socket.once('connect', () => socket.write(SSL_REQUEST));
    socket.once('data', (answer) => {
      resolve(answer[0] === 'S'.charCodeAt(0));
      socket.destroy();
    });
    socket.once('close', () => reject(Object.assign(new Error('connection closed'), { code: 'ECONNRESET' })));
  });
}
