import { createRequire } from 'node:module';
import {
  type CleanupJobOptions,
  connectionSettings,
  type JobOptions,
  parseConfig,
  type Report,
  runCleanup,
  runCreate,
} from '../../lib/index.ts';
import type { Peer, PeerSource, Task } from './peer.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };

const optionsOf = ({ url, tables, premake, retention }: Task): JobOptions => ({
  connection: connectionSettings(url, {}),
  config: parseConfig(
    {
      tables: tables.map(({ schema, table, key }) => ({
        schema,
        table,
        partitionKey: key,
        interval: 'month',
        premake,
        retention: { months: retention },
        maxExpiredShare: 1,
      })),
    },
    'the measurement',
  ),
});

async function expectOk(run: Promise<Report>): Promise<void> {
  const { ok, tables } = await run;
  if (ok) return;
  throw new Error(tables.flatMap(({ error }) => (error === undefined ? [] : [error.message])).join(' '));
}

const peer: Peer = {
  version,
  adopt: async () => {},
  create: (task) => expectOk(runCreate(optionsOf(task))),
  cleanup: (task) => expectOk(runCleanup(optionsOf(task) satisfies CleanupJobOptions)),
};

/** The jobs, called as a function calls them. */
export const ours: PeerSource = { name: 'Partition Keeper', prepare: async () => peer };
