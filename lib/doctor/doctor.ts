import { randomUUID } from 'node:crypto';
import { Temporal } from 'temporal-polyfill';
import type { Report } from '../contract.ts';
import { type JobOptions, selectTables } from '../jobs/options.ts';
import { reportOf, start } from '../jobs/run-context.ts';
import { untilDone } from '../postgres/session.ts';
import { sharedSessions } from './checks/session.ts';
import { examine } from './examine.ts';
import { readFacts } from './inspect.ts';
import { lookForPooler } from './pooler.ts';

export type DoctorJobOptions = Pick<JobOptions, 'config' | 'connection' | 'tables'>;

/** What can be said without touching anything. */
function sharedReport(database: string, serverVersion: string): Report {
  const now = Temporal.Now.instant().toString();
  return {
    version: 1,
    job: 'doctor',
    runId: randomUUID(),
    database,
    serverVersion,
    startedAt: now,
    now,
    durationMs: 0,
    dryRun: true,
    ok: true,
    tables: [],
    checks: [sharedSessions()],
  };
}

/**
 * Looks at what surrounds the tables: server, session, clocks, rights, who is in the way, who else manages them.
 * Read-only. Without tables in the config, the server alone is looked at.
 * @throws KeeperError when it cannot connect, or the server is too old
 */
export async function runDoctor(options: DoctorJobOptions): Promise<Report> {
  const { connection } = options;
  const tables = selectTables(options.config, options.tables);
  const pooler = await lookForPooler(connection);
  if (pooler.shared) return sharedReport(connection.database, pooler.serverVersion);
  const run = await start('doctor', options, 'read');
  const { mode, rootCertificate } = connection.tls;
  return await untilDone(run.session.client, async () => {
    const facts = await readFacts({
      session: run.session,
      localClock: run.context.localClock,
      configured: options.config.tables,
      tables,
      verified:
        mode === 'verify-full' ||
        mode === 'verify-ca' ||
        (mode === 'require' && rootCertificate !== undefined),
      pooled: pooler.pooled,
      nearby: /^(\/|localhost$|127\.|::1$)/.test(connection.host),
    });
    return { ...reportOf(run, true, []), checks: examine(facts) };
  });
}
