import type { ReportError } from '../../contract.ts';
import { KeeperError } from '../../errors.ts';
import { codeOf, SQLSTATE } from '../sqlstate.ts';

/** Codes of errors after which nothing else on the server would fare better. */
export const HOPELESS: readonly string[] = [
  'connection-lost',
  'stopped',
  SQLSTATE.readOnly,
  SQLSTATE.diskFull,
  SQLSTATE.adminShutdown,
  SQLSTATE.crashShutdown,
];

const REFERENCED =
  'Rows of another table refer to rows of the default partition, so these cannot be moved: drop the foreign key, run the command again, and add the key again.';

const HINTS: Readonly<Record<string, string>> = {
  [SQLSTATE.insufficientPrivilege]:
    'The role must own the table or be a member of its owner, and the owner needs CREATE and USAGE on the schema; the README lists the exact GRANTs.',
  [SQLSTATE.lockNotAvailable]:
    'Another session holds a lock on it (see pg_locks and pg_stat_activity); run the command again when that is over.',
  [SQLSTATE.dependentObjects]:
    'A view or another object depends on it; drop or redefine that first. Nothing is ever dropped with CASCADE.',
  [SQLSTATE.datatypeMismatch]:
    'If a column was added while a detach was pending, some versions of PostgreSQL cannot finish it: save what is wanted of the partition, then DROP TABLE it.',
  [SQLSTATE.duplicateTable]: 'Somebody else created it meanwhile; run the command again.',
  [SQLSTATE.undefinedTable]: 'Somebody else dropped or renamed it meanwhile; run the command again.',
  [SQLSTATE.changedSincePlan]: 'Somebody else changed it meanwhile; run the command again to plan anew.',
  [SQLSTATE.restrictViolation]: REFERENCED,
  [SQLSTATE.foreignKeyViolation]: REFERENCED,
  [SQLSTATE.checkViolation]:
    'Rows of the default partition fall into the new partition; run the command again: they are moved.',
  [SQLSTATE.outOfMemory]:
    'Raise max_locks_per_transaction, or run the command again when fewer locks are held.',
  [SQLSTATE.diskFull]: 'Make room on the disk of the server, then run the command again.',
  [SQLSTATE.cancelled]:
    'The statement took longer than is safe while others wait, or was cancelled; run the command again in a quieter moment.',
  [SQLSTATE.readOnly]:
    'The server takes no writes: connect to the primary, or unset default_transaction_read_only, and run the command again.',
  [SQLSTATE.adminShutdown]: 'The connection was ended by an administrator; run the command again.',
  [SQLSTATE.crashShutdown]:
    'The server has crashed and recovers; run the command again when it accepts connections.',
};

/** What an abort signal throws: on a stop, and when its time is up. */
const STOPPED: ReadonlySet<string> = new Set(['AbortError', 'TimeoutError']);

/**
 * Any error as the report tells it.
 * @param missingGrant the statement that gives a privilege which is known to be missing
 */
export function explain(error: unknown, missingGrant?: string): ReportError {
  if (error instanceof KeeperError) return { code: error.code, message: error.message, hint: error.hint };
  if (error instanceof Error && STOPPED.has(error.name)) {
    return {
      code: 'stopped',
      message: 'The run was stopped, or its time was up, before this was done.',
      hint: 'Run the command again: it continues with what is left.',
    };
  }
  const code = codeOf(error) ?? 'internal';
  const message = error instanceof Error ? error.message : String(error);
  const detail =
    typeof error === 'object' && error !== null && 'detail' in error && typeof error.detail === 'string'
      ? ` ${error.detail}`
      : '';
  return {
    code,
    message: `${message}${detail}`,
    hint:
      (code === SQLSTATE.insufficientPrivilege ? missingGrant : undefined) ??
      HINTS[code] ??
      'The code is a SQLSTATE; the log of the server may say more. Run the command again when the cause is gone.',
  };
}
