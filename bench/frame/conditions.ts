import { arch, cpus, platform, totalmem } from 'node:os';
import type { Conditions } from './model.ts';

/** What can be told of this machine and this run. */
export function conditionsOf(
  command: string,
  versions: Conditions['versions'],
  beside: string | null,
): Conditions {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${memory} GiB, ${platform()} ${arch()}`,
    versions: { 'Node.js': process.versions.node, ...versions },
    command,
    beside,
  };
}
