import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../frame/cache.ts';
import type { BenchOptions } from '../frame/model.ts';
import { type Ended, mustRun } from '../frame/program.ts';
import type { Peer, PeerSource, Task } from './peer.ts';

const RELEASE = '1.10.0';

async function prepare({ download }: BenchOptions): Promise<Peer> {
  const folder = await cached('pg-partsmith', download, async (empty) => {
    const packages = join(empty, 'packages');
    await mustRun('python3', [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--target',
      packages,
      `pg-partsmith[cli]==${RELEASE}`,
    ]);
  });
  const documentOf = (task: Task): string => join(task.folder, 'pg-partsmith.json');
  const apply = async (task: Task, ...flags: readonly string[]): Promise<Ended> => {
    const args = ['-m', 'pg_partsmith.cli', 'apply', '--config', documentOf(task), ...flags];
    return await mustRun('python3', args, {
      watchMemory: true,
      env: {
        PYTHONPATH: join(folder, 'packages'),
        PG_PARTSMITH_DSN: task.url.replace('postgresql://', 'postgresql+asyncpg://'),
      },
    });
  };
  return {
    version: RELEASE,
    adopt: async (task) => {
      const tables = task.tables.map(({ schema, table, key }) => ({
        schema,
        table_name: table,
        partition_column: key,
        granularity: 'month',
        // Both count the current one; what is detached is dropped at once, as by the others.
        lifecycle: {
          creation: { kind: 'create_ahead', count: task.premake + 1 },
          retention: { kind: 'keep_newest', count: task.retention + 1 },
          drop: { kind: 'drop_after', grace: 'PT0S' },
        },
      }));
      writeFileSync(documentOf(task), JSON.stringify({ tables }));
    },
    create: (task) => apply(task),
    cleanup: (task) => apply(task, '--allow-destructive'),
  };
}

export const pgPartsmith: PeerSource = { name: 'pg-partsmith', prepare };
