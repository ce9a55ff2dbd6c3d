import { readFile } from 'node:fs/promises';
import { withClient } from '../frame/database.ts';
import { noProcess, type Peer, type PeerSource, type Task } from './peer.ts';

const call = (task: Task, name: string, months: number): Promise<void> =>
  withClient(task.url, async (client) => {
    await client.query(`SELECT * FROM document.${name}($1, $2)`, [JSON.stringify(task.tables), months]);
  });

const peer: Peer = {
  version: '',
  adopt: ({ url }) =>
    withClient(url, async (client) => {
      await client.query('DROP SCHEMA IF EXISTS document CASCADE');
      await client.query(await readFile(new URL('./document.sql', import.meta.url), 'utf8'));
    }),
  create: (task) => noProcess(call(task, 'create_future_partitions', task.premake)),
  cleanup: (task) => noProcess(call(task, 'cleanup_old_partitions', task.retention)),
};

/** The functions the strategy document proposes. */
export const document: PeerSource = {
  name: "the strategy document's functions, mended",
  prepare: async () => peer,
};
