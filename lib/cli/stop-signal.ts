import { constants } from 'node:os';

const onTerminal = (): void => {
  process.stderr.write('Stopping after the step at hand; press Ctrl-C again to stop at once.\n');
};

/**
 * Turns the first SIGINT or SIGTERM into an orderly stop: the step at hand is finished or rolled back, and the
 * report says what is left. A second one ends the process at once.
 * @param tell says so
 */
export function stopSignal(tell: (signal: NodeJS.Signals) => void = onTerminal): {
  readonly signal: AbortSignal;
  readonly dispose: () => void;
} {
  const controller = new AbortController();
  const dispose = () => {
    process.removeListener('SIGINT', stop);
    process.removeListener('SIGTERM', stop);
  };
  const stop = (signal: NodeJS.Signals) => {
    dispose();
    // The first process of a container is not ended by a signal that nobody handles.
    if (process.pid === 1) {
      for (const name of ['SIGINT', 'SIGTERM'] as const)
        process.once(name, () => process.exit(128 + constants.signals[name]));
    }
    tell(signal);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return { signal: controller.signal, dispose };
}
