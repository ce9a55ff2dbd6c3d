import type { ReportError } from '../contract.ts';
import { displayName } from './identifiers.ts';
import type { PartitionedTable, Relation } from './model.ts';

/** Whether one of the names, as `schema.name` with or without quotes, is this relation's. */
export const isNamed = ({ schema, name }: Relation, names: readonly string[]): boolean =>
  names.includes(`${schema}.${name}`) || names.includes(displayName(schema, name));

/** Everything of the table that a name can mean. */
const relationsOf = (table: PartitionedTable): readonly Relation[] => [
  ...table.partitions,
  ...table.unreadable,
  ...table.detached,
  ...(table.defaultPartition === null ? [] : [table.defaultPartition]),
];

/** The names that mean something of this table. */
export const namesOf = (table: PartitionedTable, names: readonly string[]): string[] =>
  names.filter((name) => relationsOf(table).some((relation) => isNamed(relation, [name])));

/**
 * Why a removal that was asked for by name is not done: what a person wants gone and retention keeps is a
 * misunderstanding of one of them.
 * @param removable what retention lets go of
 */
export function notRemovable(
  table: PartitionedTable,
  names: readonly string[],
  removable: readonly Relation[],
  why: (relation: Relation) => string,
): ReportError | null {
  const kept = relationsOf(table).filter(
    (relation) => isNamed(relation, names) && !removable.some(({ oid }) => oid === relation.oid),
  );
  if (kept.length === 0) return null;
  const all = kept.map((relation) => `${displayName(relation.schema, relation.name)} ${why(relation)}`);
  return {
    code: 'not-expired',
    message: `Nothing of ${displayName(table.schema, table.name)} is removed: ${all.join('; ')}.`,
    hint: 'See what a cleanup would remove: partition-keeper plan cleanup. To remove it all the same, shorten the retention in the config.',
  };
}
