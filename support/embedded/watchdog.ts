import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';

/** Cleans up after a server when this process ends without having stopped it, whatever way it ends. */
export interface Watchdog {
  /** Names the process group to stop: that of the program started last. */
  readonly guard: (processGroup: number) => void;
  /** Ends the watchdog: there is nothing left to clean up. Resolves when its process is gone. */
  readonly dismiss: () => Promise<void>;
}

/**
 * Reads from a pipe whose other end this process holds: `guard` and `dismiss` are lines. The end of the file, which
 * the operating system brings about even when this process is killed, starts the cleaning up: fast shutdown, then
 * immediate shutdown, then the kill, each unless the server is gone within 5 s of the one before; then the folder.
 */
const script = `
group=
while read -r line; do
  case $line in
    dismiss) exit 0 ;;
    *) group=$line ;;
  esac
done
if [ -n "$group" ]; then
  for signal in INT QUIT KILL; do
    kill -s "$signal" -- "-$group" || break
    tries=0
    while [ -e "$1/data/postmaster.pid" ] && [ "$tries" -lt 100 ]; do
      tries=$((tries + 1))
      sleep 0.05
    done
  done
fi
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`;

/** For how long the end of this process waits for the watchdog, in milliseconds. The watchdog goes on after that. */
const exitPatience = 10_000;

/**
 * Starts the watchdog of a server whose files are all in `folder`, the database in `folder`/data. It has its own
 * session, out of reach of Ctrl-C and of a closed terminal, and it does not keep this process from ending.
 * Windows has no `sh`, so there a server that is not stopped stays.
 */
export async function startWatchdog(folder: string): Promise<Watchdog> {
  if (process.platform === 'win32') return { guard: () => {}, dismiss: async () => {} };
  const child = spawn('/bin/sh', ['-c', script, 'watchdog', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await once(child, 'spawn');
  const { stdin } = child;
  // Should the watchdog itself be killed, writing to it fails; the server is none the worse for it.
  stdin.on('error', () => {});
  child.unref();
  if (stdin instanceof Socket) stdin.unref();

  const cleanUpOnExit = (): void => {
    stdin.destroy();
    waitSync(() => !existsSync(folder), exitPatience);
  };
  process.once('exit', cleanUpOnExit);
  child.once('exit', () => process.off('exit', cleanUpOnExit));

  return {
    guard: (processGroup) => void stdin.write(`${processGroup}\n`),
    dismiss: async () => {
      child.ref();
      stdin.end('dismiss\n');
      await exited;
    },
  };
}

/** Blocks this process until the condition holds, for at most `patience` milliseconds: all that can be done on 'exit'. */
function waitSync(condition: () => boolean, patience: number): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const deadline = Date.now() + patience;
  while (!condition() && Date.now() < deadline) Atomics.wait(clock, 0, 0, 10);
}
