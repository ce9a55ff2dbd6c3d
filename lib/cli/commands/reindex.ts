import { usageError } from '../../errors.ts';
import { runReindex } from '../../reindex/reindex.ts';
import { finish, prepare } from '../commands.ts';
import { connectionOf } from '../connection.ts';
import type { Invocation, ReindexFlags } from '../invocation.ts';
import { progressOf } from '../progress.ts';
import { stopSignal } from '../stop-signal.ts';

export async function reindex(invocation: Invocation, target: string, flags: ReindexFlags): Promise<void> {
  invocation.dryRun = flags.dryRun === true;
  if (flags.table !== undefined)
    throw usageError(
      'table-twice',
      'reindex takes one table or index, as its argument.',
      'Leave --table out.',
    );
  if (flags.format === 'sql' && flags.dryRun !== true)
    throw usageError('format-sql', '--format sql shows a plan as a script.', 'Add --dry-run.');
  const { config } = await prepare(invocation, 'reindex', flags);
  const progress = progressOf(invocation.format);
  const stop = stopSignal();
  try {
    const report = await runReindex({
      config,
      target,
      ...connectionOf(invocation, flags),
      indexes: flags.index,
      partitions: flags.partition,
      invalid: flags.invalid,
      jobs: flags.jobs,
      restart: flags.restart,
      dryRun: invocation.dryRun,
      maxWaitMs: flags.maxWait === undefined ? undefined : flags.maxWait * 1000,
      signal: stop.signal,
      onStep: progress.onStep,
      onWait: progress.onWait,
      onProgress: progress.onProgress,
    });
    progress.stop();
    finish(invocation, flags, report);
  } finally {
    progress.stop();
    stop.dispose();
  }
}
