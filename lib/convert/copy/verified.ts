import type { ReportError } from '../../contract.ts';
import { displayName } from '../../partition/identifiers.ts';
import type { StatementContext } from '../../postgres/statements/common.ts';
import type { LegacyTable } from '../model.ts';
import type { CopyState } from './state.ts';

/** Whether both tables were found equal, as they are. */
export const foundEqual = (copy: CopyState | null): boolean => {
  const verified = copy?.log?.progress?.verified;
  return verified?.differences === 0 && verified.shape === copy?.shape;
};

/** Whether this run has found them equal: what somebody has done to the copy since an earlier one would not show. */
export const isVerified = (copy: CopyState | null, { runId }: StatementContext): boolean =>
  foundEqual(copy) && copy?.log?.progress?.verified?.runId === runId;

/** Rows that differ once are taken over anew; if they still differ, something changes them on the way. */
export function verificationFailed(copy: CopyState | null, context: StatementContext): ReportError | null {
  const verified = copy?.log?.progress?.verified;
  if (copy === null || verified === undefined || verified.differences === 0) return null;
  if (verified.runId !== context.runId || verified.round < 2) return null;
  const name = displayName(copy.other.schema, copy.other.name);
  return {
    code: 'verification-failed',
    message: `${verified.differences} rows of ${name} differ, though they have been taken over anew: ${verified.examples.join(', ')}.`,
    hint: `Find out what changes them (a trigger, a default or a rule of ${name}), mend it, and repeat the command; or give the copy up with --undo. Nothing has been switched.`,
  };
}

/** Rows that the other table cannot take, though it has all the partitions it can be given. */
export function noRoom(copy: CopyState | null, table: LegacyTable): ReportError | null {
  if (copy?.log?.outside !== true) return null;
  const other = displayName(copy.other.schema, copy.other.name);
  return {
    code: 'no-partition',
    message: `${displayName(table.schema, table.name)} has rows for which ${other} has no partition.`,
    hint: `Create the partition of ${other} that they need, or correct their ${table.keyColumn}, and repeat the command. Nothing has been switched.`,
  };
}
