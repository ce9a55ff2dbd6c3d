import type { Report } from '../contract.ts';
import { KeeperError } from '../errors.ts';
import { type JobOptions, selectTables } from '../jobs/options.ts';
import { reportOf, start } from '../jobs/run-context.ts';
import { CONNECTION_LOST, isConnectionLoss } from '../postgres/connect.ts';
import { openSession } from '../postgres/session.ts';
import { examine } from './examine.ts';
import { readFacts } from './inspect.ts';

export type DoctorJobOptions = Pick<JobOptions, 'config' | 'connection' | 'tables'>;

/**
 * Looks at what surrounds the tables: server, session, clocks, rights, who is in the way, who else manages them.
 * Read-only. Without tables in the config, the server alone is looked at.
 * @throws KeeperError when it cannot connect, or the server is too old
 */
export async function runDoctor(options: DoctorJobOptions): Promise<Report> {
  const { connection } = options;
  const tables = selectTables(options.config, options.tables);
  const run = await start('doctor', options, 'read');
  const { mode, rootCertificate } = connection.tls;
  try {
    const facts = await readFacts({
      session: run.session,
      localClock: run.context.localClock,
      tables,
      verified:
        mode === 'verify-full' ||
        mode === 'verify-ca' ||
        (mode === 'require' && rootCertificate !== undefined),
      open: () => openSession(connection, 'doctor', 'read'),
    });
    return { ...reportOf(run, true, []), checks: examine(facts) };
  } catch (error) {
    if (isConnectionLoss(run.session.client, error))
      throw new KeeperError({ ...CONNECTION_LOST, cause: error });
    throw error;
  } finally {
    await run.session.client.end();
  }
}
