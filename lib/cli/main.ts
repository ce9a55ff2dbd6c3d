import { CommanderError } from 'commander';
import { EXIT, type ExitCode } from '../contract.ts';
import { KeeperError } from '../errors.ts';
import { explain } from '../postgres/apply/explain.ts';
import type { Invocation } from './invocation.ts';
import { buildProgram } from './program.ts';
import { renderFailure, writeFailedReport } from './render/failure.ts';

/** `postgresql://user:password@host/..`, also behind `--database-url=`. */
const PASSWORD_IN_URL = /:\/\/[^@/]*:[^@/]+@/;

/**
 * The command line.
 * @param args without node and script
 * @returns the exit code; never throws
 */
export async function main(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<ExitCode> {
  const invocation: Invocation = {
    job: 'validate',
    exitCode: EXIT.ok,
    dryRun: true,
    format: args.some((arg) => arg === 'json' || arg === '--format=json') ? 'json' : 'pretty',
    env,
    folder,
  };
  // Whoever lists processes sees their arguments; what has been read of them can be taken away.
  if (args.some((arg) => PASSWORD_IN_URL.test(arg))) process.title = 'partition-keeper';
  // Whoever reads our output may have seen enough, as `| head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  try {
    await buildProgram(invocation).parseAsync([...args], { from: 'user' });
    return invocation.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      // It has told people already.
      writeFailedReport(invocation, {
        code: 'usage',
        message: error.message.replace(/^error: /, ''),
        hint: 'Add --help for the options.',
      });
      return EXIT.usage;
    }
    renderFailure(invocation, explain(error));
    return error instanceof KeeperError ? error.exitCode : EXIT.failed;
  }
}
