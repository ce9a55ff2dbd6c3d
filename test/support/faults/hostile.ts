import { inject } from 'vitest';
import type { TestDatabase } from '../database.ts';
import { waitUntil } from '../wait.ts';

/** What somebody may have set for the database, each of it in the way of a run if it held. */
const HOSTILE: Readonly<Record<string, string>> = {
  statement_timeout: '1s',
  lock_timeout: '1s',
  idle_in_transaction_session_timeout: '1s',
  idle_session_timeout: '1s',
  ...(inject('serverVersion') >= 17 ? { transaction_timeout: '1s' } : {}),
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  session_replication_role: 'replica',
  search_path: 'app, gate, pg_temp',
  row_security: 'on',
  TimeZone: 'Asia/Kathmandu',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  quote_all_identifiers: 'on',
  'plpgsql.variable_conflict': 'error',
  check_function_bodies: 'off',
};

/** For the sessions that begin from now on. */
export async function setHostile(database: TestDatabase): Promise<void> {
  for (const [name, value] of Object.entries(HOSTILE)) {
    await database.query(
      `ALTER DATABASE ${database.name} SET ${name} = ${name === 'search_path' ? value : `'${value}'`}`,
    );
  }
}

export async function resetHostile(database: TestDatabase): Promise<void> {
  for (const name of Object.keys(HOSTILE))
    await database.query(`ALTER DATABASE ${database.name} RESET ${name}`);
}

/** Waits until the statement of a session has taken longer than those settings allow. */
export const untilLate = (database: TestDatabase, pid: number): Promise<void> =>
  waitUntil(
    async () => {
      const [row] = await database.query<{ late: boolean }>(
        "SELECT clock_timestamp() - query_start > interval '1.5 s' AS late FROM pg_stat_activity WHERE pid = $1",
        [pid],
      );
      return row === undefined || row.late;
    },
    { what: 'the statement has taken longer than the settings allow' },
  );
