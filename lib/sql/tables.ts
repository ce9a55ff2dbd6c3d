import { quoteLiteral } from '../partition/identifiers.ts';
import type { Span } from '../partition/span.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { timeZoneSql } from '../partition/time-zone-sql.ts';
import type { Routine } from './routine.ts';

/** Calendar units, and hours, which are exact. */
function spanSql(span: Span | null): string {
  if (span === null) return 'NULL::interval, 0';
  const { years = 0, months = 0, weeks = 0, days = 0, hours = 0 } = span;
  return `interval '${years} years ${months} months ${weeks} weeks ${days} days', ${hours}`;
}

const rowSql = (config: TableConfig, index: number): string =>
  `(${[
    index + 1,
    quoteLiteral(config.schema),
    quoteLiteral(config.table),
    quoteLiteral(config.partitionKey),
    quoteLiteral(config.interval),
    config.premake,
    spanSql(config.retention),
    spanSql(config.overdueAfter),
    config.expired === 'drop' && config.grace === null,
    `${config.maxExpiredShare}::float8`,
    quoteLiteral(timeZoneSql(config.timeZone)),
  ].join(', ')})`;

/** The config, as rows; there is no table for it that anybody could change. */
export const tablesRoutine = (tables: readonly TableConfig[]): Routine => ({
  kind: 'sql',
  name: 'managed_tables',
  parameters: [],
  returns: `TABLE (
  ordinal int, schema_name text, table_name text, partition_key text, step text, premake int, retention interval,
  retention_hours int, overdue interval, overdue_hours int, drops boolean, max_expired_share float8, time_zone text
)`,
  about: 'the config the script was made from',
  body: `
VALUES ${tables.map(rowSql).join(',\n       ')}
ORDER BY 1`,
});
