import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleFunctions } from '../lib/aws/code.ts';
import { CONFIG_FILE, ENVIRONMENT } from '../lib/contract.ts';
import config from '../partitions.config.ts';
import { startEmbeddedServer } from '../support/embedded-server.ts';
import { makeCertificates } from '../test/support/certificates.ts';
import { startFunction } from '../test/support/lambda/runtime-api.ts';
import { startSecrets } from '../test/support/lambda/secrets.ts';
import { cached } from './frame/cache.ts';
import { createShippedTables, serverVersion } from './frame/database.ts';
import type { Bench, BenchOptions, Cell, Figure, Findings } from './frame/model.ts';
import { memoryOf, mustRun } from './frame/program.ts';
import { figureOf, ratio } from './frame/stats.ts';
import { PRICES, priceOf, RUNS_PER_YEAR } from './lambda/price.ts';
import { type Size, sizeOfFile, sizeOfPackages } from './lambda/size.ts';
import { document } from './peers/document.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const HERE = fileURLToPath(new URL('lambda', import.meta.url));

/** AWS's own runtime client needs a compiler; its version, and the folder it is in. */
const RUNTIME_CLIENT = '4.0.2';

/** What the naive function loads. */
const NAIVE_PACKAGES = [
  '@aws-sdk/client-cloudwatch',
  '@aws-sdk/client-secrets-manager',
  '@aws-sdk/client-sns',
  'pg',
];

const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:bench';

/** What the stack gives the functions unless told otherwise, in GiB. */
const MEMORY = 0.25;

interface Subject {
  readonly name: string;
  readonly handler: string;
  readonly taskRoot: string;
  readonly size: Size;
}

interface Measured {
  readonly start: Figure;
  readonly cold: Figure;
  readonly warm: Figure;
  /** Start and first run, which is what is billed. */
  readonly billed: Figure;
  readonly memory: Figure | null;
}

/** Puts the runtime client of AWS in place where it can be had; what runs the functions, then. */
async function runtimeClient({ download, say }: BenchOptions): Promise<string> {
  try {
    const folder = await cached('aws-lambda-ric', download, (empty) =>
      mustRun('npm', ['install', '--prefix', empty, `aws-lambda-ric@${RUNTIME_CLIENT}`]),
    );
    process.env['LAMBDA_RIC'] = folder;
    return `aws-lambda-ric ${RUNTIME_CLIENT}`;
  } catch (error) {
    say(`The runtime client of AWS cannot be had: ${String(error).slice(0, 200)}`);
    return 'a stand-in for the runtime client of AWS';
  }
}

async function prepareSubjects(folder: string): Promise<Subject[]> {
  const [bundles, plain] = [join(folder, 'bundles'), join(folder, 'plain')];
  bundleFunctions(bundles);
  writeFileSync(join(bundles, CONFIG_FILE), JSON.stringify(config));
  mkdirSync(plain);
  for (const file of ['empty.cjs', 'naive.mjs']) copyFileSync(join(HERE, file), join(plain, file));
  symlinkSync(join(ROOT, 'node_modules'), join(plain, 'node_modules'));
  const ours = (name: string): Subject => ({
    name: `Partition Keeper, ${name}`,
    handler: `${name}.handler`,
    taskRoot: bundles,
    size: sizeOfFile(join(bundles, `${name}.cjs`)),
  });
  return [
    {
      name: 'an empty function',
      handler: 'empty.handler',
      taskRoot: plain,
      size: sizeOfFile(join(plain, 'empty.cjs')),
    },
    ours('create-partitions'),
    ours('cleanup-partitions'),
    ours('check-health'),
    {
      name: "the document's function, whole SDK clients, no bundle",
      handler: 'naive.handler',
      taskRoot: plain,
      size: await sizeOfPackages(NAIVE_PACKAGES, ROOT),
    },
  ];
}

/** One instance: its start, a first run and some more. */
async function measureOnce(
  { handler, taskRoot }: Subject,
  environment: Readonly<Record<string, string>>,
): Promise<{ start: number; cold: number; warm: number[]; memory: number | null }> {
  const began = performance.now();
  await using lambda = await startFunction({ handler, taskRoot, environment });
  const start = performance.now() - began;
  const run = async (): Promise<number> => {
    const { ok, milliseconds, payload } = await lambda.invoke({});
    if (!ok) throw new Error(`${handler}: ${JSON.stringify(payload).slice(0, 500)}`);
    return milliseconds;
  };
  const cold = await run();
  const warm = [await run(), await run(), await run()];
  return { start, cold, warm, memory: await memoryOf(lambda.pid, 'VmHWM') };
}

async function measureAll(
  subjects: readonly Subject[],
  environment: Readonly<Record<string, string>>,
  { runs, say }: BenchOptions,
): Promise<Map<string, Measured>> {
  const all = new Map(
    subjects.map(({ name }): [string, Awaited<ReturnType<typeof measureOnce>>[]] => [name, []]),
  );
  for (let run = 0; run <= runs; run++) {
    for (const subject of subjects) {
      const one = await measureOnce(subject, environment);
      // The first ones bring files into the cache of the system.
      if (run > 0) all.get(subject.name)?.push(one);
    }
    say(`${run} of ${runs} runs of ${subjects.length} functions`);
  }
  return new Map(
    [...all].map(([name, some]) => {
      const memory = some.flatMap((one) => (one.memory === null ? [] : [one.memory]));
      return [
        name,
        {
          start: figureOf(some.map(({ start }) => start)),
          cold: figureOf(some.map(({ cold }) => cold)),
          warm: figureOf(some.flatMap(({ warm }) => warm)),
          billed: figureOf(some.map(({ start, cold }) => start + cold)),
          memory: memory.length === 0 ? null : figureOf(memory),
        },
      ];
    }),
  );
}

function findingsOf(
  subjects: readonly Subject[],
  measured: ReadonlyMap<string, Measured>,
  versions: Findings['versions'],
): Findings {
  const empty = measured.get('an empty function');
  const rows = subjects.map(({ name, size }): Cell[] => {
    const one = measured.get(name);
    if (one === undefined) return [name];
    return [
      name,
      size.plain,
      size.packed,
      one.start,
      ratio(one.start, empty?.start ?? null),
      one.cold,
      one.warm,
      one.memory,
      priceOf(RUNS_PER_YEAR, one.billed.median, MEMORY),
    ];
  });
  return {
    versions,
    remarks: [
      'Each instance is a process of its own on this machine: its start (until it asks for its first event), a first run and three more, with the credentials from a stand-in for Secrets Manager and TLS to the database, which has the six tables with nothing to do. On Lambda a function of 256 MiB has a seventh of a core, so a start takes several times as long there; the ratios hold.',
      `Cost of a year: ${RUNS_PER_YEAR} cold runs (12 of create, 4 of cleanup, 365 of health) x start and first run x ${MEMORY} GB x ${PRICES.gigabyteSecond} USD, and ${PRICES.millionRequests} USD for a million requests, at list prices of ${PRICES.region} in ${PRICES.date}; each row as if all runs were of its kind. It is cents in any case: what a deployment costs are its alarms and metrics (\`docs/operations.md\`).`,
    ],
    tables: [
      {
        title: 'Functions',
        columns: [
          { title: 'function' },
          { title: 'code', unit: 'KiB' },
          { title: 'compressed', unit: 'KiB' },
          { title: 'start', unit: 'ms' },
          { title: 'beside empty', unit: 'times' },
          { title: 'first run', unit: 'ms' },
          { title: 'further run', unit: 'ms' },
          { title: 'memory', unit: 'MiB' },
          { title: 'a year of runs', unit: 'USD' },
        ],
        rows,
      },
    ],
    charts: [
      {
        kind: 'bars',
        name: 'start',
        title: 'Start of a function, until it asks for its first event',
        unit: 'ms',
        bars: subjects.map(({ name }) => ({
          label: name.replace(/^the document's.*/, 'without a bundle'),
          figure: measured.get(name)?.start ?? null,
        })),
      },
    ],
  };
}

export const lambda: Bench = {
  name: 'lambda',
  question: 'how large the functions are, how fast they start and run, and what they cost',
  run: async (options) => {
    const { ca, cert, key } = makeCertificates();
    const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-bench-'));
    const server = await startEmbeddedServer({ version: 17, ssl: { cert, key } });
    const { username, password } = new URL(server.url);
    using secrets = await startSecrets(SECRET, { username, password });
    try {
      writeFileSync(join(folder, 'ca.pem'), ca);
      await createShippedTables(server.url);
      // The document has nothing for quarters.
      const tables = config.tables
        .filter(({ interval }) => interval === 'month')
        .map(({ schema, table, partitionKey: key }) => ({ schema, table, key }));
      const { adopt } = await document.prepare(options);
      await adopt({ url: server.url, folder, tables, premake: 3, retention: 1 });
      const client = await runtimeClient(options);
      const subjects = await prepareSubjects(folder);
      const environment = {
        [ENVIRONMENT.secretArn]: SECRET,
        AWS_ENDPOINT_URL: secrets.url,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'none',
        AWS_SECRET_ACCESS_KEY: 'none',
        NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
        PGHOST: 'localhost',
        PGPORT: String(server.port),
        PGDATABASE: 'postgres',
        TABLES: JSON.stringify(tables),
      };
      const versions = { PostgreSQL: await serverVersion(server.url), 'runtime client': client };
      return findingsOf(subjects, await measureAll(subjects, environment, options), versions);
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  },
};
