import type { TestDatabase } from '../database.ts';
import { type RichTable, TENANTS, USERS } from './rich-table.ts';

export interface FillOptions {
  readonly rows: number;
  /** The first moment, as in `2026-01-01T00:00:00Z`. */
  readonly from: string;
  /** The first moment that is too late. */
  readonly to: string;
  /** Rows of the same seed are the same; `1` unless given. */
  readonly seed?: number;
}

const UTF8 = `'nul-free, ünïcödé 😀 "quotes" ''single'' back\\slash'`;

/** SQL of each column for the row numbered `n`; the periods have no common divisor, so that extremes meet each other. */
const VALUES: Readonly<Record<string, string>> = {
  tenant: `CASE n % 11 WHEN 0 THEN '' WHEN 1 THEN ${UTF8} WHEN 2 THEN 'always'
    ELSE 'tenant ' || (n % ${TENANTS} + 1) END`,
  user_id: `CASE WHEN n % 5 = 0 THEN NULL ELSE n % ${USERS} + 1 END`,
  tenant_id: `CASE WHEN n % 7 = 0 THEN NULL ELSE n % ${TENANTS} + 1 END`,
  external_ref: `'row ' || seed || '-' || n`,
  amount: `CASE n % 13 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN '-Infinity'
    WHEN 4 THEN (repeat('1234567890', 10) || '.' || repeat('0987654321', 10))::numeric
    WHEN 5 THEN -1e-100 WHEN 6 THEN 1.1000 WHEN 7 THEN 1.1 WHEN 8 THEN 0.000 ELSE n / 100.0 END`,
  ratio: `CASE n % 17 WHEN 0 THEN NULL WHEN 1 THEN '-0' WHEN 2 THEN 'NaN' WHEN 3 THEN 'Infinity'
    WHEN 4 THEN '-Infinity' WHEN 5 THEN 5e-324 WHEN 6 THEN 1.7976931348623157e308
    WHEN 7 THEN 0.1::double precision + 0.2::double precision ELSE n / 7.0 END`,
  payload: `CASE n % 19 WHEN 0 THEN NULL WHEN 1 THEN 'null' WHEN 2 THEN '{}' WHEN 3 THEN '[]' WHEN 4 THEN '""'
    WHEN 5 THEN '"\\u00e9\\ud83d\\ude00\\\\ \\" \\n \\u0001"'
    WHEN 6 THEN '{"a": {"b": [1, 1.0, 1.00, 1e2, null, true, {"": "x", "€": []}]}}'
    WHEN 7 THEN '123456789012345678901234567890.12345678901234567890'
    ELSE jsonb_build_object('n', n, 'list', jsonb_build_array(n % 3, NULL, 'x')) END`,
  body: `CASE WHEN n % 5000 = 23 THEN
      (SELECT string_agg(decode(md5(seed || '-' || n || '-' || i), 'hex'), '' ORDER BY i) FROM generate_series(1, 6400) AS i)
    WHEN n % 23 = 0 THEN NULL WHEN n % 23 = 1 THEN '' WHEN n % 23 = 2 THEN all_bytes
    ELSE decode(md5(n::text), 'hex') END`,
  tags: `CASE n % 29 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN '{NULL,"NULL","",null}'
    WHEN 3 THEN ARRAY['a "quoted" one', 'back\\slash', '{braces}', 'comma, space', ${UTF8}]
    WHEN 4 THEN '[2:3]={a,b}' WHEN 5 THEN '{{a,b},{c,NULL}}' ELSE ARRAY['tag ' || n % 10] END`,
  kind: `CASE n % 8 WHEN 0 THEN 'error' WHEN 1 THEN 'warning' WHEN 2 THEN 'it''s "odd"' ELSE 'info' END`,
  email: `CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '@' ELSE 'user' || n || '@example.com' END`,
  place: `CASE n % 6 WHEN 0 THEN NULL WHEN 1 THEN '(,,)' WHEN 2 THEN '("",-1,)'
    WHEN 3 THEN ROW('a "street", (odd)', 2147483647, point('-0.0'::double precision, 'Infinity'))::text
    ELSE ROW('street ' || n, n % 50, point(n, 0.1))::text END`,
  note: `CASE WHEN n % 1000 = 31 THEN repeat('compressible ', 4000) WHEN n % 31 = 0 THEN NULL WHEN n % 31 = 1 THEN ''
    WHEN n % 31 = 2 THEN E'\\ttab\\nline\\r\\\\N \\\\. end' WHEN n % 31 = 3 THEN ${UTF8} ELSE 'note ' || n END`,
  touched_at: `CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity'
    WHEN 3 THEN '4713-01-01 00:00:00 BC' ELSE moment + interval '1 microsecond' END`,
  revision: 'n % 4',
  '"Odd ""column"""': `CASE n % 37 WHEN 0 THEN NULL WHEN 1 THEN repeat('é', 200) WHEN 2 THEN 'trailing   ' ELSE 'odd ' || n END`,
};

/** Casts that CASE would otherwise have to guess. */
const TYPES: Readonly<Record<string, string>> = { touched_at: 'timestamptz', ratio: 'double precision' };

/**
 * Adds rows with all extremes to the table, the same for the same seed, but for their ids, which come from its
 * sequence. Every 20th lies right on the start of a month, as far as there are any, and every 21st a microsecond before
 * one. Triggers do not fire, but for those that always do.
 */
export async function fill(
  database: TestDatabase,
  { names, schema }: Pick<RichTable, 'names' | 'schema'>,
  { rows, from, to, seed = 1 }: FillOptions,
): Promise<void> {
  const { table, key, keyType, inSchema } = names;
  const columns = Object.entries(VALUES).map(([name, value]) => {
    const type = typeOf(name, inSchema);
    return { name, value: `(${value})::${type}` };
  });
  const keys = {
    timestamptz: 'moment',
    timestamp: `moment AT TIME ZONE 'UTC'`,
    date: `(moment AT TIME ZONE 'UTC')::date`,
    uuid: `${inSchema('uuid_v7')}(moment, seed || '-' || n)`,
  };
  const statement = `
    INSERT INTO ${table} (${key}, ${columns.map(({ name }) => name).join(', ')})
    SELECT ${keys[keyType]}, ${columns.map(({ value }) => value).join(', ')}
    FROM (
      SELECT n, seed, all_bytes, CASE
          WHEN n % 20 = 0 AND month_start >= first THEN month_start
          WHEN n % 20 = 1 AND month_start > first THEN month_start - interval '1 microsecond'
          ELSE anywhere END AS moment
      FROM (
        SELECT n, seed, first, all_bytes, anywhere, date_trunc('month', anywhere AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month_start
        FROM (
          SELECT n, seed, first, all_bytes, date_trunc('milliseconds', first + (past - first)
              * (('x' || substr(md5(seed || '-' || n), 1, 8))::bit(32)::bigint / 4294967296.0))
              + (n % 1000) * interval '1 microsecond' AS anywhere
          FROM generate_series(1, $1::integer) AS n,
            (SELECT $2::timestamptz AS first, $3::timestamptz AS past, $4::integer AS seed,
               (SELECT string_agg(set_byte('\\x00', 0, b), '' ORDER BY b) FROM generate_series(0, 255) AS b) AS all_bytes) AS given
        ) AS numbered
      ) AS dated
      ORDER BY n
    ) AS source`;
  const client = await database.connect();
  try {
    // Neither triggers nor foreign keys, both of which would take far longer than the rows.
    await client.query('SET session_replication_role = replica');
    await client.query(statement, [rows, from, to, seed]);
    await client.query(`ANALYZE ${table}`);
  } catch (error) {
    throw new Error(`${schema} could not be filled: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  } finally {
    await client.end();
  }
}

function typeOf(column: string, inSchema: (name: string) => string): string {
  const own: Readonly<Record<string, string>> = {
    amount: 'numeric',
    payload: 'jsonb',
    body: 'bytea',
    tags: 'text[]',
    kind: inSchema('kind'),
    email: inSchema('email'),
    place: inSchema('place'),
    revision: 'integer',
    user_id: 'bigint',
    tenant_id: 'integer',
  };
  return TYPES[column] ?? own[column] ?? 'text';
}
