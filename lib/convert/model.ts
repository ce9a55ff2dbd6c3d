import type { ManagedTable, Relation } from '../partition/model.ts';
import type { Point } from '../partition/range.ts';

/** What an inspection found of a table that is to be converted; preflight and plans know it only through this. */

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly notNull: boolean;
  /** Whether a row that comes without it is given a value before any trigger is called. */
  readonly hasDefault: boolean;
  /** Null: no identity column. */
  readonly identity: 'ALWAYS' | 'BY DEFAULT' | null;
  readonly generated: boolean;
  /** `name=value`, such as n_distinct. */
  readonly options: readonly string[];
}

/** A sequence that belongs to a column: that of an identity, or one of a serial. */
export interface Sequence extends Relation {
  readonly column: string;
  readonly identity: boolean;
  /** START, INCREMENT, MINVALUE .. as CREATE SEQUENCE takes them. */
  readonly options: string;
  readonly cache: string;
  readonly grants: readonly {
    readonly grantee: string | null;
    readonly privilege: string;
    readonly grantable: boolean;
  }[];
}

export interface Index extends Relation {
  /** What follows `INDEX name ON table` in its definition, without the predicate of uniqueness. */
  readonly definition: string;
  readonly unique: boolean;
  readonly valid: boolean;
  /** The kind of constraint it stands behind; null: none. */
  readonly constraint: 'primary key' | 'unique' | null;
  /** How that constraint is deferred, as it is written; empty: not at all. */
  readonly deferral: string;
  /** Whether that constraint is WITHOUT OVERLAPS. */
  readonly period: boolean;
  /** ` NULLS NOT DISTINCT`, or empty. */
  readonly nulls: string;
  /** `name=value`, such as fillfactor. */
  readonly storage: readonly string[];
  /** Null: the database's default. */
  readonly tablespace: string | null;
  /** Its key columns in order; null in the place of an expression. */
  readonly columns: readonly (string | null)[];
  readonly included: readonly string[];
  /** Statistics targets of its expressions, by number of the column. */
  readonly statistics: readonly { readonly column: number; readonly target: number }[];
  readonly replicaIdentity: boolean;
  readonly comment: string | null;
  /** What depends on its constraint, such as a view that groups by a primary key; as people would call it. */
  readonly dependents: readonly string[];
  /** The statement that gives a right which the table's owner lacks to make it anew; null: none. */
  readonly wanting: string | null;
}

export interface Constraint {
  readonly name: string;
  readonly kind: 'check' | 'foreign key' | 'exclusion' | 'not null';
  /** As `pg_get_constraintdef` prints it. */
  readonly definition: string;
  readonly validated: boolean;
  readonly inherited: boolean;
  readonly enforced: boolean;
  /** For a foreign key, the table it refers to. */
  readonly references: string | null;
  readonly comment: string | null;
  /** The statement that gives a right which the table's owner lacks to make it anew; null: none. */
  readonly wanting: string | null;
}

export interface Trigger {
  readonly name: string;
  /** Its definition before ` ON table ` and after it. */
  readonly before: string;
  readonly after: string;
  /** As `ALTER TABLE .. ENABLE` takes it; null: enabled as usual. */
  readonly mode: 'DISABLE' | 'ENABLE ALWAYS' | 'ENABLE REPLICA' | null;
  readonly forEachRow: boolean;
  /** Whether it is called before each row that is inserted, and so may change it. */
  readonly beforeInsert: boolean;
  readonly transitionTables: boolean;
  readonly comment: string | null;
  /** The statement that gives a right which the table's owner lacks to make it anew; null: none. */
  readonly wanting: string | null;
}

export interface ExtendedStatistics {
  readonly schema: string;
  readonly name: string;
  readonly kinds: readonly string[];
  readonly columns: string;
  readonly target: number | null;
  readonly comment: string | null;
}

/** Something outside the table that reads it by its oid. */
export interface Dependent {
  /** Of a view, which is locked while it is made anew. */
  readonly oid: number | null;
  /** The name of a view in a statement; null for anything else. */
  readonly view: string | null;
  readonly kind: 'view' | 'function' | 'other';
  /** As people would call it. */
  readonly name: string;
  readonly owner: string;
  /** The statement that gives a right which is wanting to make it anew as its owner; null: none is. */
  readonly wanting: string | null;
  /** The statement that makes it anew, of the table that then has the name. Null where there is none. */
  readonly statement: string | null;
}

export interface Publication {
  readonly name: string;
  /** ` (columns) WHERE (condition)`, as ALTER PUBLICATION takes it. */
  readonly details: string;
  /** The columns it sends of updates and deletions; null: all of them, or it sends neither. */
  readonly columns: readonly string[] | null;
  /** Whether the table's owner may change it; else the session's own role has to. */
  readonly asOwner: boolean;
  /** The statement that gives a right which is wanting to change it; null: none is. */
  readonly wanting: string | null;
  readonly viaRoot: boolean;
}

export interface Policy {
  readonly name: string;
  /** What follows `CREATE POLICY name ON table`; the table's own name in it is `{table}`. */
  readonly definition: string;
  readonly comment: string | null;
}

/** The oldest and newest key there is, and whether some are missing. */
export interface Keys {
  readonly oldest: Point | null;
  readonly newest: Point | null;
  readonly nulls: boolean;
  /** How many rows are dated -infinity. */
  readonly endless: number;
}

export interface LegacyTable extends ManagedTable {
  readonly kind: 'table' | 'partitioned table' | 'other';
  readonly persistence: 'permanent' | 'unlogged' | 'temporary';
  /** Inheritance, either way, and CREATE TABLE OF. */
  readonly relatives: readonly {
    readonly name: string;
    /** The statement that takes the table out. */
    readonly parting: string;
  }[];
  readonly columns: readonly Column[];
  readonly keyGenerated: boolean;
  readonly indexes: readonly Index[];
  readonly constraints: readonly Constraint[];
  readonly triggers: readonly Trigger[];
  readonly statistics: readonly ExtendedStatistics[];
  readonly sequences: readonly Sequence[];
  readonly dependents: readonly Dependent[];
  readonly publications: readonly Publication[];
  /** Publications of all tables, or of all of its schema: they would publish any new one. */
  readonly publishedWith: readonly Pick<Publication, 'name' | 'viaRoot'>[];
  /** Foreign keys of other tables, or of itself, that refer to it or to a partition of it. */
  readonly referencedBy: readonly string[];
  readonly policies: readonly Policy[];
  readonly heapBytes: number;
  readonly bytes: number;
  /** The server's estimate; null before the first ANALYZE. */
  readonly rows: number | null;
  /** The statement that lets its owner make temporary tables; null: none is wanting. */
  readonly wantingTemporary: string | null;
  readonly keys: Keys;
  /** Row security keeps both the executing role and the owner from seeing all rows; the keys are not known then. */
  readonly rowsHidden: boolean;
  /** A digest of everything a converted table takes from it: equal as long as nobody changes it. */
  readonly fingerprint: string;
  /** Names of relations in its schema. */
  readonly taken: ReadonlySet<string>;
}
