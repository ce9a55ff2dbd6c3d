import { quoteIdentifier } from '../partition/identifiers.ts';

/** The schema the functions are put into unless another is chosen. */
export const DEFAULT_SQL_SCHEMA = 'partition_keeper';

/** As it stands in statements: with quotes, but where it is known to need none. */
export const schemaSql = (schema: string): string =>
  schema === DEFAULT_SQL_SCHEMA ? schema : quoteIdentifier(schema);
