/** An index of a table that holds rows: a partition, or a partition of one. */
export interface LeafIndex {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** The table it belongs to. */
  readonly table: { readonly oid: number; readonly schema: string; readonly name: string };
  /** The partition of the partitioned table that the table is, or is a part of. */
  readonly partitionOid: number;
  /** The index of the partitioned table that it is a part of; null: it is the partition's own. */
  readonly parent: { readonly schema: string; readonly name: string } | null;
  readonly valid: boolean;
  /** Of an exclusion constraint. */
  readonly exclusion: boolean;
  /** Whether it is attached to an index of the parent, or a constraint stands on it. */
  readonly inUse: boolean;
  /** Equal for two indexes of one table that are defined in the same way. */
  readonly definition: string;
  /** By the catalog's estimate. */
  readonly bytes: number;
  /** Of its table, by the catalog's estimate; null before the first ANALYZE. */
  readonly rows: number | null;
  readonly comment: string | null;
}

/** An index as far as its comment goes. */
export type MarkedIndex = Pick<LeafIndex, 'oid' | 'schema' | 'name' | 'table' | 'comment'>;

/** Which of a table's indexes are asked for: those that all of the given lists name. */
export interface Choice {
  /** `schema.name` or name of indexes of the partitioned table, or of partitions. */
  readonly indexes?: readonly string[] | undefined;
  /** `schema.name` or name of partitions. */
  readonly partitions?: readonly string[] | undefined;
  /** Only those that serve no query. */
  readonly invalid?: boolean | undefined;
}
