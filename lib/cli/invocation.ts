import type { Temporal } from 'temporal-polyfill';
import type { ExitCode, ReportKind } from '../contract.ts';
import type { Strategy } from '../convert/marker.ts';
import type { Stage } from '../convert/unit.ts';
import type { Level } from '../serve/log.ts';

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
  /** `schema.name` of expired ones. */
  readonly partition?: readonly string[];
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

export interface ServeFlags extends Pick<CommonFlags, 'config' | 'databaseUrl'> {
  readonly listen: string;
  readonly logLevel: Level;
  readonly createSchedule?: string;
  readonly cleanupSchedule?: string;
  readonly healthSchedule?: string;
  readonly timeZone?: string;
  /** Seconds. */
  readonly maxWait?: number;
  /** Refused: the scheduler goes by the clock. */
  readonly now?: string;
}

export interface ReindexFlags extends CommonFlags {
  readonly index?: readonly string[];
  readonly partition?: readonly string[];
  readonly invalid?: boolean;
  readonly jobs?: number;
  readonly restart?: boolean;
  readonly dryRun?: boolean;
  readonly maxWait?: number;
}

export interface ExplainFlags extends CommonFlags {
  readonly top?: number;
  readonly searchPath?: string;
}

export interface InvokeFlags
  extends Pick<
    WorkFlags,
    'format' | 'table' | 'partition' | 'premake' | 'from' | 'to' | 'dryRun' | 'approve'
  > {
  readonly payload?: string;
  readonly function?: string;
  readonly stack: string;
  readonly region?: string;
  readonly profile?: string;
}

export interface SqlFlags extends Pick<CommonFlags, 'config' | 'table'> {
  readonly schema: string;
  readonly pgCron?: boolean;
  readonly uninstall?: boolean;
}
