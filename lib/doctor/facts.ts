import type { Temporal } from 'temporal-polyfill';
import type { Blocker, ReportError } from '../contract.ts';
import type { TableConfig } from '../partition/table-config.ts';
import type { Found } from '../postgres/inspect/inspected.ts';
import type { ServerFacts } from '../postgres/session.ts';
import type { ScriptTable } from '../sql/tables.ts';

/** How the session is connected. */
export interface SessionFacts {
  /** Whether a pooler is in between, though one that keeps a session for each client. */
  readonly pooled: boolean;
  /** Protocol and cipher of the server's connection; null: in clear. */
  readonly tls: string | null;
  /** Whether it does not leave the machine. */
  readonly local: boolean;
  readonly verified: boolean;
}

/** A transaction that has been open for long. */
export interface OldTransaction extends Omit<Blocker, 'relation' | 'lockMode'> {
  /** Of the configured tables, those it holds a lock on. */
  readonly tables: readonly string[];
  readonly snapshot: boolean;
}

export interface PreparedTransaction {
  readonly gid: string;
  readonly owner: string;
  readonly ageSeconds: number;
  readonly tables: readonly string[];
}

export interface ReplicationSlot {
  readonly name: string;
  readonly active: boolean;
  readonly holdsRows: boolean;
  /** Bytes of the log it keeps; null where that cannot be told. */
  readonly keptBytes: number | null;
}

/** The difference to UTC of one moment in one zone, as the server has it; null: it does not know the zone. */
export interface ZoneSample {
  readonly zone: string;
  readonly instant: Temporal.Instant;
  readonly serverMinutes: number | null;
  readonly localMinutes: number;
}

/** What another tool has on record; null: there is no such tool in this database. */
export type Others<Row> =
  | {
      readonly rows: readonly Row[];
      /** Whether row security may hide others from the role. */
      readonly partial: boolean;
    }
  | { readonly unreadable: string }
  | null;

export interface PartmanTable {
  /** That of pg_partman. */
  readonly schema: string;
  readonly table: string;
}

export interface CronJob {
  readonly id: string;
  /** Null: in that of pg_cron, as its first versions had it. */
  readonly database: string | null;
  readonly name: string | null;
  readonly schedule: string;
  readonly command: string;
}

/** Functions of `partition-keeper sql`. */
export interface Installation {
  readonly schema: string;
  readonly owner: string;
  /** What they were made from; null where that cannot be told. */
  readonly tables: readonly ScriptTable[] | null;
}

export interface EventTrigger {
  readonly name: string;
  readonly event: string;
  readonly function: string;
  /** Commands it acts on; null: all. */
  readonly tags: readonly string[] | null;
}

/** A configured table, beyond what the planners need to know of it. */
export interface TableFacts {
  readonly entry: Found;
  readonly leaves: number;
  readonly leafIndexes: number;
  /** Rows of all leaves by the catalog's estimate; null where none was ever counted. */
  readonly rows: number | null;
  /** Whether the parent itself was ever analyzed. */
  readonly analyzed: boolean;
  /** Leaves for which autovacuum is turned off. */
  readonly withoutAutovacuum: readonly string[];
  /** Whether foreign keys of it refer to itself. */
  readonly refersToItself: boolean;
}

export interface DoctorFacts {
  readonly server: ServerFacts;
  readonly localClock: Temporal.Instant;
  /** Settings as a new session of this role in this database gets them. */
  readonly settings: Readonly<Record<string, string>>;
  readonly session: SessionFacts;
  readonly seesOthers: boolean;
  readonly transactions: readonly OldTransaction[];
  readonly prepared: readonly PreparedTransaction[];
  readonly slots: readonly ReplicationSlot[];
  readonly zones: readonly ZoneSample[];
  readonly partman: Others<PartmanTable>;
  readonly cron: Others<CronJob>;
  readonly hypertables: Others<{ readonly table: string }>;
  readonly installations: readonly Installation[];
  readonly eventTriggers: readonly EventTrigger[];
  /** All tables of the config. */
  readonly configured: readonly TableConfig[];
  /** Those that are looked at. */
  readonly asked: readonly TableConfig[];
  readonly tables: readonly TableFacts[];
  /** Tables that cannot be managed as configured. */
  readonly unmanageable: readonly { readonly table: string; readonly error: ReportError }[];
}
