import { Presets, SingleBar } from 'cli-progress';
import type { Blocker } from '../contract.ts';
import type { ProgressEvent, StepEvent, WaitEvent } from '../jobs/options.ts';
import { withoutControls } from '../partition/legible.ts';
import type { Format } from './invocation.ts';
import { secondsText } from './render/text.ts';

export interface Progress {
  readonly onStep: (event: StepEvent) => void;
  readonly onWait: (event: WaitEvent) => void;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly stop: () => void;
}

const SILENT: Progress = {
  onStep: () => undefined,
  onWait: () => undefined,
  onProgress: () => undefined,
  stop: () => undefined,
};

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

/** Records of a long step, so many that a log does not drown in them. */
const BETWEEN_RECORDS_MS = 10_000;

/** The rate of a long step, and the time it will yet take, from its beginning. */
function rates() {
  let began: {
    readonly at: number;
    readonly finished: number;
    readonly rows: number;
    readonly kind: string;
  } | null = null;
  return ({ kind, phase, finished, total, rows }: ProgressEvent): string => {
    if (phase !== undefined)
      return ` ${phase}${total > 0 ? ` ${Math.floor((finished / total) * 100)} %` : ''}`;
    const now = performance.now();
    if (began?.kind !== kind) began = { at: now, finished, rows: rows ?? 0, kind };
    const seconds = (now - began.at) / 1000;
    const done = finished - began.finished;
    if (seconds < 1 || done <= 0) return ` ${kind}`;
    const rate =
      rows === null ? '' : `, ${Math.round((rows - began.rows) / seconds).toLocaleString('en-US')} rows/s`;
    return ` ${kind} ${Math.floor((finished / Math.max(1, total)) * 100)} %${rate}, ${secondsText(((total - finished) / done) * seconds * 1000)} left`;
  };
}

/** A bar on a terminal, log records beside JSON output, silence elsewhere; always on stderr. */
export function progressOf(format: Format): Progress {
  if (format === 'json') {
    let said = Number.NEGATIVE_INFINITY;
    return {
      ...SILENT,
      onStep: (event) => process.stderr.write(`${logRecord(event)}\n`),
      onProgress: (event) => {
        if (performance.now() - said < BETWEEN_RECORDS_MS) return;
        said = performance.now();
        const record = { time: new Date().toISOString(), level: 'info', event: 'progress', ...event };
        process.stderr.write(`${JSON.stringify(record)}\n`);
      },
    };
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
  const rate = rates();
  let started = false;
  let steps = { finished: 0, total: 1 };
  const show = (finished: number, total: number, partition: string, wait: string): void => {
    const texts = { partition: withoutControls(partition), wait: withoutControls(wait) };
    if (!started) bar.start(total, 0, texts);
    started = true;
    steps = { finished, total };
    bar.setTotal(total);
    bar.update(finished, texts);
  };
  return {
    onStep: ({ step, finished, total }) => show(finished, total, step.partition, ''),
    onWait: ({ partition, waitingFor, finished, total }) =>
      show(finished, total, partition, waitText(waitingFor)),
    onProgress: (event) => show(steps.finished, steps.total, event.partition, rate(event)),
    stop: () => bar.stop(),
  };
}
