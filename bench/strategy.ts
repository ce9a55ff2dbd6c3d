import { startEmbeddedServer } from '../support/embedded-server.ts';
import { ACTIVITY_LOGS, AUDIT_LOGS, createUsers, type Log } from './data/logs.ts';
import { connect, serverVersion } from './frame/database.ts';
import type { Bench, BenchOptions, Cell, Figure, Findings } from './frame/model.ts';
import { figureOf, ratio } from './frame/stats.ts';
import { OPERATIONS, type Operation } from './strategy/operations.ts';
import { createShapes, type Shape } from './strategy/world.ts';

/** Of the document's sizes, what an ordinary machine makes in minutes. */
const SHARE = 0.1;

const DAYS_OF_A_MONTH = 365 / 12;

type Figures = Readonly<Partial<Record<Shape, Figure>>>;

async function measureOperation(
  operation: Operation,
  log: Log,
  runs: number,
  where: { readonly client: Awaited<ReturnType<typeof connect>>; readonly url: string },
): Promise<Figures> {
  const measured = new Map<Shape, number[]>(operation.shapes.map((shape) => [shape, []]));
  for (let turn = 0; turn < runs; turn++) {
    for (const shape of operation.shapes)
      measured.get(shape)?.push(await operation.run({ ...where, log, shape, turn }));
  }
  return Object.fromEntries([...measured].map(([shape, values]) => [shape, figureOf(values)]));
}

/** How much faster, as the document says it: 90 % faster takes a tenth of the time. */
function improvement(before: Figure | undefined, after: Figure | undefined): string {
  const left = ratio(after ?? null, before ?? null);
  if (left === null) return '';
  return left > 1
    ? `${left.toFixed(1)} times as much`
    : `${((1 - left) * 100).toFixed(left < 0.01 ? 1 : 0)} %`;
}

async function measure(options: BenchOptions, url: string): Promise<Findings> {
  const client = await connect(url);
  try {
    await createUsers(client);
    const rows: Cell[][] = [];
    const sizes: string[] = [];
    for (const log of [AUDIT_LOGS, ACTIVITY_LOGS]) {
      const usual = log.rowsPerDay * log.months * DAYS_OF_A_MONTH * SHARE;
      const count = options.toy ? 2_000 : Math.round(usual * options.scale);
      options.say(`Making ${count} rows of ${log.table}, three times`);
      await createShapes(client, url, log, count);
      sizes.push(`${count.toLocaleString('en-US')} rows of ${log.table} in ${log.months} months`);
      for (const operation of OPERATIONS) {
        options.say(`${log.table}: ${operation.title}`);
        const { plain, indexed, partitioned } = await measureOperation(operation, log, options.runs, {
          client,
          url,
        });
        rows.push([
          log.table,
          operation.unit === undefined ? `${operation.title}, ms` : operation.title,
          plain ?? null,
          indexed ?? null,
          partitioned ?? null,
          improvement(plain, partitioned),
          indexed === undefined ? '' : improvement(indexed, partitioned),
          operation.claim,
        ]);
      }
    }
    return {
      versions: { PostgreSQL: await serverVersion(url) },
      remarks: [
        `${sizes.join(', ')}: ${Number((SHARE * options.scale).toPrecision(2))} of what the document expects after its retention (10,000 a day for 7 years, 50,000 a day for 2 years). All of it fits into memory, and nothing waits for a disk; with more data than memory, what looks at many blocks loses more.`,
        'Before: one table with the indexes of the document. For `audit_logs` these have none on the time alone, so a second table has one more, on `created_at`, to tell what is won by partitions and what an index would win. After: the partitioned table. A retention run deletes a month and vacuums, or is `cleanup` with everything it checks.',
      ],
      tables: [
        {
          title: 'The operations the document speaks of',
          columns: [
            { title: 'table' },
            { title: 'operation' },
            { title: 'before', unit: 'count' },
            { title: 'before, with an index on the time', unit: 'count' },
            { title: 'after', unit: 'count' },
            { title: 'improvement' },
            { title: 'beside the index' },
            { title: "the document's claim" },
          ],
          rows,
        },
      ],
      charts: [AUDIT_LOGS, ACTIVITY_LOGS].map(({ table }) => ({
        kind: 'bars' as const,
        name: table,
        title: `${table}: before and after`,
        unit: 'ms' as const,
        bars: rows
          .filter(([name, operation]) => name === table && String(operation).endsWith(', ms'))
          .flatMap(([, operation, ...cells]) => {
            const short = String(operation).split(/[:(,]/)[0]?.trim();
            return (['before', 'with an index', 'after'] as const).flatMap((label, place) => {
              const figure = cells[place];
              return typeof figure === 'object' && figure !== null
                ? [{ label: `${short}, ${label}`, figure }]
                : [];
            });
          }),
      })),
    };
  } finally {
    await client.end();
  }
}

export const strategy: Bench = {
  name: 'strategy',
  question: "what partitioning brings for the strategy document's tables, beside what it claims",
  run: async (options) => {
    const server = await startEmbeddedServer({
      version: 17,
      settings: {
        shared_buffers: '1GB',
        maintenance_work_mem: '256MB',
        max_wal_size: '16GB',
        autovacuum: 'off',
      },
    });
    try {
      return await measure(options, server.url);
    } finally {
      await server.stop();
    }
  },
};
