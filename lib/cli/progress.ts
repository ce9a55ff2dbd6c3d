import { Presets, SingleBar } from 'cli-progress';
import type { Blocker } from '../contract.ts';
import type { StepEvent, WaitEvent } from '../jobs/options.ts';
import type { Format } from './invocation.ts';

export interface Progress {
  readonly onStep: (event: StepEvent) => void;
  readonly onWait: (event: WaitEvent) => void;
  readonly stop: () => void;
}

const SILENT: Progress = { onStep: () => undefined, onWait: () => undefined, stop: () => undefined };

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

/** Who is in the way, as short as a line allows. */
function waitText([first, ...others]: readonly Blocker[]): string {
  if (first === undefined) return '';
  const who = first.application ?? first.user ?? 'unknown';
  const age = first.ageSeconds === null ? '' : `, for ${Math.round(first.ageSeconds)} s`;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return ` waits for pid ${first.pid} (${who}${age})${more}`;
}

/** A bar on a terminal, log records beside JSON output, silence elsewhere; always on stderr. */
export function progressOf(format: Format): Progress {
  if (format === 'json') {
    return { ...SILENT, onStep: (event) => process.stderr.write(`${logRecord(event)}\n`) };
  }
  if (format === 'sql' || process.stderr.isTTY !== true) return SILENT;
  const bar = new SingleBar(
    {
      format: '{bar} {value}/{total} {partition}{wait}',
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  );
  let started = false;
  const show = (finished: number, total: number, partition: string, wait: string): void => {
    if (!started) bar.start(total, 0, { partition, wait });
    started = true;
    bar.update(finished, { partition, wait });
  };
  return {
    onStep: ({ step, finished, total }) => show(finished, total, step.partition, ''),
    onWait: ({ partition, waitingFor, finished, total }) =>
      show(finished, total, partition, waitText(waitingFor)),
    stop: () => bar.stop(),
  };
}
