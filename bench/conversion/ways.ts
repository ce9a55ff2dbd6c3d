import { setTimeout as delay } from 'node:timers/promises';
import { Temporal } from 'temporal-polyfill';
import { connectionSettings, parseConfig, type ReportStep, runConvert, runCreate } from '../../lib/index.ts';
import { AUDIT_LOGS, createIndexes } from '../data/logs.ts';
import { withClient } from '../frame/database.ts';
import { loadPartman, type PartmanSource, typeOf } from '../peers/pg-partman.ts';

/** A stage of a conversion. */
export interface Stage {
  readonly name: string;
  /** Whether it moves all rows. */
  readonly moves: boolean;
  /** What has to be there and is not measured. */
  readonly prepare?: (url: string) => Promise<unknown>;
  /** Does it; for how long the locks of its switch were held, in milliseconds, where it has one and tells. */
  readonly run: (url: string) => Promise<number | null>;
}

/** Stages of one way, one after the other in one database. */
export type Way = readonly Stage[];

export const TABLE = 'platform.audit_logs';

const configOf = (table: string) =>
  parseConfig(
    { tables: [{ schema: 'platform', table, partitionKey: 'created_at', interval: 'month', premake: 3 }] },
    'the measurement',
  );

const PARTITIONED = (table: string): string =>
  `CREATE TABLE platform.${table} (${AUDIT_LOGS.columns(true)}, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)`;

/** How long the step held its locks: its time without the wait for them. */
const held = (steps: readonly ReportStep[]): number | null => {
  const switches = steps.filter(({ kind }) => kind === 'switch');
  return switches.length === 0
    ? null
    : Math.max(...switches.map(({ durationMs, waitedMs }) => durationMs - waitedMs));
};

const convert =
  (options: Partial<Parameters<typeof runConvert>[0]>): Stage['run'] =>
  async (url) => {
    const { ok, tables, error } = await runConvert({
      config: configOf('audit_logs'),
      connection: connectionSettings(url, {}),
      table: TABLE,
      ...options,
    });
    const [report] = tables;
    if (!ok || report === undefined) throw new Error(JSON.stringify(report?.error ?? error));
    return held(report.steps);
  };

async function createFinished(url: string): Promise<void> {
  const oldest = await withClient(url, async (client) => {
    await client.query(PARTITIONED('finished'));
    await createIndexes(client, 'finished', AUDIT_LOGS.indexes);
    const { rows } = await client.query<{ oldest: Date }>(`SELECT min(created_at) AS oldest FROM ${TABLE}`);
    return rows[0]?.oldest.getTime() ?? 0;
  });
  const report = await runCreate({
    config: configOf('finished'),
    connection: connectionSettings(url, {}),
    from: Temporal.Instant.fromEpochMilliseconds(oldest),
  });
  if (!report.ok) throw new Error(JSON.stringify(report.tables));
}

/** As its guide has it for tables that need not be complete meanwhile: rows come from the table that was renamed. */
const partman = (source: PartmanSource): Way => [
  {
    name: 'pg_partman: `partition_data_proc` from the renamed table, whose rows are missing until they are moved',
    moves: true,
    prepare: (url) => loadPartman(url, source),
    run: (url) =>
      withClient(url, async (client) => {
        await client.query(
          `BEGIN; ALTER TABLE ${TABLE} RENAME TO audit_logs_old; ${PARTITIONED('audit_logs')}; COMMIT`,
        );
        await createIndexes(client, 'audit_logs', AUDIT_LOGS.indexes);
        await client.query(
          `SELECT partman.create_parent(p_parent_table := '${TABLE}', p_control := 'created_at', p_interval := '1 month',
             p_type := '${typeOf(source)}', p_premake := 3)`,
        );
        await client.query(
          `CALL partman.partition_data_proc('${TABLE}', p_source_table := 'platform.audit_logs_old', p_wait := 0)`,
        );
        const { rows } = await client.query('SELECT FROM platform.audit_logs_old LIMIT 1');
        if (rows.length > 0) throw new Error('pg_partman has left rows in the table that was renamed.');
        return null;
      }),
  },
];

/** @param idle how long the application is watched where nothing is done, in milliseconds */
export const waysWith = (source: PartmanSource | null, idle: number): readonly Way[] => [
  [
    {
      name: 'nothing, the same application',
      moves: false,
      run: async () => {
        await delay(idle);
        return null;
      },
    },
  ],
  [
    {
      name: '`INSERT .. SELECT` into the finished partitioned table',
      moves: true,
      prepare: createFinished,
      run: (url) =>
        withClient(url, async (client) => {
          await client.query(`INSERT INTO platform.finished SELECT * FROM ${TABLE}`);
          return null;
        }),
    },
  ],
  [
    {
      name: '`convert --strategy copy --until copy`: rows, indexes, foreign keys',
      moves: true,
      run: convert({ strategy: 'copy', until: 'copy' }),
    },
    { name: 'the rest of it: comparison and switch', moves: false, run: convert({}) },
    {
      name: '`convert --undo` of it: comparison, switch back, removal',
      moves: false,
      run: convert({ undo: true }),
    },
  ],
  [
    { name: '`convert --strategy attach`', moves: false, run: convert({ strategy: 'attach' }) },
    {
      name: '`convert --strategy split` of its first partition',
      moves: true,
      run: convert({ strategy: 'split' }),
    },
  ],
  ...(source === null ? [] : [partman(source)]),
];
