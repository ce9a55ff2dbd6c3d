import type { Temporal } from 'temporal-polyfill';
import type { ExitCode, ReportKind } from '../contract.ts';
import type { Strategy } from '../convert/marker.ts';
import type { Stage } from '../convert/unit.ts';

export type Format = 'pretty' | 'json' | 'sql';

/** One call of the command line: what surrounds it, and what comes of it. */
export interface Invocation {
  job: ReportKind;
  exitCode: ExitCode;
  /** Whether it is one that changes nothing, whatever comes of it. */
  dryRun: boolean;
  format: Format;
  readonly env: NodeJS.ProcessEnv;
  readonly folder: string;
}

/** The flags every command takes. */
export interface CommonFlags {
  readonly config?: string;
  readonly databaseUrl?: string;
  readonly table?: readonly string[];
  readonly format: Format;
  readonly now?: Temporal.Instant;
}

export interface WorkFlags extends CommonFlags {
  readonly dryRun?: boolean;
  readonly premake?: number;
  readonly from?: Temporal.Instant;
  readonly to?: Temporal.Instant;
  readonly approve?: boolean;
  readonly maxWait?: number;
}

export interface LookFlags extends CommonFlags {
  readonly exactSizes?: boolean;
}

export interface ConvertFlags extends CommonFlags {
  readonly strategy?: Strategy;
  readonly until?: Stage;
  readonly plan?: boolean;
  readonly status?: boolean;
  readonly undo?: boolean;
  readonly finish?: boolean;
  /** Rows a second. */
  readonly maxRate?: number;
  /** Seconds. */
  readonly maxReplicaLag?: number;
  readonly approve?: boolean;
  readonly maxWait?: number;
}

export interface SqlFlags extends Pick<CommonFlags, 'config' | 'table'> {
  readonly schema: string;
  readonly pgCron?: boolean;
  readonly uninstall?: boolean;
}
