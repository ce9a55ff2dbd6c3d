import { performance } from 'node:perf_hooks';
import { startEmbeddedServer } from '../support/embedded-server.ts';
import { type Seen, startApplication } from './conversion/application.ts';
import { type Stage, TABLE, type Way, waysWith } from './conversion/ways.ts';
import { AUDIT_LOGS, createIndexes, createUsers, fillLog } from './data/logs.ts';
import { databaseUrl, inCopy, serverVersion, withClient } from './frame/database.ts';
import type { Bench, BenchOptions, Cell, Figure, Findings } from './frame/model.ts';
import { figureOf, ratio } from './frame/stats.ts';
import { partmanSource } from './peers/pg-partman.ts';

/** How many rows there are at scale 1, and in how many months. */
const ROWS = 300_000;
const MONTHS = 36;

/** How long the application is watched where nothing is done, in milliseconds. */
const IDLE = 3_000;

const TEMPLATE = 'audit';

interface Once extends Seen {
  readonly seconds: number;
  readonly held: number | null;
}

async function createSource(serverUrl: string, rows: number, months: number): Promise<void> {
  await withClient(serverUrl, (admin) => admin.query(`CREATE DATABASE ${TEMPLATE}`));
  await withClient(databaseUrl(serverUrl, TEMPLATE), async (client) => {
    await createUsers(client);
    await client.query(`CREATE TABLE ${TABLE} (${AUDIT_LOGS.columns(true)}, PRIMARY KEY (id))`);
    await fillLog(client, { ...AUDIT_LOGS, months }, rows);
    await createIndexes(client, 'audit_logs', AUDIT_LOGS.indexes);
    await client.query(`VACUUM (ANALYZE) ${TABLE}`);
  });
}

async function goThrough({ prepare, run }: Stage, url: string): Promise<Once> {
  await prepare?.(url);
  const application = await startApplication(url, TABLE);
  const began = performance.now();
  try {
    const held = await run(url);
    const seconds = (performance.now() - began) / 1000;
    return { seconds, held, ...(await application.stop()) };
  } catch (error) {
    await application.stop();
    throw error;
  }
}

/** What the stages of all ways took, by their names. */
async function measureWays(
  ways: readonly Way[],
  serverUrl: string,
  { runs, say }: BenchOptions,
): Promise<Map<string, Once[]>> {
  const measured = new Map<string, Once[]>();
  for (let run = 0; run < runs; run++) {
    for (const way of ways) {
      await inCopy(serverUrl, TEMPLATE, async (url) => {
        for (const stage of way) {
          const once = await goThrough(stage, url);
          say(
            `${stage.name}: ${once.seconds.toFixed(1)} s, longest statement ${Math.round(once.longest)} ms`,
          );
          measured.set(stage.name, [...(measured.get(stage.name) ?? []), once]);
        }
      });
    }
  }
  return measured;
}

const figure = (some: readonly Once[], of: (one: Once) => number | null): Figure | null => {
  const values = some.flatMap((one) => of(one) ?? []);
  return values.length === 0 ? null : figureOf(values);
};

async function measure(options: BenchOptions, serverUrl: string): Promise<Findings> {
  const [rows, months] = options.toy ? [500, 2] : [Math.round(ROWS * options.scale), MONTHS];
  const source = await partmanSource(options).catch((error: unknown) => {
    options.say(`pg_partman does not take part: ${error}`);
    return null;
  });
  options.say(`Making ${rows} rows`);
  await createSource(serverUrl, rows, months);
  const size = await withClient(databaseUrl(serverUrl, TEMPLATE), async (client) => {
    const { rows: found } = await client.query<{ size: string }>(
      `SELECT pg_size_pretty(pg_total_relation_size('${TABLE}')) AS size`,
    );
    return found[0]?.size ?? '';
  });
  const ways = waysWith(source, options.toy ? 100 : IDLE);
  const measured = await measureWays(ways, serverUrl, options);
  const stages = ways.flat();
  const of = (name: string): readonly Once[] => measured.get(name) ?? [];
  const rateOf = ({ name, moves }: Stage): Figure | null =>
    moves ? figure(of(name), ({ seconds }) => rows / seconds) : null;
  const plain = stages.find(({ name }) => name.startsWith('`INSERT'));
  const plainRate = plain === undefined ? null : rateOf(plain);
  const failed = (name: string): number => of(name).reduce((sum, one) => sum + one.failed, 0);
  const statements = (name: string): number => of(name).reduce((sum, one) => sum + one.statements, 0);
  return {
    versions: {
      PostgreSQL: await serverVersion(serverUrl),
      ...(source === null ? {} : { pg_partman: source.version }),
    },
    remarks: [
      `${rows.toLocaleString('en-US')} rows of the document's audit log, ${size} with 5 indexes, ${months} months, 4 foreign keys. An application inserts, reads and updates users all the while. The switch is the moment in which the tables change places: how long its locks were held.`,
      ...(source === null ? ['pg_partman could not be had.'] : []),
      'pgslice is not measured: it fills by ranges of numeric or ULID keys, and this table has random UUIDs.',
    ],
    tables: [
      {
        title: 'Conversion of a table that is in use',
        columns: [
          { title: 'what' },
          { title: 'time', unit: 's' },
          { title: 'rows moved', unit: 'rows/s' },
          { title: 'beside INSERT', unit: 'times' },
          { title: 'locks of the switch', unit: 'ms' },
          { title: 'longest statement of the application', unit: 'ms' },
          { title: 'statements that failed' },
        ],
        rows: stages.map((stage): Cell[] => [
          stage.name,
          figure(of(stage.name), ({ seconds }) => seconds),
          rateOf(stage),
          ratio(rateOf(stage), plainRate),
          figure(of(stage.name), ({ held }) => held),
          figure(of(stage.name), ({ longest }) => longest),
          `${failed(stage.name)} of ${statements(stage.name).toLocaleString('en-US')}`,
        ]),
      },
    ],
    charts: [
      {
        kind: 'bars',
        name: 'rate',
        title: 'Rows moved in a second',
        unit: 'rows/s',
        bars: stages.flatMap((stage) => {
          const rate = rateOf(stage);
          return rate === null
            ? []
            : [{ label: stage.name.replaceAll('`', '').split(/[:,]| of its| into/)[0] ?? '', figure: rate }];
        }),
      },
    ],
  };
}

export const conversion: Bench = {
  name: 'conversion',
  question: 'how fast a table is converted, and how long the application has to wait for it',
  run: async (options) => {
    const server = await startEmbeddedServer({
      version: 17,
      settings: { shared_buffers: '1GB', maintenance_work_mem: '256MB', max_wal_size: '16GB' },
    });
    try {
      return await measure(options, server.url);
    } finally {
      await server.stop();
    }
  },
};
