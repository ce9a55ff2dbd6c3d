import { usageError } from '../../errors.ts';
import { runReindex } from '../../reindex/reindex.ts';
import { finish, prepare } from '../commands.ts';
import { connectionOf } from '../connection.ts';
import type { Invocation, ReindexFlags } from '../invocation.ts';
import { watched } from '../watched.ts';

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
  const report = await watched(invocation, flags, (watch) =>
    runReindex({
      config,
      target,
      ...connectionOf(invocation, flags),
      ...watch,
      indexes: flags.index,
      partitions: flags.partition,
      invalid: flags.invalid,
      jobs: flags.jobs,
      restart: flags.restart,
      dryRun: invocation.dryRun,
    }),
  );
  finish(invocation, flags, report);
}
