import { loadConfig } from '../../config/load.ts';
import { schedulesOf } from '../../config/schedules.ts';
import { EXIT } from '../../contract.ts';
import { usageError } from '../../errors.ts';
import { explain } from '../../postgres/apply/explain.ts';
import { parseAddress } from '../../serve/address.ts';
import { jsonLog, type Log } from '../../serve/log.ts';
import { serve as run } from '../../serve/serve.ts';
import { connectionOf } from '../connection.ts';
import type { Invocation, ServeFlags } from '../invocation.ts';
import { stopSignal } from '../stop-signal.ts';

/** What nobody has caught: a promise is forgotten after it was told of; anything else may have left a mess behind. */
function watchOverProcess(log: Log): () => void {
  const facts = (error: unknown) => ({
    error: explain(error),
    ...(error instanceof Error ? { stack: error.stack } : {}),
  });
  const onRejection = (error: unknown): void => log('error', 'unhandled rejection', facts(error));
  const onException = (error: unknown): void => {
    log('error', 'uncaught exception', facts(error));
    process.exit(EXIT.failed);
  };
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onException);
  return () => {
    process.removeListener('unhandledRejection', onRejection);
    process.removeListener('uncaughtException', onException);
  };
}

/** Runs until it is told to stop; a mistake in the call or the config ends it before it has begun. */
export async function serve(invocation: Invocation, flags: ServeFlags): Promise<void> {
  if (flags.now !== undefined) {
    throw usageError(
      'now-in-serve',
      'serve runs by the clock and takes no other time.',
      'Leave --now out. To see what would be done at another time: npx partition-keeper plan --now <instant>',
    );
  }
  const config = await loadConfig(flags.config, invocation.folder);
  const { createSchedule: create, cleanupSchedule: cleanup, healthSchedule: health, timeZone } = flags;
  const options = {
    config,
    ...connectionOf(invocation, flags),
    schedules: schedulesOf({ create, cleanup, health, timeZone }, config),
    listen: parseAddress(flags.listen),
    maxWaitMs: flags.maxWait === undefined ? undefined : flags.maxWait * 1000,
  };
  // When nobody reads the log any more, the jobs are needed as before.
  process.stdout.removeAllListeners('error').on('error', () => undefined);
  const log = jsonLog(flags.logLevel, (line) => process.stdout.write(line));
  const unwatch = watchOverProcess(log);
  const stop = stopSignal((signal) => log('info', 'stopping', { signal }));
  try {
    await run({ ...options, log, signal: stop.signal });
  } finally {
    stop.dispose();
    unwatch();
  }
}
