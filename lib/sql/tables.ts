import { quoteLiteral } from '../partition/identifiers.ts';
import type { Span } from '../partition/span.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { timeZoneSql } from '../partition/time-zone-sql.ts';
import type { Routine } from './routine.ts';

/** What the functions know of a table. */
export interface ScriptTable
  extends Pick<
    TableConfig,
    'schema' | 'table' | 'partitionKey' | 'premake' | 'retention' | 'maxExpiredShare'
  > {
  readonly interval: string;
  /** Null only where somebody else has written it. */
  readonly overdueAfter: Span | null;
  /** Whether they remove partitions at all: they can only drop them, and at once. */
  readonly drops: boolean;
  /** As PostgreSQL is told it. */
  readonly timeZone: string;
}

export const scriptTable = (config: TableConfig): ScriptTable => ({
  schema: config.schema,
  table: config.table,
  partitionKey: config.partitionKey,
  interval: config.interval,
  premake: config.premake,
  retention: config.retention,
  overdueAfter: config.overdueAfter,
  drops: config.expired === 'drop' && config.grace === null,
  maxExpiredShare: config.maxExpiredShare,
  timeZone: timeZoneSql(config.timeZone),
});

/** Calendar units, and hours, which are exact. */
function spanSql(span: Span | null): string {
  if (span === null) return 'NULL::interval, 0';
  const { years = 0, months = 0, weeks = 0, days = 0, hours = 0 } = span;
  return `interval '${years} years ${months} months ${weeks} weeks ${days} days', ${hours}`;
}

const rowSql = (table: ScriptTable, index: number): string =>
  `(${[
    index + 1,
    quoteLiteral(table.schema),
    quoteLiteral(table.table),
    quoteLiteral(table.partitionKey),
    quoteLiteral(table.interval),
    table.premake,
    spanSql(table.retention),
    spanSql(table.overdueAfter),
    table.drops,
    `${table.maxExpiredShare}::float8`,
    quoteLiteral(table.timeZone),
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
VALUES ${tables.map(scriptTable).map(rowSql).join(',\n       ')}
ORDER BY 1`,
});

const TEXT = String.raw`E?'(?:[^'\\]|''|\\\\)*'`;
const SPAN = String.raw`(?:NULL::interval|interval '\d+ years \d+ months \d+ weeks \d+ days'), \d+`;
const ROW = String.raw`\(\d+, (${TEXT}), (${TEXT}), (${TEXT}), (${TEXT}), (\d+), (${SPAN}), (${SPAN}), (true|false), ([\de.+-]+)::float8, (${TEXT})\)`;
const BODY = new RegExp(String.raw`^\nVALUES ${ROW}(?:,\n {7}${ROW})*\nORDER BY 1$`);

const textOf = (literal: string): string =>
  literal
    .replace(/^E?'|'$/g, '')
    .replaceAll("''", "'")
    .replaceAll('\\\\', '\\');

function spanOf(sql: string): Span | null {
  if (sql.startsWith('NULL')) return null;
  const [years, months, weeks, days, hours] = (sql.match(/\d+/g) ?? []).map(Number);
  const units = Object.entries({ years, months, weeks, days, hours });
  return Object.fromEntries(units.filter(([, amount]) => amount !== 0));
}

/**
 * The tables in the body of an installed `managed_tables()`. It is read, and not called: whoever has made the function
 * would have the rights of all who call it.
 * @returns null where it is not as `tablesRoutine` writes it
 */
export function readTables(body: string): readonly ScriptTable[] | null {
  if (!BODY.test(body)) return null;
  return [...body.matchAll(new RegExp(ROW, 'g'))].map((row) => {
    const part = (group: number): string => row[group] ?? '';
    return {
      schema: textOf(part(1)),
      table: textOf(part(2)),
      partitionKey: textOf(part(3)),
      interval: textOf(part(4)),
      premake: Number(part(5)),
      retention: spanOf(part(6)),
      overdueAfter: spanOf(part(7)),
      drops: part(8) === 'true',
      maxExpiredShare: Number(part(9)),
      timeZone: textOf(part(10)),
    };
  });
}
