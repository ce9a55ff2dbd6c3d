import { Presets, SingleBar } from 'cli-progress';
import type { StepEvent } from '../jobs/options.ts';
import type { Format } from './invocation.ts';

export interface Progress {
  readonly onStep: (event: StepEvent) => void;
  readonly stop: () => void;
}

/** One JSON record for every step that was done or failed, for whoever keeps logs. */
function logRecord({ schema, table, step }: StepEvent): string {
  return JSON.stringify({
    time: new Date().toISOString(),
    level: step.status === 'done' ? 'info' : 'error',
    event: 'step',
    schema,
    table,
    ...step,
  });
}

/** A bar on a terminal, log records beside JSON output, silence elsewhere; always on stderr. */
export function progressOf(format: Format): Progress {
  if (format === 'json') {
    return { onStep: (event) => process.stderr.write(`${logRecord(event)}\n`), stop: () => undefined };
  }
  if (format === 'sql' || process.stderr.isTTY !== true)
    return { onStep: () => undefined, stop: () => undefined };
  const bar = new SingleBar(
    {
      format: '{bar} {value}/{total} {partition}',
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  let started = false;
  return {
    onStep: ({ step, finished, total }) => {
      if (!started) bar.start(total, 0, { partition: '' });
      started = true;
      bar.update(finished, { partition: step.partition });
    },
    stop: () => bar.stop(),
  };
}
