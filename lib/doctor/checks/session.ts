import type { Check } from '../../contract.ts';
import { quoteIdentifier } from '../../partition/identifiers.ts';
import type { DoctorFacts } from '../facts.ts';
import { fine, found } from './check.ts';

/** Through such a pooler nothing else is looked at. */
export const sharedSessions = (): Check =>
  found(
    'pooler',
    'critical',
    'The connection leads through a pooler that hands the sessions of the server around (transaction mode): settings of a run would become those of the application, and its advisory locks mean nothing, so two runs may work on one table. Nothing else was looked at.',
    'Connect to the server itself, or through a pool in session mode.',
  );

export function poolerCheck({ session }: DoctorFacts): readonly Check[] {
  if (session.pooled) {
    return [
      found(
        'pooler',
        'info',
        'The connection leads through a pooler or proxy. It seems to keep a session for each client, as it must; in transaction mode settings and advisory locks would mean nothing.',
        'Better connect to the server itself.',
      ),
    ];
  }
  return [fine('pooler', 'a session of the server itself, no pooler in between')];
}

export function tlsCheck({ session }: DoctorFacts): readonly Check[] {
  if (session.local) return [fine('tls', 'the connection does not leave this machine', { tls: session.tls })];
  if (session.tls === null) {
    return [
      found(
        'tls',
        'warning',
        'The connection is in clear: passwords and rows can be read on the way.',
        'Turn on TLS at the server (ssl = on), and use sslmode=verify-full with sslrootcert.',
      ),
    ];
  }
  if (!session.verified) {
    return [
      found(
        'tls',
        'info',
        `The connection is encrypted (${session.tls}), but who answers is not verified.`,
        'Use sslmode=verify-full with sslrootcert.',
        { tls: session.tls },
      ),
    ];
  }
  return [fine('tls', `${session.tls}, and the server's certificate was verified`, { tls: session.tls })];
}

export function visibilityCheck({ seesOthers, server }: DoctorFacts): readonly Check[] {
  if (seesOthers) return [fine('visibility', 'age and statements of sessions in the way can be seen')];
  return [
    found(
      'visibility',
      'info',
      `Role ${server.role} does not see since when sessions of other roles are in a transaction, nor their statements: who is in the way is named by pid only, and only once it has been waited for.`,
      `GRANT pg_read_all_stats TO ${quoteIdentifier(server.role)};`,
    ),
  ];
}
