import pg from 'pg';
import { inject } from 'vitest';
import type { TestDatabase, TestRole } from '../database.ts';
import { behaviourStatements } from './rich-behaviour.ts';
import { keyDefault, tableStatements } from './rich-columns.ts';
import { dependentStatements } from './rich-dependents.ts';
import { indexStatements } from './rich-indexes.ts';

export type KeyType = 'timestamptz' | 'timestamp' | 'date' | 'uuid';

/** What the table has beyond the common lot. Everything is off unless asked for, since some of it cannot be converted. */
export interface RichOptions {
  /** `app` unless given; any name. */
  readonly schema?: string;
  /** `events` unless given; any name. */
  readonly table?: string;
  /** Name of the key column, `at` unless given. */
  readonly key?: string;
  /** `timestamptz` unless given. */
  readonly keyType?: KeyType;
  /** The key column has no NOT NULL. */
  readonly nullableKey?: boolean;
  /** How ids come about: `by default` as identity unless given. */
  readonly ids?: 'by default' | 'always' | 'serial';
  readonly noInheritCheck?: boolean;
  /** A unique index that does not contain the key. */
  readonly uniqueWithoutKey?: boolean;
  readonly exclusionConstraint?: boolean;
  readonly notValidForeignKey?: boolean;
  readonly constraintTrigger?: boolean;
  /** A trigger that sets the key of new rows. */
  readonly keyTrigger?: boolean;
  readonly forceRowSecurity?: boolean;
  /** There are policies, but they are not in force. */
  readonly rowSecurityOff?: boolean;
  readonly replicaIdentity?: 'full' | 'index';
  readonly publicationForAllTables?: boolean;
  /** The publication publishes partitions as themselves; it has no filter and no list of columns then. */
  readonly publicationOfPartitions?: boolean;
  /** The reader has passed on what was granted to it. */
  readonly chainedGrant?: boolean;
  readonly materializedView?: boolean;
  readonly setReturningFunction?: boolean;
  readonly incomingForeignKey?: boolean;
  readonly rule?: boolean;
  readonly inheritanceChild?: boolean;
  /**
   * The same made as a partitioned table, with a default partition: what a conversion would have to lead to. It is not
   * for options of what a partitioned table cannot have, nor for `replicaIdentity`, and no index is clustered on.
   */
  readonly partitioned?: boolean;
}

/** Names for statements, in quotes, and what the statements depend on. */
export interface RichNames {
  /** The table with its schema, in quotes. */
  readonly table: string;
  /** The table without its schema, in quotes. */
  readonly bare: string;
  readonly key: string;
  readonly keyType: KeyType;
  /** Something else in the schema, in quotes with the schema. */
  readonly inSchema: (name: string) => string;
  readonly owner: string;
  readonly reader: string;
  readonly writer: string;
  readonly options: RichOptions;
  /** Major version of the server. */
  readonly version: number;
}

/** The roles around a table. */
export interface RichRoles {
  /** Owns the table and all that depends on it, but not the tables that foreign keys refer to. */
  readonly owner: TestRole;
  /** A member of the owner, and nothing else: who converts. */
  readonly keeper: TestRole;
  /** Owns users and tenants. */
  readonly neighbour: TestRole;
  /** Reads some columns, and the views. */
  readonly reader: TestRole;
  /** Reads and writes, subject to row level security. */
  readonly writer: TestRole;
}

/** A legacy table as they have grown over the years, and those who use it. */
export interface RichTable extends RichRoles {
  readonly schema: string;
  readonly table: string;
  readonly key: string;
  readonly keyType: KeyType;
  readonly names: RichNames;
}

/** How many users and tenants there are, with ids from 1 on. */
export const USERS = 100;
export const TENANTS = 5;

/**
 * Creates the table, empty, in a schema that does not exist yet.
 * @param roles those of another table; new ones unless given
 */
export async function createRichTable(
  database: TestDatabase,
  options: RichOptions = {},
  roles?: RichRoles,
): Promise<RichTable> {
  const { schema = 'app', table = 'events', key = 'at', keyType = 'timestamptz' } = options;
  const { owner, keeper, neighbour, reader, writer } = roles ?? (await createRoles(database));
  const inSchema = (name: string): string => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`;
  const names: RichNames = {
    table: inSchema(table),
    bare: pg.escapeIdentifier(table),
    key: pg.escapeIdentifier(key),
    keyType,
    inSchema,
    owner: owner.name,
    reader: reader.name,
    writer: writer.name,
    options,
    version: inject('serverVersion'),
  };

  await database.query(surroundings(schema, names, neighbour.name));
  const client = await database.connect({ role: owner });
  try {
    const statements = [
      ...tableStatements(names),
      ...indexStatements(names),
      ...behaviourStatements(names),
      ...dependentStatements(names),
    ];
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
  for (const statement of publications(names)) await database.query(statement);
  if (options.chainedGrant) {
    await database.query(
      `SET ROLE ${reader.name}; GRANT SELECT (id) ON ${names.table} TO ${writer.name}; RESET ROLE`,
    );
  }
  return { schema, table, key, keyType, names, owner, keeper, neighbour, reader, writer };
}

async function createRoles(database: TestDatabase): Promise<RichRoles> {
  const owner = await database.createRole();
  const keeper = await database.createRole();
  await database.query(`GRANT ${owner.name} TO ${keeper.name}`);
  return {
    owner,
    keeper,
    neighbour: await database.createRole(),
    reader: await database.createRole(),
    writer: await database.createRole(),
  };
}

/** The schema, and the tables of somebody else that foreign keys refer to. */
function surroundings(
  schema: string,
  { inSchema, owner, reader, writer }: RichNames,
  neighbour: string,
): string {
  const everybody = `${owner}, ${reader}, ${writer}, ${neighbour}`;
  return `
    CREATE SCHEMA ${pg.escapeIdentifier(schema)};
    GRANT USAGE ON SCHEMA ${pg.escapeIdentifier(schema)} TO ${everybody};
    GRANT CREATE ON SCHEMA ${pg.escapeIdentifier(schema)} TO ${owner};
    CREATE TABLE ${inSchema('users')} (
      id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 1000) PRIMARY KEY,
      name text NOT NULL,
      seen_at timestamptz
    );
    CREATE TABLE ${inSchema('tenants')} (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
    INSERT INTO ${inSchema('users')} (id, name) SELECT n, 'user ' || n FROM generate_series(1, ${USERS}) AS n;
    INSERT INTO ${inSchema('tenants')} (id, name) SELECT n, 'tenant ' || n FROM generate_series(1, ${TENANTS}) AS n;
    ALTER TABLE ${inSchema('users')} OWNER TO ${neighbour};
    ALTER TABLE ${inSchema('tenants')} OWNER TO ${neighbour};
    GRANT SELECT, REFERENCES ON ${inSchema('users')}, ${inSchema('tenants')} TO ${owner};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ${inSchema('users')} TO ${writer};
    GRANT SELECT ON ${inSchema('tenants')} TO ${reader}, ${writer};`;
}

/** Made by the superuser, as only it may publish all tables, and given to the owner where that is allowed. */
function publications({ table, key, inSchema, owner, options, version }: RichNames): string[] {
  const { replicaIdentity, publicationForAllTables = false, publicationOfPartitions = false } = options;
  // Updates fail unless lists of columns cover the replica identity and filters stay within it.
  const columns = replicaIdentity === 'index' ? `id, ${key}, external_ref` : `id, ${key}, tenant`;
  const filter = replicaIdentity === 'index' ? "external_ref <> ''" : 'id <> 0';
  const part = `${replicaIdentity === 'full' ? '' : ` (${columns})`} WHERE (${filter})`;
  const selective = version >= 15 && !publicationOfPartitions;
  // From 18 on, a replica identity that is full includes the generated column.
  const generated = version >= 18 && replicaIdentity === 'full' ? 'publish_generated_columns = stored, ' : '';
  const name = pg.escapeIdentifier(`publication of ${inSchema('')}`);
  return [
    `CREATE PUBLICATION ${name} FOR TABLE ${table}${selective ? part : ''}
     WITH (${generated}publish_via_partition_root = ${!publicationOfPartitions})`,
    `ALTER PUBLICATION ${name} OWNER TO ${owner}`,
    ...(publicationForAllTables
      ? [
          `CREATE PUBLICATION everything FOR ALL TABLES${generated ? ' WITH (publish_generated_columns = stored)' : ''}`,
        ]
      : []),
  ];
}

/** SQL of a key so long before or after now; the offset is SQL of an interval. */
export function keyAround({ keyType, inSchema }: RichNames, offset = "interval '0'"): string {
  return keyDefault(keyType, inSchema, `now() + ${offset}`);
}
