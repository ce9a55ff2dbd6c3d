import { loadConfig } from '../../config/load.ts';
import { usageError } from '../../errors.ts';
import { selectTables } from '../../jobs/options.ts';
import { byteLength, MAX_NAME_BYTES } from '../../partition/names.ts';
import { installScript, uninstallScript } from '../../sql/script.ts';
import type { Invocation, SqlFlags } from '../invocation.ts';

/** Nothing but the script goes to the standard output, so that it can be piped on. */
export async function sql(invocation: Invocation, flags: SqlFlags): Promise<void> {
  const { schema, pgCron } = flags;
  if (schema === '' || schema.startsWith('pg_') || byteLength(schema) > MAX_NAME_BYTES) {
    throw usageError(
      'schema-name',
      `${schema === '' ? 'An empty text' : schema} cannot be the name of a schema for functions.`,
      `Give --schema a name of 1 to ${MAX_NAME_BYTES} bytes that does not begin with pg_, which PostgreSQL keeps for itself.`,
    );
  }
  const config = await loadConfig(flags.config, invocation.folder);
  const tables = selectTables(config, flags.table);
  process.stdout.write(
    flags.uninstall === true ? uninstallScript({ schema }) : installScript(tables, { schema, pgCron }),
  );
}
