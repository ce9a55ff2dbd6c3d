/**
 * Turns the first SIGINT or SIGTERM into an orderly stop: the step at hand is finished or rolled back, and the
 * report says what is left. A second one ends the process at once.
 */
export function stopSignal(): { readonly signal: AbortSignal; readonly dispose: () => void } {
  const controller = new AbortController();
  const dispose = () => {
    process.removeListener('SIGINT', stop);
    process.removeListener('SIGTERM', stop);
  };
  const stop = () => {
    dispose();
    process.stderr.write('Stopping after the step at hand; press Ctrl-C again to stop at once.\n');
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return { signal: controller.signal, dispose };
}
