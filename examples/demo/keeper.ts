import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { DemoFailure } from './failure.ts';
import { prompt, say } from './narrate.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));

/** Lines alike that are shown all the same. */
const ENOUGH = 4;

/** Of many lines that say the same of one partition each, the first and the last ones are enough. */
function abridged(output: string): string {
  const beginning = (line: string): string => line.replace(/\d.*/, '');
  const runs: string[][] = [];
  for (const line of output.trimEnd().split('\n')) {
    const run = runs.at(-1);
    if (run?.[0] !== undefined && beginning(run[0]) === beginning(line)) run.push(line);
    else runs.push([line]);
  }
  return runs
    .flatMap((run) =>
      run.length <= ENOUGH
        ? run
        : [...run.slice(0, 2), `  ... ${run.length - 3} more like these ...`, ...run.slice(-1)],
    )
    .join('\n');
}

export interface KeeperOptions {
  readonly exitCode?: number;
  /** Leaves out most of many lines that are alike. */
  readonly abridge?: boolean;
}

/** Runs a command of Partition Keeper in the reader's terminal. */
export async function keeper(
  databaseUrl: string,
  command: string,
  { exitCode: expected = 0, abridge = false }: KeeperOptions = {},
): Promise<void> {
  prompt('$', `npx partition-keeper ${command}`);
  const child = spawn(process.execPath, ['bin/partition-keeper.ts', ...command.split(' ')], {
    cwd: repository,
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ['inherit', abridge ? 'pipe' : 'inherit', 'inherit'],
  });
  // Ctrl-C in a terminal reaches the command as well; a signal sent to this process alone has to be passed on.
  const pass = (signal: NodeJS.Signals): boolean => child.kill(signal);
  process.once('SIGTERM', pass).once('SIGHUP', pass);
  const [[exitCode, signal], output] = await Promise.all([
    once(child, 'exit'),
    child.stdout === null ? null : text(child.stdout),
  ]);
  process.off('SIGTERM', pass).off('SIGHUP', pass);
  if (output !== null) say(abridged(output));
  if (exitCode !== expected) {
    const end = exitCode === null ? `ended by ${signal}` : `ended with exit code ${exitCode}`;
    throw new DemoFailure(`partition-keeper ${command} ${end}; ${expected} was expected.`);
  }
}
