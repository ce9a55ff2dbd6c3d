import { performance } from 'node:perf_hooks';
import { startEmbeddedServer } from '../support/embedded-server.ts';
import { inCopy, serverVersion, withClient } from './frame/database.ts';
import type { Bench, BenchOptions, Cell, Figure, Findings, LineChart } from './frame/model.ts';
import { figureOf, ratio } from './frame/stats.ts';
import { oursByCommand } from './peers/ours.ts';
import { type Peer, preparePeers, type Task, versionsOf } from './peers/peer.ts';
import { PEERS } from './peers/peers.ts';
import { limit } from './scale/limit.ts';
import { type Observed, observe } from './scale/observe.ts';
import { createWorld, nameOf, type Size, taskOf } from './scale/world.ts';

const SIZES: readonly Size[] = [
  { tables: 6, partitions: 12 },
  { tables: 6, partitions: 100 },
  { tables: 100, partitions: 100 },
  { tables: 300, partitions: 100 },
];

const LIMIT = 'bare: one catalog query, then the DDL';

const JOBS = ['nothing to do', 'create', 'cleanup'] as const;
type Job = (typeof JOBS)[number];

/** What was measured of a peer on a size: figures in milliseconds, or why there are none. */
interface Measured {
  readonly size: Size;
  readonly name: string;
  readonly times: Readonly<Record<Job, Figure>> | null;
  readonly observed: Observed | null;
  readonly failure: string;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Once more until it has been done often enough, or has taken long enough together, in milliseconds. */
const ENOUGH = 30_000;

async function several(
  runs: number,
  work: () => Promise<unknown>,
  before: () => Promise<void>,
): Promise<number[]> {
  const times: number[] = [];
  let together = 0;
  while (times.length < runs && together < ENOUGH) {
    await before();
    const time = await timed(work);
    times.push(time);
    together += time;
  }
  return times;
}

/** Runs without work, then such that create one partition of each table, then such that remove one of each. */
async function measurePeer(
  peer: Peer,
  size: Size,
  runs: number,
  where: { readonly serverUrl: string; readonly url: string; readonly folder: string },
): Promise<Pick<Measured, 'times' | 'observed'>> {
  let task = taskOf(size, where.url, where.folder);
  const change = async (changes: Partial<Task>): Promise<void> => {
    task = { ...task, ...changes };
    await peer.adopt(task);
  };
  await change({});
  await peer.create(task);
  const create = () => peer.create(task);
  const idle = await several(runs, create, async () => {});
  const created = await several(runs, create, () => change({ premake: task.premake + 1 }));
  await change({ premake: task.premake + 1 });
  const observed = await observe(where.serverUrl, where.url, create);
  const removed = await several(
    runs,
    () => peer.cleanup(task),
    () => change({ retention: task.retention - 1 }),
  );
  await expectPartitions(where.url, size.partitions + created.length + 1 - removed.length);
  return {
    times: { 'nothing to do': figureOf(idle), create: figureOf(created), cleanup: figureOf(removed) },
    observed,
  };
}

/** So many in each table; a peer that rounds months may have made one more. */
async function expectPartitions(url: string, wanted: number): Promise<void> {
  const { rows } = await withClient(url, (client) =>
    client.query<{ least: number; most: number }>(
      `SELECT min(count)::int AS least, max(count)::int AS most
       FROM (SELECT count(*) FROM pg_inherits i JOIN pg_partitioned_table p ON p.partrelid = i.inhparent GROUP BY inhparent) AS counts`,
    ),
  );
  const { least = 0, most = 0 } = rows[0] ?? {};
  if (least < wanted || most > wanted + 1)
    throw new Error(`tables have ${least} to ${most} partitions instead of ${wanted}`);
}

function rowOf(one: Measured, measured: readonly Measured[]): Cell[] {
  const bare = measured.find(({ size, name }) => size === one.size && name === LIMIT)?.times;
  const times = JOBS.flatMap((job): Cell[] => {
    const figure = one.times?.[job] ?? null;
    return [figure, ratio(figure, bare?.[job] ?? null)];
  });
  const { statements, nested, locks, backendMiB, processMiB } = one.observed ?? {};
  return [
    nameOf(one.size),
    one.failure === '' ? one.name : `${one.name}: ${one.failure}`,
    ...times,
    statements ?? null,
    nested ?? null,
    locks ?? null,
    backendMiB ?? null,
    processMiB ?? null,
  ];
}

const chartOf = (job: Job, name: string, measured: readonly Measured[]): LineChart => ({
  kind: 'lines',
  name,
  title:
    job === 'nothing to do'
      ? 'A run that finds nothing to do'
      : `A run to ${job} one partition of each table`,
  unit: 'ms',
  xTitle: 'partitions in all',
  lines: [...new Set(measured.map((one) => one.name))].map((label) => ({
    label: label.replace(/ \(.*\)|, mended|: one.*/, ''),
    points: measured.flatMap((one): [number, number][] =>
      one.name === label && one.times !== null
        ? [[one.size.tables * one.size.partitions, one.times[job].median]]
        : [],
    ),
  })),
});

async function measure(options: BenchOptions, serverUrl: string): Promise<Findings> {
  const prepared = await preparePeers([...PEERS, oursByCommand], options);
  const subjects = [{ name: LIMIT, peer: limit }, ...prepared.filter((one) => 'peer' in one)];
  const largest = Math.max(...SIZES.map(({ tables }) => tables));
  const sizes = options.toy
    ? [{ tables: 2, partitions: 4 + options.runs }]
    : SIZES.filter(({ tables }) => tables <= Math.max(6, largest * options.scale));
  const measured: Measured[] = [];
  for (const [place, size] of sizes.entries()) {
    options.say(`Making ${nameOf(size)} partitions`);
    const template = `world_${place}`;
    await createWorld(serverUrl, template, size);
    for (const { name, peer } of subjects) {
      const one = await inCopy(serverUrl, template, (url, folder) =>
        measurePeer(peer, size, options.runs, { serverUrl, url, folder }),
      ).then(
        (found) => ({ ...found, failure: '' }),
        (error: unknown) => ({
          times: null,
          observed: null,
          failure: String(error).replace(/\s+/g, ' ').slice(-160),
        }),
      );
      options.say(
        `${nameOf(size)}, ${name}: ${JOBS.map((job) => `${job} ${Math.round(one.times?.[job].median ?? 0)} ms`).join(', ')} ${one.failure}`,
      );
      measured.push({ size, name, ...one });
    }
    await withClient(serverUrl, (admin) => admin.query(`DROP DATABASE ${template}`));
  }
  const missing = prepared.flatMap((one): Cell[][] =>
    'missing' in one ? [['', `${one.name}: not measured: ${one.missing}`]] : [],
  );
  return {
    versions: { PostgreSQL: await serverVersion(serverUrl), ...versionsOf(prepared) },
    remarks: [
      'Tables with a primary key and no foreign key, all partitions empty. First nothing is to be done; then each run creates one partition of every table; then each removes one of every table. Where runs of a kind take more than half a minute together, there are fewer of them. The last five columns are of one more run that creates, which was watched: statements sent by the client, statements that ran (those inside of functions included), locks held at the same time, private memory of the server process, memory of the process that ran.',
    ],
    tables: [
      {
        title: 'Runs of maintenance, by tables x partitions',
        columns: [
          { title: 'size' },
          { title: 'what is run' },
          ...JOBS.flatMap((job) => [
            { title: job, unit: 'ms' as const },
            { title: 'beside bare', unit: 'times' as const },
          ]),
          { title: 'statements sent', unit: 'count' },
          { title: 'statements run', unit: 'count' },
          { title: 'locks at once', unit: 'count' },
          { title: 'server process', unit: 'MiB' },
          { title: 'own process', unit: 'MiB' },
        ],
        rows: [...measured.map((one) => rowOf(one, measured)), ...missing],
      },
    ],
    charts: [
      chartOf('nothing to do', 'idle', measured),
      chartOf('create', 'create', measured),
      chartOf('cleanup', 'cleanup', measured),
    ],
  };
}

export const scale: Bench = {
  name: 'scale',
  question: 'how long runs take with many tables and partitions, and what else they take',
  run: async (options) => {
    const server = await startEmbeddedServer({
      version: 17,
      settings: {
        shared_preload_libraries: 'pg_stat_statements',
        'pg_stat_statements.track': 'none',
        shared_buffers: '512MB',
      },
    });
    try {
      return await measure(options, server.url);
    } finally {
      await server.stop();
    }
  },
};
