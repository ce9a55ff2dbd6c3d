import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import {
  connectionSettings,
  type JobOptions,
  parseConfig,
  type Report,
  runCleanup,
  runCreate,
} from '../../lib/index.ts';
import { entryPoint } from '../frame/package.ts';
import { mustRun } from '../frame/program.ts';
import { noProcess, type Peer, type PeerSource, type Task } from './peer.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };

const configOf = ({ tables, premake, retention }: Task) => ({
  tables: tables.map(({ schema, table, key }) => ({
    schema,
    table,
    partitionKey: key,
    interval: 'month',
    premake,
    retention: { months: retention },
    maxExpiredShare: 1,
  })),
});

const optionsOf = (task: Task): JobOptions => ({
  connection: connectionSettings(task.url, {}),
  config: parseConfig(configOf(task), 'the measurement'),
});

async function expectOk(run: Promise<Report>): Promise<void> {
  const { ok, tables } = await run;
  if (ok) return;
  throw new Error(tables.flatMap(({ error }) => (error === undefined ? [] : [error.message])).join(' '));
}

const peer: Peer = {
  version,
  adopt: async () => {},
  create: (task) => noProcess(expectOk(runCreate(optionsOf(task)))),
  cleanup: (task) => noProcess(expectOk(runCleanup(optionsOf(task)))),
};

/** The jobs, called as a function calls them. */
export const ours: PeerSource = { name: 'Partition Keeper', prepare: async () => peer };

/** A process for each run, start of Node.js included. */
export const oursByCommand: PeerSource = {
  name: 'Partition Keeper, command line',
  prepare: async (options) => {
    const entry = await entryPoint(options);
    const run = async (task: Task, command: 'create' | 'cleanup') => {
      const file = join(task.folder, 'partitions.config.json');
      writeFileSync(file, JSON.stringify(configOf(task)));
      const args = [entry, command, '--config', file, '--format', 'json'];
      return await mustRun(process.execPath, args, { env: { DATABASE_URL: task.url }, watchMemory: true });
    };
    return {
      version,
      adopt: async () => {},
      create: (task) => run(task, 'create'),
      cleanup: (task) => run(task, 'cleanup'),
    };
  },
};
