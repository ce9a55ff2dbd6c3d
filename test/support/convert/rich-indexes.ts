import type { RichNames } from './rich-table.ts';

/** The indexes beside the primary key, extended statistics, and the replica identity. */
export function indexStatements({ table, key, inSchema, options }: RichNames): string[] {
  const { replicaIdentity } = options;
  return [
    `CREATE UNIQUE INDEX "once per moment" ON ${table} (external_ref, ${key})`,
    `CREATE INDEX errors_of_users ON ${table} (user_id, ${key}) WHERE kind = 'error'`,
    `CREATE INDEX by_tenant_in_lower_case ON ${table} (lower(tenant), (revision % 10))`,
    `CREATE INDEX by_tenant_with_amount ON ${table} (tenant_id) INCLUDE (amount, kind)`,
    `CREATE INDEX latest_first ON ${table} (${key} DESC NULLS LAST, id)`,
    `CREATE INDEX in_payload ON ${table} USING gin (payload jsonb_path_ops)`,
    `CREATE INDEX roughly_when ON ${table} USING brin (${key}) WITH (pages_per_range = 32)`,
    `CREATE INDEX by_reference ON ${table} USING hash (external_ref)`,
    `CREATE INDEX "by ""odd"" column" ON ${table} ("Odd ""column""" COLLATE "C" text_pattern_ops) WITH (fillfactor = 70)`,
    ...(options.uniqueWithoutKey ? [`CREATE UNIQUE INDEX reference_once ON ${table} (external_ref)`] : []),
    `COMMENT ON INDEX ${inSchema('by "odd" column')} IS 'For the search box.'`,
    `ALTER INDEX ${inSchema('by_tenant_in_lower_case')} ALTER COLUMN 1 SET STATISTICS 321`,
    ...(options.partitioned ? [] : [`ALTER TABLE ${table} CLUSTER ON latest_first`]),
    `CREATE STATISTICS ${inSchema('tenant and kind')} (dependencies, mcv) ON tenant, kind FROM ${table}`,
    `ALTER STATISTICS ${inSchema('tenant and kind')} SET STATISTICS 77`,
    `COMMENT ON STATISTICS ${inSchema('tenant and kind')} IS 'They go together.'`,
    ...(replicaIdentity === 'full' ? [`ALTER TABLE ${table} REPLICA IDENTITY FULL`] : []),
    ...(replicaIdentity === 'index'
      ? [`ALTER TABLE ${table} REPLICA IDENTITY USING INDEX "once per moment"`]
      : []),
  ];
}
