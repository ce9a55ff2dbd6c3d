import { usageError } from '../errors.ts';

/** Where to listen. */
export interface Address {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
}

/**
 * @param text `127.0.0.1:9850`, `[::1]:9850`, `localhost:9850`, or `:9850` for all addresses of the machine
 * @throws KeeperError `listen-invalid`
 */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) {
    throw usageError(
      'listen-invalid',
      `${text} is not an address to listen at.`,
      'Write host and port, as 127.0.0.1:9850 or [::1]:9850; 0.0.0.0:9850 for all addresses of the machine.',
    );
  }
  return { host: bracketed ?? (plain || '0.0.0.0'), port };
}

export const addressText = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
