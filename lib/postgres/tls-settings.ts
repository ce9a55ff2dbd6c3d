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

export function parseSslMode(text: string): SslMode {
  const mode = MODES.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw usageError('sslmode', `sslmode=${text} is unknown.`, `Use one of ${MODES.join(', ')}.`);
}
