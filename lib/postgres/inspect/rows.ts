import type { Marker } from '../../partition/marker.ts';

/** The shapes in which the catalog queries answer. Oids come as numbers, names as text. */

export interface ParentRow {
  readonly position: number;
  readonly schema_exists: boolean;
  readonly oid: number | null;
  readonly kind: string | null;
  readonly strategy: 'r' | 'l' | 'h' | null;
  readonly key_columns: number | null;
  readonly key_column: string | null;
  readonly key_type: string | null;
  readonly owner: string | null;
  readonly may_manage: boolean | null;
  readonly is_owner: boolean | null;
  readonly may_create: boolean | null;
  readonly may_create_temporary: boolean | null;
  readonly comment: string | null;
  readonly tablespace: string | null;
  /** Null: the server's default. Before PostgreSQL 17 a partitioned table has none. */
  readonly access_method: string | null;
  readonly replica_identity: string | null;
  readonly row_security: boolean | null;
  readonly force_row_security: boolean | null;
  readonly mirrored: boolean;
  readonly bounded: boolean;
  /** Whom ALTER DEFAULT PRIVILEGES grants something on every new table of the owner; null: PUBLIC. */
  readonly default_grantees: readonly (string | null)[];
}

export interface PartitionRow {
  readonly parent: number;
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly bounds: string | null;
  readonly strange_owner: string | null;
  readonly detach_pending: boolean;
  readonly comment: string | null;
  readonly options: readonly string[] | null;
  readonly toast_options: readonly string[] | null;
  readonly access_method: string | null;
}

export interface SizeRow {
  readonly oid: number;
  readonly bytes: number;
  readonly rows?: number | null;
}

export interface IndexRow {
  readonly partition: number;
  readonly index: string;
}

export interface ForeignKeyRow {
  readonly parent: number;
  readonly name: string;
  readonly oid: number;
  readonly schema: string;
  readonly referenced: string;
  readonly indexed: boolean;
  readonly lockable: boolean;
}

export interface ReferenceRow {
  readonly partition: number;
  readonly schema: string;
  readonly name: string;
  /** Whether deleting a row of the partition would delete or change rows there. */
  readonly cascades: boolean;
}

export interface DetachedRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly owner: string;
  readonly comment: string;
}

/** A table that is attached to nothing and carries our marker. */
export interface MarkedTable extends DetachedRow {
  readonly marker: Marker;
  /** The partitioned table that has the parent's name today; null: none has. */
  readonly namesakeOid: number | null;
}

export interface NamedRow {
  readonly position: number;
  readonly oid: number;
}

export interface TakenNameRow {
  readonly parent: number;
  readonly oid: number;
  readonly name: string;
  readonly own: boolean;
}

export interface GrantRow {
  readonly parent: number;
  readonly column: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
  readonly grantee: string | null;
}

export interface ColumnRow {
  readonly parent: number;
  readonly name: string;
  readonly generated: boolean;
  readonly statistics: number | null;
}

export interface CatalogRows {
  readonly parents: readonly ParentRow[];
  readonly partitions: readonly PartitionRow[];
  readonly sizes: readonly SizeRow[];
  readonly missingIndexes: readonly IndexRow[];
  readonly invalidIndexes: readonly IndexRow[];
  readonly foreignKeys: readonly ForeignKeyRow[];
  readonly references: readonly ReferenceRow[];
  readonly marked: readonly MarkedTable[];
  readonly takenNames: readonly TakenNameRow[];
  readonly grants: readonly GrantRow[];
  readonly columns: readonly ColumnRow[];
}
