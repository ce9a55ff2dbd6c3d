import type { KeyType, RichNames } from './rich-table.ts';

/** SQL of the key of a moment. */
export function keyDefault(type: KeyType, inSchema: RichNames['inSchema'], moment: string): string {
  if (type === 'timestamptz') return moment;
  if (type === 'timestamp') return `(${moment})::timestamp`;
  if (type === 'date') return `(${moment})::date`;
  return `${inSchema('uuid_v7')}(${moment}, random()::text)`;
}

/** The types, the table itself with its constraints, and what is said of single columns. */
export function tableStatements(names: RichNames): string[] {
  const { table, key, keyType, inSchema, options } = names;
  const { ids = 'by default', nullableKey = false, partitioned = false } = options;
  const parameters =
    'WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 100)';
  // A legacy sequence rarely has the parameters of a new one.
  const identity = `GENERATED ${ids.toUpperCase()} AS IDENTITY (START WITH 1000 MAXVALUE 9000000000000000 CACHE 10)`;
  const id = ids === 'serial' ? 'bigserial' : `bigint ${identity}`;
  return [
    `CREATE TYPE ${inSchema('kind')} AS ENUM ('info', 'warning', 'error', 'it''s "odd"')`,
    `CREATE DOMAIN ${inSchema('email')} AS text CHECK (VALUE LIKE '%@%')`,
    `CREATE TYPE ${inSchema('place')} AS (street text, floor integer, position point)`,
    `CREATE FUNCTION ${inSchema('uuid_v7')}(moment timestamptz, seed text) RETURNS uuid LANGUAGE sql IMMUTABLE
     RETURN (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0')
       || '7' || substr(md5(seed), 1, 3) || '8' || substr(md5(seed), 4, 15))::uuid`,
    `CREATE FUNCTION ${inSchema('new_reference')}() RETURNS text LANGUAGE sql VOLATILE
     AS $$ SELECT 'ref-' || gen_random_uuid() $$`,
    `CREATE TABLE ${table} (
       id ${id} NOT NULL,
       ${key} ${keyType} ${nullableKey ? '' : 'NOT NULL'} DEFAULT ${keyDefault(keyType, inSchema, 'now()')},
       tenant text COLLATE "C" NOT NULL,
       user_id bigint CONSTRAINT "of user" REFERENCES ${inSchema('users')} ON DELETE SET NULL,
       obsolete integer DEFAULT 7,
       tenant_id integer CONSTRAINT "of tenant" REFERENCES ${inSchema('tenants')} DEFERRABLE INITIALLY DEFERRED,
       external_ref text NOT NULL DEFAULT ${inSchema('new_reference')}(),
       amount numeric,
       ratio double precision,
       payload jsonb,
       body bytea,
       tags text[],
       kind ${inSchema('kind')} NOT NULL DEFAULT 'info',
       email ${inSchema('email')},
       place ${inSchema('place')},
       body_length integer GENERATED ALWAYS AS (octet_length(body)) STORED,
       note text COMPRESSION pglz,
       touched_at timestamptz,
       revision integer NOT NULL DEFAULT 0,
       "Odd ""column""" varchar(200) COLLATE "POSIX",
       CONSTRAINT "revision grows" CHECK (revision >= 0),
       CONSTRAINT "Events ""PK""" PRIMARY KEY (id${partitioned ? `, ${key}` : ''})
     ) ${partitioned ? `PARTITION BY RANGE (${key})` : parameters}`,
    ...(partitioned
      ? [`CREATE TABLE ${inSchema('the partition')} PARTITION OF ${table} DEFAULT ${parameters}`]
      : []),
    `ALTER TABLE ${table} DROP COLUMN obsolete`,
    `ALTER TABLE ${table} ADD CONSTRAINT "tenant is short" CHECK (length(tenant) < 100) NOT VALID`,
    ...(options.noInheritCheck
      ? [`ALTER TABLE ${table} ADD CONSTRAINT "of this table only" CHECK (tenant <> 'nobody') NO INHERIT`]
      : []),
    ...(options.notValidForeignKey
      ? [
          `ALTER TABLE ${table} ADD CONSTRAINT "of user, in future" FOREIGN KEY (user_id) REFERENCES ${inSchema('users')} NOT VALID`,
        ]
      : []),
    ...(options.exclusionConstraint
      ? [`ALTER TABLE ${table} ADD CONSTRAINT "one of a kind" EXCLUDE USING btree (external_ref WITH =)`]
      : []),
    `ALTER TABLE ${table} ALTER COLUMN body SET STORAGE EXTERNAL`,
    `ALTER TABLE ${table} ALTER COLUMN tenant SET STATISTICS 500`,
    `ALTER TABLE ${table} ALTER COLUMN payload SET STATISTICS 0`,
    `ALTER TABLE ${table} ALTER COLUMN tenant SET (n_distinct = 1000)`,
    `COMMENT ON COLUMN ${table}.tenant IS 'Who it happened to; it''s "theirs".'`,
    `COMMENT ON COLUMN ${table}.${key} IS 'When it happened.'`,
    `COMMENT ON CONSTRAINT "revision grows" ON ${table} IS 'Never goes back.'`,
    `COMMENT ON TABLE ${table} IS 'All that happened, since 2009. Don''t touch.'`,
  ];
}
