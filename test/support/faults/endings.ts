import { expect } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import type { TestDatabase } from '../database.ts';
import { tableOf } from '../keeper.ts';
import { pidOf } from '../transactions.ts';
import { type OwnServer, untilRestarted } from './own-server.ts';

/** What ends the session of a run from outside, and what the report calls that. */
export interface Ending {
  readonly name: string;
  /** @param pid the process of the server that serves the run */
  readonly strike: (database: TestDatabase, pid: number) => Promise<unknown>;
  readonly codes: readonly string[];
}

/** @param server a server of one's own, once there is one */
export const endings = (server: () => OwnServer): readonly Ending[] => [
  {
    name: 'a restart of the server',
    strike: (database) => untilRestarted(database, server().restart),
    codes: ['57P01', 'connection-lost'],
  },
  {
    name: 'a crash of the server',
    strike: async (database) => {
      // One backend that is killed takes all others with it, as their memory may be damaged.
      const bystander = await pidOf(await database.connect());
      await untilRestarted(database, () => process.kill(bystander, 'SIGKILL'));
    },
    codes: ['57P02', 'connection-lost'],
  },
  {
    name: 'a crash of its own backend',
    strike: (database, pid) => untilRestarted(database, () => process.kill(pid, 'SIGKILL')),
    codes: ['connection-lost'],
  },
  {
    name: 'pg_terminate_backend',
    strike: (database, pid) => database.query('SELECT pg_terminate_backend($1)', [pid]),
    codes: ['57P01', 'connection-lost'],
  },
];

/** Nothing says ok, and every step that is not done says so. */
export function expectFailed(report: Report, codes: readonly string[]): void {
  const { status, error, steps } = tableOf(report);
  expect([report.ok, status]).toEqual([false, 'failed']);
  expect(codes).toContain(error?.code);
  expect(error?.hint).toMatch(/run the command again/i);
  expect(steps.map((step) => step.status)).toContain('failed');
}
