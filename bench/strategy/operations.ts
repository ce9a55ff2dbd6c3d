import { performance } from 'node:perf_hooks';
import type pg from 'pg';
import { connectionSettings, runCleanup } from '../../lib/index.ts';
import type { Log } from '../data/logs.ts';
import { withClient } from '../frame/database.ts';
import { monthStart } from '../peers/months.ts';
import { configOf, nameOf, type Shape } from './world.ts';

/** Where an operation works. */
export interface Place {
  readonly client: pg.Client;
  readonly url: string;
  readonly log: Log;
  readonly shape: Shape;
  /** How often it has been done before. */
  readonly turn: number;
}

export interface Operation {
  readonly title: string;
  /** What the strategy document expects: before, after, improvement. */
  readonly claim: string;
  readonly shapes: readonly Shape[];
  /** Does it once; a figure in milliseconds, or in blocks. */
  readonly run: (place: Place) => Promise<number>;
  readonly unit?: 'blocks';
}

const tableOf = ({ log, shape }: Place): string => `platform.${nameOf(log, shape)}`;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** A statement with its values, as an application sends it. By `now()` in it, partitions would be left out later. */
interface Query {
  readonly text: string;
  readonly values: readonly unknown[];
}

const recent = (place: Place): Query => ({
  text: `SELECT * FROM ${tableOf(place)} WHERE created_at >= $1 ORDER BY created_at DESC LIMIT 100`,
  values: [new Date(Date.now() - 24 * 3_600_000)],
});

const report = (place: Place): Query => ({
  text: `SELECT ${place.log.kind}, count(*), count(DISTINCT user_id), min(created_at), max(created_at)
   FROM ${tableOf(place)} WHERE created_at >= $1 AND created_at < $2 GROUP BY ${place.log.kind} ORDER BY 2 DESC`,
  values: [monthStart(-1), monthStart(0)],
});

const run = (client: pg.Client, { text, values }: Query) => client.query(text, [...values]);

/** Blocks that a statement looks at, wherever they are. */
async function blocksOf(client: pg.Client, { text, values }: Query): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
    [...values],
  );
  const plan = rows[0]?.['QUERY PLAN'][0].Plan ?? {};
  return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
}

/** One month after another leaves, the oldest first. */
async function removeOldestMonth(place: Place): Promise<number> {
  const { client, log, turn, url } = place;
  const months = log.months - turn - 1;
  if (place.shape === 'partitioned') {
    return await timed(async () => {
      const job = await runCleanup({
        config: configOf(log, months),
        connection: connectionSettings(url, {}),
      });
      if (!job.ok || job.tables[0]?.steps.length === 0) throw new Error(JSON.stringify(job.tables[0]));
    });
  }
  return await timed(async () => {
    await client.query(
      `DELETE FROM ${tableOf(place)} WHERE created_at < date_trunc('month', now() - interval '${months} months')`,
    );
    await client.query(`VACUUM ${tableOf(place)}`);
  });
}

/** The indexes that begin with the user: one of a plain table, one of each partition. */
async function indexesOf(client: pg.Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT x.indexrelid::regclass::text AS name FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
     WHERE c.relkind = 'i' AND pg_get_indexdef(x.indexrelid, 1, true) = 'user_id'
       AND (x.indrelid = $1::regclass OR x.indrelid IN (SELECT relid FROM pg_partition_tree($1)))
     ORDER BY 1`,
    [table],
  );
  if (rows.length === 0) throw new Error(`${table} has no index on the user.`);
  return rows.map(({ name }) => name);
}

/** Two sessions take the indexes from one list. */
async function rebuildIndexes(place: Place): Promise<number> {
  const names = await indexesOf(place.client, tableOf(place));
  return await timed(() =>
    Promise.all(
      [0, 1].map(() =>
        withClient(place.url, async (client) => {
          for (let name = names.shift(); name !== undefined; name = names.shift())
            await client.query(`REINDEX INDEX CONCURRENTLY ${name}`);
        }),
      ),
    ),
  );
}

export const OPERATIONS: readonly Operation[] = [
  {
    title: 'recent rows: the newest 100 of today',
    claim: '2-5 s, 50-200 ms, 90 %+',
    shapes: ['plain', 'indexed', 'partitioned'],
    run: (place) => timed(() => run(place.client, recent(place))),
  },
  {
    title: 'report of a month',
    claim: '10-30 s, 1-3 s, 80 %+',
    shapes: ['plain', 'indexed', 'partitioned'],
    run: (place) => timed(() => run(place.client, report(place))),
  },
  {
    title: 'pruning: blocks that the report of a month looks at',
    claim: 'N/A, automatic',
    shapes: ['plain', 'indexed', 'partitioned'],
    unit: 'blocks',
    run: (place) => blocksOf(place.client, report(place)),
  },
  {
    title: 'retention: a month leaves (DELETE and VACUUM; cleanup)',
    claim: 'hours, minutes, 95 %+',
    shapes: ['plain', 'indexed', 'partitioned'],
    run: removeOldestMonth,
  },
  {
    title: 'index rebuild (the whole index; each partition, two at a time)',
    claim: 'full table, per partition, parallelizable',
    shapes: ['plain', 'partitioned'],
    run: rebuildIndexes,
  },
];
