import type pg from 'pg';

/** A log of the strategy document, as far as it matters here. */
export interface Log {
  readonly table: string;
  readonly rowsPerDay: number;
  readonly months: number;
  readonly columns: (references: boolean) => string;
  /** Columns and expressions by which a row is made from its number `n` and the ids of users `u.ids`. */
  readonly fill: Readonly<Record<string, string>>;
  /** The columns of each index besides the key. */
  readonly indexes: readonly string[];
  /** The column a report groups by. */
  readonly kind: string;
}

const USERS = 10_000;

const user = (references: boolean): string => `uuid${references ? ' REFERENCES auth.users (id)' : ''}`;

const common = (references: boolean): string =>
  ['created_by', 'updated_by', 'deleted_by'].map((column) => `${column} ${user(references)}`).join(', ');

export const AUDIT_LOGS: Log = {
  table: 'audit_logs',
  rowsPerDay: 10_000,
  months: 84,
  columns: (references) => `
    id uuid NOT NULL DEFAULT gen_random_uuid(), user_id ${user(references)}, action varchar(100) NOT NULL,
    resource_type varchar(100) NOT NULL, resource_id uuid, previous_state jsonb, new_state jsonb, ip_address inet,
    user_agent text, session_id uuid, created_at timestamptz NOT NULL DEFAULT now(), ${common(references)}`,
  fill: {
    user_id: `u.ids[n % ${USERS} + 1]`,
    action: "'action ' || n % 20",
    resource_type: "'type ' || n % 50",
    resource_id: 'gen_random_uuid()',
    new_state: "jsonb_build_object('n', n, 'text', repeat('x', 60))",
    ip_address: "'10.0.0.1'",
    user_agent: "'Mozilla/5.0 (X11; Linux x86_64)'",
    session_id: 'gen_random_uuid()',
    created_by: `u.ids[n % ${USERS} + 1]`,
  },
  indexes: [
    'user_id, created_at',
    'resource_type, resource_id, created_at',
    'action, created_at',
    'session_id, created_at',
  ],
  kind: 'action',
};

export const ACTIVITY_LOGS: Log = {
  table: 'activity_logs',
  rowsPerDay: 50_000,
  months: 24,
  columns: (references) => `
    id uuid NOT NULL DEFAULT gen_random_uuid(), user_id ${user(references)}, activity_type varchar(100) NOT NULL,
    activity_description text, metadata jsonb DEFAULT '{}', ip_address inet,
    created_at timestamptz NOT NULL DEFAULT now(), ${common(references)}`,
  fill: {
    user_id: `u.ids[n % ${USERS} + 1]`,
    activity_type: "'type ' || n % 30",
    activity_description: "'did something worth a line, number ' || n",
    ip_address: "'10.0.0.1'",
  },
  indexes: ['user_id, created_at', 'activity_type, created_at', 'created_at'],
  kind: 'activity_type',
};

/** Schemas and users, which the logs refer to. */
export async function createUsers(client: pg.Client): Promise<void> {
  await client.query(`
    CREATE SCHEMA auth; CREATE SCHEMA platform;
    CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), seen int NOT NULL DEFAULT 0);
    INSERT INTO auth.users SELECT FROM generate_series(1, ${USERS})`);
}

/** Fills a log evenly with rows from so many months ago until now, in the order of time. */
export async function fillLog(client: pg.Client, { table, fill, months }: Log, rows: number): Promise<void> {
  await client.query(`
    WITH u AS (SELECT array_agg(id) AS ids FROM auth.users)
    INSERT INTO platform.${table} (created_at, ${Object.keys(fill).join(', ')})
    SELECT now() - interval '${months} months' + n * ((now() - (now() - interval '${months} months')) / ${rows}),
           ${Object.values(fill).join(', ')}
    FROM u, generate_series(1, ${rows}) AS n`);
}

/** The indexes of a log on a table that has its columns. */
export async function createIndexes(
  client: pg.Client,
  table: string,
  indexes: readonly string[],
): Promise<void> {
  for (const columns of indexes) await client.query(`CREATE INDEX ON platform.${table} (${columns})`);
}
