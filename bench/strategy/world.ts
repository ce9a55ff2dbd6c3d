import type pg from 'pg';
import { Temporal } from 'temporal-polyfill';
import { connectionSettings, parseConfig, runCreate } from '../../lib/index.ts';
import { createIndexes, fillLog, type Log } from '../data/logs.ts';

/** The same rows three times: as they are, with one more index, and partitioned. */
export const SHAPES = ['plain', 'indexed', 'partitioned'] as const;
export type Shape = (typeof SHAPES)[number];

export const nameOf = ({ table }: Log, shape: Shape): string => `${table}_${shape}`;

export const configOf = (log: Log, retentionMonths: number) =>
  parseConfig(
    {
      tables: [
        {
          schema: 'platform',
          table: nameOf(log, 'partitioned'),
          partitionKey: 'created_at',
          interval: 'month',
          premake: 3,
          retention: { months: retentionMonths },
        },
      ],
    },
    'the measurement',
  );

/** Makes the three, without foreign keys, which none of the operations would look at. */
export async function createShapes(client: pg.Client, url: string, log: Log, rows: number): Promise<void> {
  const [plain, indexed, partitioned] = SHAPES.map((shape) => nameOf(log, shape)) as [string, string, string];
  const columns = log.columns(false);
  await client.query(`CREATE TABLE platform.${plain} (${columns})`);
  await fillLog(client, { ...log, table: plain }, rows);
  await client.query(`CREATE TABLE platform.${indexed} AS TABLE platform.${plain}`);
  for (const table of [plain, indexed]) {
    await client.query(`ALTER TABLE platform.${table} ADD PRIMARY KEY (id, created_at)`);
    await createIndexes(client, table, log.indexes);
  }
  if (!log.indexes.includes('created_at')) await createIndexes(client, indexed, ['created_at']);
  await client.query(
    `CREATE TABLE platform.${partitioned} (${columns}, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)`,
  );
  const { rows: found } = await client.query<{ oldest: Date }>(
    `SELECT min(created_at) AS oldest FROM platform.${plain}`,
  );
  const report = await runCreate({
    config: configOf(log, log.months + 2),
    connection: connectionSettings(url, {}),
    from: Temporal.Instant.fromEpochMilliseconds(found[0]?.oldest.getTime() ?? 0),
  });
  if (!report.ok) throw new Error(JSON.stringify(report.tables));
  await client.query(`INSERT INTO platform.${partitioned} SELECT * FROM platform.${plain}`);
  // The document gives each partition an index on the time alone.
  await createIndexes(client, partitioned, [...new Set([...log.indexes, 'created_at'])]);
  for (const table of [plain, indexed, partitioned]) await client.query(`VACUUM (ANALYZE) platform.${table}`);
}
