/** One of the tables of `sql/tables`, and the state in which the demo finds it. */
export interface DemoTable {
  readonly schema: string;
  readonly table: string;
  readonly partitionKey: string;
  readonly interval: 'month' | 'quarter';
  /** As in `partitions.config.ts`, written as a PostgreSQL interval. */
  readonly retention: string;
  /** How many partitions there are before the current one. */
  readonly before: number;
  /** How many there are after it; -1: not even the current one. */
  readonly after: number;
  /** How many intervals ago one was forgotten. */
  readonly forgotten?: number;
  /** How many intervals from now one was made too early. */
  readonly stray?: number;
  /** Rows in the newest partition, if it is complete; the further back, the fewer. */
  readonly rows: number;
  /** Columns other than the key, and the SQL for their values; `at` is the row's time, `user_id` its user. */
  readonly values: Readonly<Record<string, string>>;
}

/** SQL for one of the words at random. */
function anyOf(...words: readonly string[]): string {
  return `(ARRAY['${words.join("', '")}'])[1 + floor(random() * ${words.length})::int]`;
}

const ipAddress = `inet '10.0.0.0' + floor(random() * 16777216)::bigint`;
const userAgent = anyOf('Firefox/142.0', 'Chrome/141.0', 'Safari/26.0', 'MobileApp/7.3');
const checksum = `sha256(convert_to(random()::text, 'UTF8'))`;

const accessLog: DemoTable = {
  schema: 'compliance',
  table: 'data_access_log',
  partitionKey: 'accessed_at',
  interval: 'month',
  retention: '7 years',
  before: 3 * 12,
  after: 2,
  stray: 14,
  rows: 800,
  values: {
    user_id: 'user_id',
    data_subject_id: 'gen_random_uuid()',
    resource_type: anyOf('customer', 'contract', 'payment'),
    data_categories: `ARRAY[${anyOf('contact', 'financial', 'health')}]`,
    access_type: anyOf('view', 'view', 'search', 'export'),
    purpose: anyOf('support request', 'billing', 'request of the data subject'),
    legal_basis: anyOf('contract', 'legal_obligation', 'consent'),
    ip_address: ipAddress,
    created_at: 'at',
  },
};

export const demoTables: readonly DemoTable[] = [
  {
    schema: 'platform',
    table: 'audit_logs',
    partitionKey: 'created_at',
    interval: 'month',
    retention: '7 years',
    before: 7 * 12 + 5,
    after: 0,
    rows: 1200,
    values: {
      user_id: 'user_id',
      action: anyOf('create', 'update', 'update', 'update', 'delete', 'export'),
      resource_type: anyOf('invoice', 'customer', 'contract', 'user'),
      resource_id: 'gen_random_uuid()',
      new_state: `jsonb_build_object('version', floor(random() * 20)::int)`,
      ip_address: ipAddress,
      user_agent: userAgent,
      session_id: 'CASE WHEN random() < 0.7 THEN gen_random_uuid() END',
    },
  },
  {
    schema: 'platform',
    table: 'activity_logs',
    partitionKey: 'created_at',
    interval: 'month',
    retention: '2 years',
    before: 2 * 12 + 5,
    after: 3,
    forgotten: 9,
    rows: 2000,
    values: {
      user_id: 'user_id',
      activity_type: anyOf('page_view', 'page_view', 'search', 'sign_in', 'download'),
      metadata: `jsonb_build_object('duration_ms', floor(random() * 3000)::int)`,
      ip_address: ipAddress,
    },
  },
  accessLog,
  {
    schema: 'auth',
    table: 'user_sessions',
    partitionKey: 'created_at',
    interval: 'month',
    retention: '90 days',
    before: 7,
    after: 3,
    rows: 1000,
    values: {
      user_id: 'user_id',
      token_hash: checksum,
      ip_address: ipAddress,
      user_agent: userAgent,
      expires_at: `at + interval '14 days'`,
      revoked_at: `CASE WHEN random() < 0.4 THEN least(at + random() * interval '8 hours', now()) END`,
    },
  },
  {
    schema: 'files',
    table: 'file_uploads',
    partitionKey: 'created_at',
    interval: 'quarter',
    retention: '5 years',
    before: 5 * 4 + 3,
    after: 2,
    rows: 1500,
    values: {
      user_id: 'user_id',
      storage_key: `to_char(at, 'YYYY/MM/DD/') || gen_random_uuid()`,
      original_name: `${anyOf('report', 'invoice', 'photo', 'contract')} || '-' || floor(random() * 9000)::int`,
      mime_type: anyOf('application/pdf', 'image/jpeg', 'text/csv'),
      size_bytes: 'floor(1000 * exp(random() * 10))::bigint',
      checksum_sha256: checksum,
      status: `'stored'`,
    },
  },
  {
    schema: 'communication',
    table: 'notifications',
    partitionKey: 'created_at',
    interval: 'month',
    retention: '1 year',
    before: 12 + 5,
    after: -1,
    rows: 1800,
    values: {
      user_id: 'user_id',
      notification_type: anyOf('comment', 'mention', 'invoice_due', 'digest'),
      channel: anyOf('in_app', 'in_app', 'email', 'push'),
      title: `'You have news'`,
      status: `'sent'`,
      sent_at: `least(at + random() * interval '30 seconds', now())`,
      read_at: `CASE WHEN random() < 0.8 THEN least(at + random() * interval '2 days', now()) END`,
    },
  },
];

/** The same log, as it was before it was partitioned: younger, and with more rows. */
export const legacyLog: DemoTable = { ...accessLog, before: 2 * 12, rows: 9000 };
