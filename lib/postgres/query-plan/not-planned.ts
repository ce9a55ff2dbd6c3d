import { KeeperError, usageError } from '../../errors.ts';
import { codeOf, SQLSTATE } from '../sqlstate.ts';

const HINTS: Readonly<Record<string, string>> = {
  [SQLSTATE.undefinedTable]:
    'Write schema.table, or give the schemas that the application uses: --search-path app,public',
  [SQLSTATE.insufficientPrivilege]:
    'Planning a query takes the same rights as running it: GRANT SELECT ON .. to the role, or connect as the role of the application.',
  [SQLSTATE.lockNotAvailable]: 'Somebody holds a conflicting lock on a table of the query; try again.',
  [SQLSTATE.outOfMemory]:
    'Planning locks every partition it cannot exclude: raise max_locks_per_transaction.',
  [SQLSTATE.cancelled]: 'Planning took longer than 30 seconds, or was cancelled.',
};

/** `42601` and its like: the statement itself is wrong, and so is a name in it. */
const isMistake = (code: string | undefined): boolean => code?.startsWith('42') === true;

/** Where the server has stopped reading. */
function near(error: unknown, query: string): string {
  if (typeof error !== 'object' || error === null || !('position' in error)) return '';
  // The server counts from the beginning of what was put before the query.
  const rest = Number(error.position) - 1;
  for (const prefix of ['PREPARE partition_keeper_explained AS ', 'EXPLAIN (FORMAT JSON, VERBOSE) ']) {
    const at = rest - prefix.length;
    if (at >= 0 && at < query.length) return ` At: ${query.slice(at, at + 30).replace(/\s+/g, ' ')}`;
  }
  return '';
}

/** Why the server does not plan the query. */
export function notPlanned(error: unknown, query: string): KeeperError {
  const code = codeOf(error) ?? 'internal';
  const message = error instanceof Error ? error.message : String(error);
  const told = {
    code,
    message: `The server does not plan the query: ${message}.${near(error, query)}`,
    hint:
      HINTS[code] ??
      'Correct the query; it has to be one that the server could run as it is, with $1, $2 for parameters.',
    cause: error,
  };
  return code === SQLSTATE.insufficientPrivilege || !isMistake(code)
    ? new KeeperError(told)
    : usageError(told.code, told.message, told.hint, error);
}
