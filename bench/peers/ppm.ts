import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../frame/cache.ts';
import type { BenchOptions } from '../frame/model.ts';
import { type Ended, mustRun, runProgram } from '../frame/program.ts';
import type { Peer, PeerSource, Task } from './peer.ts';

const RELEASE = '1.2.1';
const MODULE = 'github.com/qonto/postgresql-partition-manager';

/** By the Go tool chain where the module can be had, else from its repository. */
async function build(folder: string): Promise<void> {
  const env = { GIT_TERMINAL_PROMPT: '0', GOBIN: folder };
  const install = ['install', `${MODULE}@${RELEASE}`];
  if ((await runProgram('go', install, { env })).code === 0) return;
  const source = join(folder, 'source');
  const clone = ['clone', '--quiet', '--depth', '1', '--branch', RELEASE, `https://${MODULE}`, source];
  await mustRun('git', clone, { env });
  await mustRun('go', ['install', '.'], { cwd: source, env });
}

async function prepare({ download }: BenchOptions): Promise<Peer> {
  const program = join(await cached('ppm', download, build), 'postgresql-partition-manager');
  const configOf = ({ folder }: Task): string => join(folder, 'ppm.json');
  const run = async (task: Task, ...command: readonly string[]): Promise<Ended> => {
    const args = ['run', ...command, '--config', configOf(task)];
    // Its limit of 3 s for a statement is meant for tables, not for lists of ten thousands of them.
    return await mustRun(program, [...args, '--statement-timeout', '60000'], { watchMemory: true });
  };
  return {
    version: RELEASE,
    adopt: async (task) => {
      const partitions = task.tables.map(({ schema, table, key }) => [
        `${schema}_${table}`,
        {
          schema,
          table,
          partitionKey: key,
          interval: 'monthly',
          retention: task.retention,
          preProvisioned: task.premake,
          cleanupPolicy: 'drop',
        },
      ]);
      const config = { 'connection-url': task.url, partitions: Object.fromEntries(partitions) };
      writeFileSync(configOf(task), JSON.stringify(config));
    },
    create: (task) => run(task, 'provisioning'),
    cleanup: (task) => run(task, 'cleanup'),
  };
}

export const ppm: PeerSource = { name: 'PPM (postgresql-partition-manager)', prepare };
