import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startEmbeddedServer } from '../support/embedded-server.ts';
import { HELD, type Outcome, play } from '../test/support/stall.ts';
import { partitionName, type TimedStatement, transactionWriter } from '../test/support/traffic.ts';
import { serverVersion } from './frame/database.ts';
import type { Bench, BenchOptions, Cell, Chart, Figure, Findings, Table } from './frame/model.ts';
import { figureOf, percentile, ratio, withOmitted } from './frame/stats.ts';
import { type Prepared, preparePeers, type Task, versionsOf } from './peers/peer.ts';
import { PEERS } from './peers/peers.ts';

/** Who waits, by the names of the clients. */
const GROUPS: readonly (readonly [title: string, clients: readonly string[]])[] = [
  ['writers of the table', ['log writer', 'transaction writer']],
  ['writers of the referenced table', ['user writer', 'transaction writer']],
  ['readers', ['reader']],
];

/** A client of the application begins a statement so often while nobody is in its way, in milliseconds. */
const USUAL_INTERVAL = 5;

const OPERATIONS = [
  // At least: pg_partman rounds the months ahead.
  { name: 'create', premake: 3, done: (partitions: readonly string[]) => partitions.length >= 7 },
  {
    name: 'cleanup',
    // As many as there are, so that those that do both at once have nothing to create.
    premake: 1,
    done: (partitions: readonly string[]) =>
      partitions.length === 3 && !partitions.includes(partitionName(-3)),
  },
] as const;
type Operation = (typeof OPERATIONS)[number];

/** How it ended: null where all was done. */
type Ending = string | null;

const NOTHING = 'nothing, the same traffic';

const longestOf = (statements: readonly TimedStatement[], clients?: readonly string[]): number =>
  statements
    .filter(({ client }) => clients === undefined || clients.includes(client))
    .reduce((longest, { milliseconds }) => Math.max(longest, milliseconds), 0);

/** Plays one operation of one peer once; of nobody, only the traffic goes on for as long. */
async function playOnce(
  one: Prepared | null,
  operation: Operation,
  where: { readonly serverUrl: string; readonly held: number },
): Promise<Outcome<Ending> & { readonly took: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-bench-'));
  const task = (url: string): Task => ({
    url,
    folder,
    tables: [{ schema: 'platform', table: 'audit_logs', key: 'created_at' }],
    premake: operation.premake,
    retention: 1,
  });
  let took = 0;
  const run = async (url: string): Promise<Ending> => {
    if (one === null || !('peer' in one)) {
      await delay(where.held);
      return null;
    }
    const began = performance.now();
    try {
      await one.peer[operation.name](task(url));
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      took = performance.now() - began;
    }
  };
  try {
    const outcome = await play<Ending>(
      {
        name: operation.name,
        prepare: async (_, url) => {
          if (one !== null && 'peer' in one) await one.peer.adopt(task(url));
        },
        run,
      },
      { defaultPartition: false, foreignKeys: true, leastPrivilege: false, serverUrl: where.serverUrl },
      {
        held: where.held,
        clients: (database) => ({ 'transaction writer': transactionWriter(database, 0, 0) }),
      },
    );
    return { ...outcome, took };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What was measured of one peer and one operation. */
interface Measured {
  readonly name: string;
  readonly groups: readonly Figure[];
  readonly all: Figure;
  readonly most: Figure;
  readonly ending: string;
  readonly failed: Figure;
}

function judge(
  name: string,
  operation: Operation,
  outcomes: readonly Awaited<ReturnType<typeof playOnce>>[],
): Measured {
  const complete = outcomes.filter(({ report, partitions }) => report === null && operation.done(partitions));
  const seconds = figureOf(outcomes.map(({ took }) => took / 1000)).median.toFixed(1);
  return {
    name,
    groups: GROUPS.map(([, clients]) =>
      figureOf(outcomes.map(({ statements }) => longestOf(statements, clients))),
    ),
    most: figureOf(outcomes.map(({ statements }) => longestOf(statements))),
    all: figureOf(
      outcomes.map(({ statements }) =>
        percentile(
          withOmitted(
            statements.map(({ milliseconds }) => milliseconds),
            USUAL_INTERVAL,
          ),
          0.999,
        ),
      ),
    ),
    failed: figureOf(outcomes.map(({ failures }) => failures.length)),
    ending:
      name === NOTHING
        ? ''
        : complete.length === outcomes.length
          ? `done in ${seconds} s`
          : `failed in ${outcomes.length - complete.length} of ${outcomes.length} runs, after ${seconds} s`,
  };
}

function tableOf(operation: Operation, measured: readonly Measured[], prepared: readonly Prepared[]): Table {
  const nothing = measured.find(({ name }) => name === NOTHING)?.most ?? null;
  const missing = prepared.flatMap((one): Cell[][] =>
    'missing' in one ? [[one.name, null, null, null, null, null, null, `not measured: ${one.missing}`]] : [],
  );
  return {
    title: `Longest wait of the application during ${operation.name}`,
    columns: [
      { title: 'what is run' },
      ...GROUPS.map(([title]) => ({ title, unit: 'ms' as const })),
      { title: '99.9th percentile of all', unit: 'ms' },
      { title: 'longest beside nothing', unit: 'times' },
      { title: 'statements of the application that failed', unit: 'count' },
      { title: 'how it ended' },
    ],
    rows: [
      ...measured.map(({ name, groups, all, most, failed, ending }): Cell[] => [
        name,
        ...groups,
        all,
        ratio(most, nothing),
        failed,
        ending,
      ]),
      ...missing,
    ],
  };
}

const chartOf = (
  operation: Operation,
  measured: readonly Measured[],
  prepared: readonly Prepared[],
): Chart => ({
  kind: 'bars',
  name: operation.name,
  title: `Longest wait of the application during ${operation.name}, one transaction open for long`,
  unit: 'ms',
  bars: [
    ...measured.map(({ name, most }) => ({ label: name, figure: most })),
    ...prepared.flatMap((one) => ('missing' in one ? [{ label: one.name, figure: null }] : [])),
  ],
});

async function measure(options: BenchOptions, serverUrl: string): Promise<Findings> {
  const prepared = await preparePeers(PEERS, options);
  const subjects = [null, ...prepared.filter((one) => 'peer' in one)];
  const held = options.toy ? 300 : HELD;
  const [tables, charts]: [Table[], Chart[]] = [[], []];
  for (const operation of OPERATIONS) {
    const outcomes = subjects.map((): Awaited<ReturnType<typeof playOnce>>[] => []);
    for (let run = 0; run < options.runs; run++) {
      for (const [place, one] of subjects.entries()) {
        const outcome = await playOnce(one, operation, { serverUrl, held });
        outcomes[place]?.push(outcome);
        const name = one?.name ?? NOTHING;
        options.say(
          `${operation.name}, ${name}: ${Math.round(longestOf(outcome.statements))} ms${outcome.report === null ? '' : `; ${outcome.report.slice(0, 300)}`}`,
        );
      }
    }
    const measured = subjects.map((one, place) =>
      judge(one?.name ?? NOTHING, operation, outcomes[place] ?? []),
    );
    tables.push(tableOf(operation, measured, prepared));
    charts.push(chartOf(operation, measured, prepared));
  }
  return {
    versions: { PostgreSQL: await serverVersion(serverUrl), ...versionsOf(prepared) },
    remarks: [
      `The strategy document's \`platform.audit_logs\` with five monthly partitions and its foreign keys to \`auth.users\`. Four clients write and read all the while, each every ${USUAL_INTERVAL} ms or so: one inserts log rows, one updates users, one reads both, one updates a user and logs it in one transaction. Another transaction has done the same and stays open for ${held / 1000} s; meanwhile two partitions are created, or two are removed.`,
      'The percentile counts what an application would have started while it had to wait. Rows of the same run follow one another on one server.',
    ],
    tables,
    charts,
  };
}

export const stall: Bench = {
  name: 'stall',
  question: 'how long the application waits while partitions are created and removed',
  run: async (options) => {
    const server = await startEmbeddedServer({ version: 17 });
    try {
      return await measure(options, server.url);
    } finally {
      await server.stop();
    }
  },
};
