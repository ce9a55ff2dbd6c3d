import type { Report } from '../contract.ts';
import type { JobOptions } from '../jobs/options.ts';
import type { Invocation } from './invocation.ts';
import { type Progress, progressOf } from './progress.ts';
import { stopSignal } from './stop-signal.ts';

type Watch = Omit<Progress, 'stop'> & Pick<JobOptions, 'signal' | 'maxWaitMs'>;

/**
 * Has something done that may take long: its progress is shown, and SIGINT or SIGTERM stops it in good order.
 * @param maxWait how long one step may wait for locks, in seconds; absent: as long as the job allows by itself
 */
export async function watched(
  invocation: Invocation,
  { maxWait }: { readonly maxWait?: number },
  run: (watch: Watch) => Promise<Report>,
): Promise<Report> {
  const { stop: hide, ...told } = progressOf(invocation.format);
  const { signal, dispose } = stopSignal();
  try {
    return await run({ ...told, signal, maxWaitMs: maxWait === undefined ? undefined : maxWait * 1000 });
  } finally {
    hide();
    dispose();
  }
}
