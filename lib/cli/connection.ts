import { usageError } from '../errors.ts';
import type { JobOptions } from '../jobs/options.ts';
import { connectionSettings, isConnectionConfigured } from '../postgres/connection-options.ts';
import type { CommonFlags, Invocation } from './invocation.ts';

/** Rather than what libpq would try by default, which is hardly ever the database that is meant. */
export function connectionOf(
  invocation: Invocation,
  flags: Pick<CommonFlags, 'databaseUrl'>,
): Pick<JobOptions, 'connection'> {
  if (!isConnectionConfigured(flags.databaseUrl, invocation.env)) {
    throw usageError(
      'database-not-given',
      'No database is given.',
      'Set DATABASE_URL=postgresql://user@host:5432/database, or PGHOST and the other PG* variables, or use --database-url.',
    );
  }
  return { connection: connectionSettings(flags.databaseUrl, invocation.env) };
}
