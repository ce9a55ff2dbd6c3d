import { EXIT, type ExitCode, type ReportError } from './contract.ts';

/** An error a person can act on: what happened, to what, why, and what to do. */
export class KeeperError extends Error {
  override readonly name = 'KeeperError';
  /** A SQLSTATE, or a stable word of ours. */
  readonly code: string;
  readonly hint: string;
  readonly exitCode: ExitCode;

  constructor(error: ReportError & { readonly exitCode?: ExitCode; readonly cause?: unknown }) {
    super(error.message, error.cause === undefined ? undefined : { cause: error.cause });
    this.code = error.code;
    this.hint = error.hint;
    this.exitCode = error.exitCode ?? EXIT.failed;
  }
}

/** A mistake in the config, a flag or a payload: nothing has been done. */
export const usageError = (code: string, message: string, hint: string, cause?: unknown): KeeperError =>
  new KeeperError({ code, message, hint, exitCode: EXIT.usage, cause });
