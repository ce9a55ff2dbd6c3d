import type { KeyType } from '../../partition/key-type.ts';
import type { ForeignKey, Template } from '../../partition/model.ts';
import type { ColumnRow, ForeignKeyRow, GrantRow, ParentRow, PartitionRow } from './rows.ts';

/** The types a partition key may have, as `format_type` spells them. */
export const KEY_TYPE_NAMES: Readonly<Record<string, KeyType>> = {
  'timestamp with time zone': 'timestamptz',
  'timestamp without time zone': 'timestamp',
  date: 'date',
  uuid: 'uuid',
};

const REPLICA_IDENTITIES: Readonly<Record<string, Template['replicaIdentity']>> = {
  d: 'default',
  n: 'nothing',
  f: 'full',
  i: 'index',
};

/** What the storage of new partitions follows: the newest there is, or a table that is to become one. */
export type StorageRow = Pick<PartitionRow, 'options' | 'toast_options' | 'access_method'>;

/** Storage parameters as they stand in `WITH (..)`. */
const storageOf = (row: StorageRow | undefined): string[] => [
  ...(row?.options ?? []),
  ...(row?.toast_options ?? []).map((option) => `toast.${option}`),
];

export function templateOf(
  parent: ParentRow,
  storage: StorageRow | undefined,
  grants: readonly GrantRow[],
  columns: readonly ColumnRow[],
): Template {
  return {
    grants,
    defaultGrantees: parent.default_grantees,
    comment: parent.comment,
    tablespace: parent.tablespace,
    storage: storageOf(storage),
    accessMethod: parent.access_method ?? storage?.access_method ?? null,
    replicaIdentity: REPLICA_IDENTITIES[parent.replica_identity ?? ''] ?? 'default',
    rowSecurity: parent.row_security === true,
    forceRowSecurity: parent.force_row_security === true,
    statistics: columns.flatMap(({ name, statistics }) =>
      statistics === null ? [] : [{ column: name, target: statistics }],
    ),
    columns: columns.filter(({ generated }) => !generated).map(({ name }) => name),
  };
}

export const foreignKeyOf = ({
  name,
  oid,
  schema,
  referenced,
  indexed,
  lockable,
}: ForeignKeyRow): ForeignKey => ({
  name,
  referenced: { oid, schema, name: referenced },
  indexed,
  lockable,
});
