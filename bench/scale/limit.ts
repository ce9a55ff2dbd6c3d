import type pg from 'pg';
import { withClient } from '../frame/database.ts';
import { monthStart, partitionOf } from '../peers/months.ts';
import { noProcess, type Peer, type Run, type Task } from '../peers/peer.ts';

/** All bounds of all tables in one query: less than that nobody can ask before knowing that there is nothing to do. */
const CATALOG = `
  SELECT p.relname, c.relname, pg_get_expr(c.relpartbound, 0) FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
  WHERE n.nspname = 'app' AND c.relpartbound IS NOT NULL`;

const existing = async (client: pg.Client): Promise<Set<string>> => {
  const { rows } = await client.query<unknown[]>({ text: CATALOG, rowMode: 'array' });
  return new Set(rows.map((row) => String(row[1])));
};

/** The query, and then just the statements, of somebody who knows what there is to do. */
const each = (
  task: Task,
  month: number,
  wanted: (exists: boolean) => boolean,
  sql: (table: string, partition: string) => string,
): Promise<Run> =>
  noProcess(
    withClient(task.url, async (client) => {
      const names = await existing(client);
      for (const { table } of task.tables) {
        const partition = partitionOf(table, month);
        if (wanted(names.has(partition))) await client.query(sql(`app.${table}`, `app.${partition}`));
      }
    }),
  );

/** What the same work takes at least. */
export const limit: Peer = {
  version: '',
  adopt: async () => {},
  create: (task) =>
    each(
      task,
      task.premake,
      (exists) => !exists,
      (table, partition) =>
        `CREATE TABLE ${partition} PARTITION OF ${table}
         FOR VALUES FROM ('${monthStart(task.premake)} 00:00+00') TO ('${monthStart(task.premake + 1)} 00:00+00')`,
    ),
  cleanup: (task) =>
    each(
      task,
      -task.retention - 1,
      (exists) => exists,
      (_, partition) => `DROP TABLE ${partition}`,
    ),
};
