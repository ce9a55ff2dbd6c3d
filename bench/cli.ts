import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import config from '../partitions.config.ts';
import { PACKAGED_VERSIONS } from '../support/debian-packages.ts';
import { startEmbeddedServer } from '../support/embedded-server.ts';
import { createShippedTables, serverVersion } from './frame/database.ts';
import { debianFolder } from './frame/debian.ts';
import type { Bench, BenchOptions, Cell } from './frame/model.ts';
import { entryPoint } from './frame/package.ts';
import { mustRun, runProgram } from './frame/program.ts';
import { inTurns, type Subject } from './frame/rounds.ts';
import { figureOf, ratio } from './frame/stats.ts';

/** The psql of this machine, else Debian's; null where there is neither. */
async function findPsql({ download }: BenchOptions): Promise<string | null> {
  if ((await runProgram('psql', ['--version']).catch(() => null))?.code === 0) return 'psql';
  const packagesFor = (major: number) => [`postgresql-client-${major}`, 'libpq5'];
  const folder = await debianFolder('psql', download, packagesFor).catch(() => null);
  if (folder === null) return null;
  const programs = PACKAGED_VERSIONS.map((major) =>
    join(folder, 'usr', 'lib', 'postgresql', `${major}`, 'bin', 'psql'),
  );
  return programs.find((program) => existsSync(program)) ?? null;
}

const SELECT_1 = `const { default: { Client } } = await import(${JSON.stringify(import.meta.resolve('pg'))});
const client = new Client(process.env.DATABASE_URL);
await client.connect(); await client.query('select 1'); await client.end();`;

async function measure(options: BenchOptions, folder: string, url: string) {
  const entry = await entryPoint(options);
  const psql = await findPsql(options);
  const configFile = join(folder, 'partitions.config.json');
  writeFileSync(configFile, JSON.stringify(config));

  const command = (label: string, program: string, ...args: readonly string[]): Subject => ({
    label,
    measure: async () =>
      (await mustRun(program, args, { cwd: folder, env: { DATABASE_URL: url } })).milliseconds,
  });
  const keeper = (name: string, ...args: readonly string[]): Subject =>
    command(`partition-keeper ${name}`, process.execPath, entry, ...args);
  const floor = command('node -e 0', process.execPath, '-e', '0');
  const query = command('node: connect, select 1', process.execPath, '--input-type=module', '-e', SELECT_1);
  const subjects = [
    floor,
    query,
    ...(psql === null ? [] : [command("psql -c 'select 1'", psql, url, '-c', 'select 1')]),
    keeper('--version', '--version'),
    keeper('validate, config only', 'validate'),
    keeper('plan, six tables', 'plan', '--database-url', url),
    keeper('health, six tables', 'health', '--database-url', url),
  ];
  const times = await inTurns(subjects, options.toy ? 1 : options.runs * 4);
  const figures = new Map([...times].map(([label, values]) => [label, figureOf(values)]));
  const figure = (label: string) => figures.get(label) ?? null;
  const rows: Cell[][] = subjects.map(({ label }) => [
    label,
    figure(label),
    ratio(figure(label), figure(floor.label)),
    /plan|health/.test(label) ? ratio(figure(label), figure(query.label)) : null,
  ]);
  if (psql === null)
    rows.push(["psql -c 'select 1'", 'no psql here, and none to be had from Debian', null, null]);
  return {
    versions: { PostgreSQL: await serverVersion(url) },
    remarks: [
      'Each command is a process of its own, from its start to its end; the commands take turns. The database is on the same machine, with the six example tables, whose partitions are complete.',
    ],
    tables: [
      {
        title: 'Command line',
        columns: [
          { title: 'command' },
          { title: 'time', unit: 'ms' as const },
          { title: 'beside `node -e 0`', unit: 'times' as const },
          { title: 'beside one query by node', unit: 'times' as const },
        ],
        rows,
      },
    ],
    charts: [
      {
        kind: 'bars' as const,
        name: 'time',
        title: 'Time of a command',
        unit: 'ms' as const,
        bars: subjects.map(({ label }) => ({ label, figure: figure(label) })),
      },
    ],
  };
}

export const cli: Bench = {
  name: 'cli',
  question: 'how long commands take, beside a bare start of Node.js and psql',
  run: async (options) => {
    const server = await startEmbeddedServer();
    const folder = mkdtempSync(join(tmpdir(), 'partition-keeper-bench-'));
    try {
      await createShippedTables(server.url);
      return await measure(options, folder, server.url);
    } finally {
      rmSync(folder, { recursive: true });
      await server.stop();
    }
  },
};
