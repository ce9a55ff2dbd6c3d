import pg from 'pg';
import { withClient } from '../frame/database.ts';
import { monthStart, partitionOf } from './months.ts';
import { noProcess, type Peer, type PeerSource, type Task } from './peer.ts';

const { escapeIdentifier } = pg;

const create = ({ url, tables, premake }: Task): Promise<void> =>
  withClient(url, async (client) => {
    for (const { schema, table } of tables) {
      for (let month = 0; month <= premake; month++) {
        await client.query(
          `CREATE TABLE IF NOT EXISTS ${escapeIdentifier(schema)}.${escapeIdentifier(partitionOf(table, month))}
             PARTITION OF ${escapeIdentifier(schema)}.${escapeIdentifier(table)}
             FOR VALUES FROM ('${monthStart(month)}') TO ('${monthStart(month + 1)}')`,
        );
      }
    }
  });

const cleanup = ({ url, tables, retention }: Task): Promise<void> =>
  withClient(url, async (client) => {
    for (const { schema, table } of tables) {
      const { rows } = await client.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = $1::regclass AND c.relname < $2 ORDER BY c.relname`,
        [`${escapeIdentifier(schema)}.${escapeIdentifier(table)}`, partitionOf(table, -retention)],
      );
      for (const { name } of rows)
        await client.query(`DROP TABLE ${escapeIdentifier(schema)}.${escapeIdentifier(name)}`);
    }
  });

const peer: Peer = {
  version: '',
  adopt: async () => {},
  create: (task) => noProcess(create(task)),
  cleanup: (task) => noProcess(cleanup(task)),
};

/** What a script by hand would do. */
export const naive: PeerSource = {
  name: 'plain DDL (CREATE .. PARTITION OF, DROP)',
  prepare: async () => peer,
};
