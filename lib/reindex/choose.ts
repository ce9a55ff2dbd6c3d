import { usageError } from '../errors.ts';
import { displayName } from '../partition/identifiers.ts';
import type { Choice, LeafIndex } from './model.ts';

interface Named {
  readonly schema: string;
  readonly name: string;
}

/** All that one may write for a relation of a table whose name is given otherwise. */
const spelled = ({ schema, name }: Named): string[] => [`${schema}.${name}`, displayName(schema, name), name];

const isMeant = (asked: string, relation: Named | null): boolean =>
  relation !== null && spelled(relation).includes(asked);

/** Names that nothing answers to. */
const unanswered = (asked: readonly string[], answers: (name: string) => boolean): string[] =>
  asked.filter((name) => !answers(name));

/**
 * The indexes that are asked for.
 * @param partitionOf the partition of the oid, by its name
 * @throws KeeperError when a name is asked for that the table has not: nothing else is done then either
 */
export function chosen(
  indexes: readonly LeafIndex[],
  choice: Choice,
  partitionOf: (oid: number) => Named | null,
  table: string,
): LeafIndex[] {
  const { indexes: byIndex = [], partitions: byPartition = [], invalid = false } = choice;
  const hasIndex = (index: LeafIndex, name: string) => isMeant(name, index) || isMeant(name, index.parent);
  const inPartition = (index: LeafIndex, name: string) =>
    isMeant(name, index.table) || isMeant(name, partitionOf(index.partitionOid));
  const unknownIndexes = unanswered(byIndex, (name) => indexes.some((index) => hasIndex(index, name)));
  if (unknownIndexes.length > 0) {
    const known = [...new Set(indexes.flatMap(({ parent }) => parent?.name ?? []))];
    throw usageError(
      'index-unknown',
      `${table} has no index ${unknownIndexes.join(', ')}, nor has a partition of it.`,
      `Nothing has been done. Its own indexes are ${known.join(', ') || 'none'}; those of partitions are named schema.name.`,
    );
  }
  const unknownPartitions = unanswered(byPartition, (name) =>
    indexes.some((index) => inPartition(index, name)),
  );
  if (unknownPartitions.length > 0) {
    throw usageError(
      'partition-unknown',
      `${table} has no partition ${unknownPartitions.join(', ')} with an index.`,
      'Nothing has been done. Write schema.name, as partition-keeper status shows it.',
    );
  }
  return indexes.filter(
    (index) =>
      (byIndex.length === 0 || byIndex.some((name) => hasIndex(index, name))) &&
      (byPartition.length === 0 || byPartition.some((name) => inPartition(index, name))) &&
      (!invalid || !index.valid),
  );
}

/** Equal when the same is asked for again, in whatever order. */
export const choiceText = ({ indexes = [], partitions = [], invalid = false }: Choice): string =>
  JSON.stringify([indexes.toSorted(), partitions.toSorted(), invalid]);
