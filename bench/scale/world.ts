import { databaseUrl, withClient } from '../frame/database.ts';
import { monthStart, partitionOf } from '../peers/months.ts';
import type { ManagedTable, Task } from '../peers/peer.ts';

/** So many tables with so many monthly partitions each, the last of which is the next month's. */
export interface Size {
  readonly tables: number;
  readonly partitions: number;
}

export const nameOf = ({ tables, partitions }: Size): string => `${tables} x ${partitions}`;

const tablesOf = ({ tables }: Size): ManagedTable[] =>
  Array.from({ length: tables }, (_, place) => ({
    schema: 'app',
    table: `events_${String(place + 1).padStart(3, '0')}`,
    key: 'created_at',
  }));

/** What keeps the world as it is: neither a month more nor one less. */
export const taskOf = (size: Size, url: string, folder: string): Task => ({
  url,
  folder,
  tables: tablesOf(size),
  premake: 1,
  retention: size.partitions - 2,
});

/** Creates a database with all tables and partitions. */
export async function createWorld(serverUrl: string, name: string, size: Size): Promise<void> {
  await withClient(serverUrl, (admin) => admin.query(`CREATE DATABASE ${name}`));
  await withClient(databaseUrl(serverUrl, name), async (client) => {
    await client.query('CREATE SCHEMA app');
    for (const { schema, table } of tablesOf(size)) {
      // All of one table in one transaction; all tables in one would need more locks than the server has.
      const partitions = Array.from(
        { length: size.partitions },
        (_, place) => 2 - size.partitions + place,
      ).map(
        (month) =>
          `CREATE TABLE ${schema}.${partitionOf(table, month)} PARTITION OF ${schema}.${table}
           FOR VALUES FROM ('${monthStart(month)} 00:00+00') TO ('${monthStart(month + 1)} 00:00+00')`,
      );
      await client.query(
        `CREATE TABLE ${schema}.${table} (id uuid DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL DEFAULT now(), code int,
           PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
         ${partitions.join(';')}`,
      );
    }
    await client.query(
      'VACUUM (ANALYZE) pg_catalog.pg_class, pg_catalog.pg_attribute, pg_catalog.pg_inherits',
    );
  });
}
