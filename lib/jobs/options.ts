import type { Temporal } from 'temporal-polyfill';
import type { Config } from '../config/config.ts';
import type { Blocker, ReportStep, StepKind } from '../contract.ts';
import { usageError } from '../errors.ts';
import { displayName } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import type { Progress } from '../postgres/apply/apply.ts';
import type { ConnectionSettings } from '../postgres/connection-options.ts';

/** A step that begins. */
export interface BeginEvent {
  readonly schema: string;
  readonly table: string;
  readonly kind: StepKind;
  /** `schema.name`. */
  readonly partition: string;
}

/** A step that has just been done or has failed, for progress displays and logs. */
export interface StepEvent {
  readonly schema: string;
  readonly table: string;
  readonly step: ReportStep;
  /** Steps dealt with so far, this one included, and steps planned in all. */
  readonly finished: number;
  readonly total: number;
}

/** A step waits for locks that others hold. */
export interface WaitEvent {
  readonly schema: string;
  readonly table: string;
  /** `schema.name` of the partition the step is about. */
  readonly partition: string;
  readonly waitingFor: readonly Blocker[];
  readonly finished: number;
  readonly total: number;
}

/** How far one long step is. */
export interface ProgressEvent extends Progress {
  readonly schema: string;
  readonly table: string;
  readonly kind: StepKind;
  readonly partition: string;
  /** What the server is at, in its words, where it says so. */
  readonly phase?: string;
}

/** What every job takes. */
export interface JobOptions {
  readonly config: Config;
  readonly connection: ConnectionSettings;
  /** `schema.table` of the configured tables to work on; absent: all. */
  readonly tables?: readonly string[] | undefined;
  /** Instead of the server's clock; only where nothing is removed. */
  readonly now?: Temporal.Instant | undefined;
  /** How long one step may wait for locks, in milliseconds. Default: one minute. */
  readonly maxWaitMs?: number | undefined;
  /** Ends the run in good order: no further step is begun. */
  readonly signal?: AbortSignal | undefined;
  readonly onBegin?: ((event: BeginEvent) => void) | undefined;
  readonly onStep?: ((event: StepEvent) => void) | undefined;
  /** Told again and again while a step waits. */
  readonly onWait?: ((event: WaitEvent) => void) | undefined;
}

export interface CreateJobOptions extends JobOptions {
  readonly dryRun?: boolean | undefined;
  /** Overrides the configured premake. */
  readonly premake?: number | undefined;
  /** The first instant to cover, instead of the oldest partition. */
  readonly from?: Temporal.Instant | undefined;
  /** The end of what to cover, instead of the look-ahead. */
  readonly to?: Temporal.Instant | undefined;
  /** Goes on where a guard would refuse. */
  readonly approve?: boolean | undefined;
}

export interface CleanupJobOptions extends JobOptions {
  readonly dryRun?: boolean | undefined;
  /** `schema.name` of the expired partitions to remove; absent: all. */
  readonly partitions?: readonly string[] | undefined;
  readonly approve?: boolean | undefined;
}

export interface InspectJobOptions extends JobOptions {
  /** Ask the file system for sizes instead of the statistics. */
  readonly exactSizes?: boolean | undefined;
}

export const DEFAULT_MAX_WAIT_MS = 60_000;

/**
 * The configured tables the run is about.
 * @throws KeeperError when a name asked for is not in the config
 */
export function selectTables(config: Config, names: readonly string[] | undefined): readonly TableConfig[] {
  if (names === undefined || names.length === 0) return config.tables;
  const spelled = ({ schema, table }: TableConfig) => [`${schema}.${table}`, displayName(schema, table)];
  const unknown = names.filter((name) => !config.tables.some((table) => spelled(table).includes(name)));
  if (unknown.length > 0) {
    throw usageError(
      'table-unknown',
      `${unknown.join(', ')} is not in the config.`,
      `Known are ${config.tables.map(({ schema, table }) => displayName(schema, table)).join(', ')}.`,
    );
  }
  return config.tables.filter((table) => names.some((name) => spelled(table).includes(name)));
}
