import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchOptions } from './model.ts';
import { mustRun } from './program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One build is enough for all benchmarks of a run. */
let built: Promise<unknown> | undefined;

/** The command line as the package has it, or from the sources, which need no build. */
export async function entryPoint({ toy, say }: BenchOptions): Promise<string> {
  if (toy) return join(ROOT, 'bin', 'partition-keeper.ts');
  if (built === undefined) say('Building the package');
  built ??= mustRun('npm', ['run', 'build'], { cwd: ROOT });
  await built;
  return join(ROOT, 'dist', 'bin', 'partition-keeper.js');
}
