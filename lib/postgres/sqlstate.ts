/** SQLSTATE codes this project decides by. Messages are never matched: they are translated and change. */
export const SQLSTATE = {
  protocolViolation: '08P01',
  /** From PostgreSQL 18 on for ON DELETE RESTRICT; before, that was a violation of the foreign key too. */
  restrictViolation: '23001',
  foreignKeyViolation: '23503',
  checkViolation: '23514',
  readOnly: '25006',
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  dependentObjects: '2BP01',
  invalidCatalog: '3D000',
  deadlock: '40P01',
  insufficientPrivilege: '42501',
  syntaxError: '42601',
  datatypeMismatch: '42804',
  /** A parameter whose type nothing tells. */
  indeterminateType: '42P18',
  duplicateTable: '42P07',
  undefinedColumn: '42703',
  undefinedTable: '42P01',
  outOfMemory: '53200',
  diskFull: '53100',
  tooManyConnections: '53300',
  /** What a library would have to be loaded for at the start of the server. */
  prerequisiteMissing: '55000',
  lockNotAvailable: '55P03',
  cancelled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  /** Raised by our own checks when the catalog is no longer as planned. */
  changedSincePlan: 'PKCHG',
} as const;

/** The SQLSTATE, or Node's code, of anything thrown; undefined when it has none. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const RETRYABLE: ReadonlySet<string> = new Set([SQLSTATE.lockNotAvailable, SQLSTATE.deadlock]);

/** Whether the statement failed only because a lock could not be had in time: nothing is wrong, try again. */
export const isLockFailure = (error: unknown): boolean => RETRYABLE.has(codeOf(error) ?? '');
