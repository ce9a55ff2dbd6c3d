/**
 * What the outside world may rely on: job names, the report, finding names, exit codes and environment
 * variables. Shared by the jobs, the command line, the functions and the AWS constructs; imports nothing.
 */

export const JOBS = ['create', 'cleanup', 'health'] as const;
/** One of the three scheduled jobs. */
export type Job = (typeof JOBS)[number];

/** What produced a report: a job, or one of the read-only commands built from the same parts. */
export type ReportKind = Job | 'plan' | 'status' | 'validate' | 'convert' | 'reindex' | 'doctor' | 'explain';

export type Severity = 'critical' | 'warning' | 'info';

export const FINDINGS = [
  'missing-current',
  'missing-next',
  'missing',
  'expired',
  'default-rows',
  'detach-pending',
  'stranded',
  'off-grid',
  'overlong-name',
  'unmanaged',
  'oversized',
  'index-missing',
  'index-invalid',
  'referenced',
  'foreign-key',
  'permission',
  'clock-skew',
  'not-partitioned',
  'wrong-key',
  'too-many',
  'too-few',
  'not-convertible',
  'changes',
  'conversion',
  'reindex',
] as const;
export type FindingName = (typeof FINDINGS)[number];

/** Something a person should know about a table, with the command that mends it. */
export interface Finding {
  readonly finding: FindingName;
  readonly severity: Severity;
  /** What is the case and what follows from it, in one or two sentences. */
  readonly message: string;
  /** A command to paste, or the one thing to do. */
  readonly remedy: string;
  /** `schema.name` of the partition concerned, when there is just one. */
  readonly partition?: string;
  readonly facts: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
}

export type StepKind =
  | 'create'
  | 'attach'
  | 'detach'
  | 'finalize-detach'
  | 'drop'
  | 'move-rows'
  /** Of a conversion: the partitioned table to be, indexes and constraints of the old table, and taking its place. */
  | 'prepare'
  | 'index'
  | 'constrain'
  | 'switch'
  | 'analyze'
  /** Of one that copies: noting changes, copying rows, taking over changes, following the table, comparing both. */
  | 'capture'
  | 'copy'
  | 'catch-up'
  | 'mirror'
  | 'verify'
  /** Of a conversion that is given up before the switch; and of what an interrupted rebuild has left behind. */
  | 'discard'
  /** An index that is built anew beside itself. */
  | 'reindex';
export type StepStatus = 'done' | 'planned' | 'failed' | 'not-run';

/** A session that held a lock this run had to wait for. */
export interface Blocker {
  readonly pid: number;
  readonly application: string | null;
  readonly user: string | null;
  readonly state: string | null;
  /** Age of its transaction in seconds, if the executing role may see it. */
  readonly ageSeconds: number | null;
  /** Its current or last statement, if the executing role may see it. */
  readonly query: string | null;
  readonly relation: string;
  readonly lockMode: string;
}

export interface ReportError {
  /** A stable word for programs: a SQLSTATE for errors of the server, a name of ours otherwise. */
  readonly code: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

export interface ReportStep {
  readonly kind: StepKind;
  /** `schema.name`, quoted where PostgreSQL would need quotes. */
  readonly partition: string;
  /** ISO 8601 instant with Z; null where the bound is MINVALUE, -infinity or unknown. */
  readonly from: string | null;
  /** ISO 8601 instant with Z; null where the bound is MAXVALUE or infinity. */
  readonly to: string | null;
  readonly reason: string;
  readonly hazards: readonly string[];
  readonly status: StepStatus;
  readonly attempts: number;
  /** Milliseconds spent waiting for locks, outside and inside lock queues. */
  readonly waitedMs: number;
  readonly durationMs: number;
  /** The SQL, in order: what a dry run prints is what a run executes. */
  readonly statements: readonly string[];
  /** Of a step that is repeated as a whole: the statements that say when it is `done`. */
  readonly repeatedUntil?: readonly string[];
  /** Whom this step waited for; absent when it did not wait. */
  readonly waitedFor?: readonly Blocker[];
  readonly error?: ReportError;
}

export interface Gauges {
  readonly partitions: number;
  /** Days from now to the end of the gapless run of partitions that covers now; 0 if now is not covered. */
  readonly runwayDays: number;
  /** Grid intervals without a partition, from the oldest one to the one health demands. */
  readonly missing: number;
  /** Partitions past retention by more than `overdueAfter`. */
  readonly expired: number;
  /** Rows in the default partition; null when another session's lock or a missing privilege hid them. */
  readonly defaultRows: number | null;
  readonly detachPending: number;
  readonly totalBytes: number;
  readonly largestPartition: string | null;
  readonly largestBytes: number;
}

export type TableStatus = 'ok' | 'failed' | 'refused' | 'skipped';

/** One partition as `status` shows it. */
export interface PartitionSummary {
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly isDefault: boolean;
  readonly state: 'current' | 'future' | 'past' | 'expired' | 'detach-pending' | 'default';
  readonly bytes: number;
  /** Estimate of the server; null before the first ANALYZE. */
  readonly rows: number | null;
}

export interface TableReport {
  readonly schema: string;
  readonly table: string;
  readonly status: TableStatus;
  readonly steps: readonly ReportStep[];
  readonly findings: readonly Finding[];
  /** Absent when the table could not be inspected. */
  readonly gauges?: Gauges;
  /** Only in `status`. */
  readonly coverage?: Coverage;
  readonly error?: ReportError;
}

/** A stretch of the calendar for the timeline: one grid interval, and how it is covered. */
export interface CoverageCell {
  readonly from: string;
  readonly to: string;
  readonly state: 'expired' | 'past' | 'current' | 'future' | 'missing' | 'beyond' | 'detach-pending';
  /** Estimated bytes of the partitions in it. */
  readonly bytes: number;
}

export interface Coverage {
  readonly interval: string;
  readonly timeZone: string;
  readonly keyType: string;
  readonly premake: number;
  /** For example `7 years`; null: kept for ever. */
  readonly retention: string | null;
  /** Nothing younger than this instant is ever removed; null without retention. */
  readonly cutoff: string | null;
  readonly cells: readonly CoverageCell[];
  readonly partitions: readonly PartitionSummary[];
}

export const CHECKS = [
  'version',
  'known-bugs',
  'writable',
  'pooler',
  'tls',
  'clock',
  'time-zone',
  'privileges',
  'visibility',
  'old-transactions',
  'prepared-transactions',
  'replication-slots',
  'lock-table',
  'settings',
  'autovacuum',
  'other-managers',
  'sql-functions',
  'event-triggers',
  'table',
  'statistics',
  'growth',
] as const;
export type CheckName = (typeof CHECKS)[number];

/** One thing `doctor` has looked at, and what it found. */
export interface Check {
  readonly check: CheckName;
  /** `unknown`: it could not be looked at, and the message says why. */
  readonly status: 'ok' | 'unknown' | Severity;
  /** `schema.table`, where it concerns one table only. */
  readonly table?: string;
  readonly message: string;
  /** A statement or command to paste, or the one thing to do; null where there is nothing. */
  readonly remedy: string | null;
  readonly facts: Finding['facts'];
}

export interface Report {
  readonly version: 1;
  readonly job: ReportKind;
  readonly runId: string;
  readonly database: string | null;
  readonly serverVersion: string | null;
  readonly startedAt: string;
  /** The instant the plan was made for: the server's clock, or what `--now` said. */
  readonly now: string;
  readonly durationMs: number;
  readonly dryRun: boolean;
  readonly ok: boolean;
  readonly tables: readonly TableReport[];
  /** Only of `doctor`. */
  readonly checks?: readonly Check[];
  /** Set when nothing could be done at all: no connection, a bad config. */
  readonly error?: ReportError;
}

/** Namespace and names of the CloudWatch metrics: what the functions emit is what alarms and dashboard read. */
export const METRIC_NAMESPACE = 'PartitionKeeper';

export const TABLE_METRICS = {
  missing: 'MissingPartitions',
  runway: 'RunwayDays',
  expired: 'ExpiredPartitions',
  defaultRows: 'DefaultPartitionRows',
} as const;

export const JOB_METRICS = {
  /** 1 after a complete run that succeeded. Each health check adds 0 for all jobs, so that silence is a figure too. */
  succeeded: 'RunSucceeded',
  /** 1 after a run that failed, 0 after a complete run that succeeded. */
  failed: 'RunFailed',
  created: 'PartitionsCreated',
  dropped: 'PartitionsDropped',
  lockWait: 'LockWaitMilliseconds',
} as const;

export const DIMENSIONS = { database: 'Database', table: 'Table', job: 'Job' } as const;

/** The value of the dimension Table. CloudWatch takes printable ASCII only; other characters are escaped. */
export const tableDimension = (table: { readonly schema: string; readonly table: string }): string =>
  `${table.schema}.${table.table}`.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Environment variables by which the constructs tell the functions what they need to know. */
export const ENVIRONMENT = {
  /** Config file as JSON, beside the code unless absolute. */
  config: 'PARTITION_KEEPER_CONFIG',
  /** The value of the dimension Database. */
  database: 'PARTITION_KEEPER_DATABASE',
  /** Secret with user and password of the database. */
  secretArn: 'DATABASE_SECRET_ARN',
  /** Database role that logs in by RDS IAM authentication, instead of a secret. */
  iamUser: 'DATABASE_IAM_USER',
} as const;

/**
 * The client context of an invocation by which a run that did not succeed answers with its report, too, instead of
 * failing: for a caller who waits for the answer, there is nobody else who would have to notice.
 */
export const ANSWER_IN_ANY_CASE = { custom: { answer: 'report' } } as const;

/** File of the config beside the code of the functions. */
export const CONFIG_FILE = 'partitions.config.json';

export const EXIT = { ok: 0, failed: 1, usage: 2, findings: 3, refused: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Why a query reads more partitions of a table than it needs, or when it becomes known which it needs. */
export const PRUNING_FINDINGS = [
  'no-condition',
  'expression',
  'volatile',
  'or',
  'row-comparison',
  'join',
  'inequality',
  'own-column',
  'type',
  'stable',
  'parameter',
  'subquery',
  'open-ended',
  'pruning-off',
  'not-analysed',
] as const;
export type PruningFindingName = (typeof PRUNING_FINDINGS)[number];

export interface PruningFinding {
  readonly finding: PruningFindingName;
  /** A warning where nothing keeps partitions from being read. */
  readonly severity: Exclude<Severity, 'critical'>;
  readonly message: string;
  /** The condition of the query it is about, as the server prints it; null: none. */
  readonly condition: string | null;
  readonly remedy: string;
  /** What to write instead of the condition; absent where that cannot be derived. */
  readonly rewritten?: string;
}

/** When it becomes known which partitions are needed: each comes before the next. */
export type Pruning = 'planning' | 'start' | 'running' | 'never';

/** A partition that a plan may read. */
export interface ScannedPartition {
  /** `schema.name`. */
  readonly partition: string;
  /** As the catalog prints them, in the session's time zone: `FOR VALUES FROM (..) TO (..)`, or `DEFAULT`. */
  readonly bounds: string;
  readonly scan: string;
  readonly indexes: readonly string[];
  /** Estimates of the catalog; rows are null before the first ANALYZE. */
  readonly bytes: number;
  readonly rows: number | null;
}

/** One appearance of a partitioned table in a query. */
export interface ExplainedTable {
  readonly schema: string;
  readonly table: string;
  /** What the query calls it. */
  readonly alias: string;
  readonly partitionKey: string;
  readonly keyType: string;
  /** Of the whole table, those of sub-partitioned ones counted singly. */
  readonly partitions: number;
  readonly prunedWhenPlanned: number;
  /** `Subplans Removed`: those that were found not to be needed when execution would start. */
  readonly removedAtStart: number;
  readonly scanned: readonly ScannedPartition[];
  /** Conditions of the query on the table that mention the partition key, as the server prints them. */
  readonly keyConditions: readonly string[];
  readonly pruning: Pruning;
  readonly findings: readonly PruningFinding[];
}

/** What `pg_stat_statements` has counted of a statement. */
export interface StatementFigures {
  readonly calls: number;
  readonly meanMs: number;
  readonly totalMs: number;
  /** Of the time that all statements of the database took, from 0 to 1. */
  readonly share: number;
}

export interface ExplainedQuery {
  readonly query: string;
  /** How many parameters (`$1`, ..) it has. */
  readonly parameters: number;
  readonly tables: readonly ExplainedTable[];
  /** Only with `--top`. */
  readonly figures?: StatementFigures;
  /** Why it cannot be explained. */
  readonly error?: ReportError;
}

/** The report of `explain`. */
export interface ExplainReport {
  readonly version: 1;
  readonly job: 'explain';
  readonly runId: string;
  readonly database: string;
  readonly serverVersion: string;
  readonly startedAt: string;
  readonly now: string;
  readonly durationMs: number;
  readonly dryRun: true;
  /** Whether all that was asked for could be explained. */
  readonly ok: boolean;
  /** The schemas in which names without one were looked up. */
  readonly searchPath: string;
  readonly queries: readonly ExplainedQuery[];
  /** Only with `--top`: how many statements were looked at, and how many could not be seen. */
  readonly statements?: { readonly explained: number; readonly hidden: number };
}
