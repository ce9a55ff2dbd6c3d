import type { KeyType } from './key-type.ts';
import type { Marker } from './marker.ts';
import type { Point, Range } from './range.ts';

/** What an inspection of the catalog found; the planners know the database only through this. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

export interface Partition extends Relation {
  readonly range: Range;
  /** The bounds as the catalog prints them, for the check in the transaction that removes the partition. */
  readonly boundsText: string;
  readonly kind: 'table' | 'partitioned' | 'foreign';
  /** A concurrent detach was begun and has not been finished. */
  readonly detachPending: boolean;
  readonly marker: Marker | null;
  /** Present comment of the table, to be kept beside our marker. */
  readonly comment: string | null;
  readonly bytes: number;
  /** The server's estimate; null before the first ANALYZE. */
  readonly rows: number | null;
  /** Tables whose foreign keys point at this partition, or at its parent. */
  readonly referencedBy: readonly string[];
  /** Its owner, where the owner of the partitioned table has not the rights of that role and so may not remove it. */
  readonly strangeOwner: string | null;
  readonly missingIndexes: readonly string[];
  readonly invalidIndexes: readonly string[];
}

export interface DefaultPartition extends Relation {
  readonly kind: 'table' | 'partitioned' | 'foreign';
  readonly bytes: number;
  /** Null: not countable now, because of another session's lock or a missing privilege. */
  readonly rows: number | null;
  /** Its oldest and newest key; null without rows, or where the type has no minimum. */
  readonly keys: { readonly oldest: Point; readonly newest: Point } | null;
  /** Tables that would lose rows or values (ON DELETE CASCADE, SET NULL, SET DEFAULT) if rows left this one. */
  readonly cascadesTo: readonly string[];
  /** Whether the table's owner may create temporary tables: rows are moved out with the help of one. */
  readonly mayCreateTemporary: boolean;
  readonly missingIndexes: readonly string[];
  readonly invalidIndexes: readonly string[];
}

/** A table that was detached by us and carries our marker. */
export interface DetachedTable extends Relation {
  readonly kind: 'table' | 'partitioned' | 'foreign';
  readonly marker: Marker;
  readonly range: Range;
  readonly bytes: number;
}

export interface ForeignKey {
  readonly name: string;
  readonly referenced: Relation;
  /** Whether some index of the table begins with the key's columns. */
  readonly indexed: boolean;
  /** Whether the table's owner has the privilege to lock the referenced table against writers. */
  readonly lockable: boolean;
}

export interface Grant {
  /** Null: PUBLIC. */
  readonly grantee: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
  /** Null: the whole table. */
  readonly column: string | null;
}

/** What a new partition must get besides what `CREATE TABLE .. (LIKE ..)` and ATTACH bring. */
export interface Template {
  readonly grants: readonly Grant[];
  /** Whom the server grants something on any new table of the owner; null: PUBLIC. Absent: nobody. */
  readonly defaultGrantees?: readonly (string | null)[];
  readonly comment: string | null;
  readonly tablespace: string | null;
  /** `name=value`, taken from the newest partition: a partitioned table has none of its own. */
  readonly storage: readonly string[];
  /** Null: the server's default. */
  readonly accessMethod: string | null;
  readonly replicaIdentity: 'default' | 'nothing' | 'full' | 'index';
  readonly rowSecurity: boolean;
  readonly forceRowSecurity: boolean;
  readonly statistics: readonly { readonly column: string; readonly target: number }[];
  /** Columns that take values: without the generated ones. */
  readonly columns: readonly string[];
}

/** A table we work on: who may change it, what it refers to, and what others of its kind must get. */
export interface ManagedTable extends Relation {
  readonly keyColumn: string;
  readonly keyType: KeyType;
  readonly owner: string;
  /** Whether the executing role is the owner, or a member of it, and so may create and remove partitions. */
  readonly mayManage: boolean;
  /** Whether the owner may create tables in the schema. */
  readonly mayCreate: boolean;
  /** Whether the executing role is the owner itself. */
  readonly isOwner: boolean;
  readonly foreignKeys: readonly ForeignKey[];
  readonly template: Template;
}

export interface PartitionedTable extends ManagedTable {
  /** Ascending by bounds. */
  readonly partitions: readonly Partition[];
  /** Partitions whose bounds could not be read. */
  readonly unreadable: readonly (Relation & { readonly boundsText: string })[];
  readonly defaultPartition: DefaultPartition | null;
  readonly detached: readonly DetachedTable[];
  /** Tables whose marker means this one by its name only, or by its oid only: perhaps its own, so never dropped. */
  readonly doubtful: readonly DetachedTable[];
  /** Whether each write is made, or noted, a second time for another table: a conversion that is not at its end. */
  readonly mirrored: boolean;
  /** Relations in the table's schema whose names start like its partitions', and what they are. */
  readonly takenNames: ReadonlyMap<string, 'own partition' | 'own detached table' | 'other'>;
}
