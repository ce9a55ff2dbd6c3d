import { randomBytes } from 'node:crypto';
import type { TestDatabase } from './database.ts';

/** A role of the server that cannot log in. */
export interface NamedRole extends AsyncDisposable {
  readonly name: string;
  /** In quotes, for statements. */
  readonly quoted: string;
}

/**
 * Creates a role whose name begins as asked, however odd, and ends by chance, as roles are shared by all databases.
 * Disposing of it takes its tables and grants in this database along.
 */
export async function createNamedRole(database: TestDatabase, beginning: string): Promise<NamedRole> {
  const name = `${beginning}${randomBytes(4).toString('hex')}`;
  const quoted = `"${name.replaceAll('"', '""')}"`;
  await database.query(`CREATE ROLE ${quoted}`);
  return {
    name,
    quoted,
    [Symbol.asyncDispose]: async () => {
      await database.query(`DROP OWNED BY ${quoted} CASCADE; DROP ROLE ${quoted}`);
    },
  };
}
