import { type SpawnSyncOptions, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const CHOSEN = 'PRISMA_SCHEMA_ENGINE_BINARY';

/** The engine of `prisma migrate`: Prisma's own program, or the same engine in WebAssembly; a path for the latter. */
interface Engine {
  readonly name: string;
  readonly path?: string;
}

/**
 * `npm ci` downloads the engine from binaries.prisma.sh when it may run the install script of `@prisma/engines`.
 * Where it may not, or that host cannot be reached, schema-engine.ts takes its place; not on Windows, which cannot
 * start a script as a program.
 */
export function engine(): Engine {
  if (process.env[CHOSEN]) return { name: `the engine in ${CHOSEN}` };
  // Another package brings this one, so npm may have put it where only that package finds it.
  const engines = createRequire(require.resolve('prisma/package.json')).resolve(
    '@prisma/engines/package.json',
  );
  const installed = readdirSync(dirname(engines)).some((file) => /^schema-engine-/.test(file));
  return installed || process.platform === 'win32'
    ? { name: "Prisma's own engine" }
    : {
        name: "Prisma's engine in WebAssembly",
        path: fileURLToPath(new URL('schema-engine.ts', import.meta.url)),
      };
}

export interface Outcome {
  readonly status: number;
  /** What Prisma has printed, stdout and stderr. */
  readonly output: string;
}

function run(args: readonly string[], options: SpawnSyncOptions): SpawnSyncReturns<string> {
  const { path } = engine();
  const cli = join(dirname(require.resolve('prisma/package.json')), 'build', 'index.js');
  const ended = spawnSync(process.execPath, [cli, ...args], {
    ...options,
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    encoding: 'utf8',
    env: {
      ...process.env,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      ...(path === undefined ? {} : { [CHOSEN]: path }),
    },
  });
  if (ended.error !== undefined) throw ended.error;
  return ended;
}

/** Runs `prisma` with the arguments in the folder of the project; should it ask a question, nobody answers. */
export function prisma(...args: readonly string[]): Outcome {
  const { status, stdout, stderr } = run(args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
  return { status: status ?? 1, output: `${stdout}${stderr}` };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = run(process.argv.slice(2), { stdio: 'inherit' }).status ?? 1;
