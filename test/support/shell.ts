import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

/** The words of a command line, as a shell splits it, which has these variables. */
export function shellWords(line: string, variables: Readonly<Record<string, string>> = {}): string[] {
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', `printf '%s\\n' ${line}`], {
    encoding: 'utf8',
    // An input that is a socket would make it read the user's own settings.
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...variables },
  });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').slice(0, -1);
}
