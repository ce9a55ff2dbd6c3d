import type { Finding, FindingName } from '../../contract.ts';
import { INTERVALS } from '../calendar.ts';
import { displayName, shellWord } from '../identifiers.ts';
import type { Partition, PartitionedTable } from '../model.ts';
import { byteLength, MAX_NAME_BYTES } from '../names.ts';
import { isBounded, type Range } from '../range.ts';
import { command, finding, type View } from './view.ts';

/** From this size on, one partition is unwieldy to index, vacuum or move. */
const OVERSIZED_BYTES = 50 * 2 ** 30;

/** From this number on, a query that cannot prune takes thousands of locks. */
export const TOO_MANY_PARTITIONS = 1000;

function onGrid(view: View, range: Range): boolean {
  if (!isBounded(range.from) || !isBounded(range.to)) return false;
  const interval = view.schedule.calendar.containing(range.from);
  return interval.from === range.from && interval.to === range.to;
}

export function shapeFindings(view: View): Finding[] {
  const { table } = view;
  const unmanaged = table.partitions.filter(
    ({ kind, range }) => kind !== 'table' || !isBounded(range.from) || !isBounded(range.to),
  );
  const offGrid = table.partitions.filter(
    (partition) => !unmanaged.includes(partition) && !onGrid(view, partition.range),
  );
  const cut = table.partitions.filter(({ name }) => byteLength(name) === MAX_NAME_BYTES);
  const names = (partitions: readonly { schema: string; name: string }[]) =>
    partitions.slice(0, 20).map(({ schema, name }) => displayName(schema, name));
  const about = (
    name: FindingName,
    partitions: readonly { schema: string; name: string }[],
    what: string,
    remedy: string,
  ): Finding[] =>
    partitions.length === 0
      ? []
      : [
          finding(
            name,
            'info',
            `${partitions.length} ${partitions.length === 1 ? 'partition' : 'partitions'} of ${view.name} ${what}`,
            remedy,
            { count: partitions.length, partitions: names(partitions) },
          ),
        ];
  return [
    ...about(
      'off-grid',
      offGrid,
      `do not lie on the grid of ${view.config.interval}s in ${view.config.timeZone}; they are kept as they are, and only what they leave free is filled.`,
      'Nothing to do; if the interval or time zone in the config is a mistake, correct it.',
    ),
    ...about(
      'unmanaged',
      [...unmanaged, ...table.unreadable],
      'are open-ended, foreign, partitioned themselves or have bounds that cannot be read; what has an upper bound goes when all of it is past retention, the others are kept as they are.',
      'Nothing to do.',
    ),
    ...about(
      'overlong-name',
      cut,
      `have names of ${MAX_NAME_BYTES} bytes, which PostgreSQL may have cut off.`,
      'Rename them if the names mislead; nothing depends on names.',
    ),
  ];
}

export function indexFindings(view: View): Finding[] {
  const { table } = view;
  const all = [...table.partitions, ...(table.defaultPartition === null ? [] : [table.defaultPartition])];
  return all.flatMap((partition) => {
    const name = displayName(partition.schema, partition.name);
    const parent = displayName(table.schema, table.name);
    return [
      ...partition.missingIndexes.map((index) =>
        finding(
          'index-missing',
          'warning',
          `${name} has no counterpart of the index ${index} of ${parent}: queries that count on it scan the whole partition.`,
          `Create the index on ${name} with CREATE INDEX CONCURRENTLY, then ALTER INDEX ${displayName(table.schema, index)} ATTACH PARTITION it.`,
          { index },
          partition,
        ),
      ),
      ...partition.invalidIndexes.map((index) =>
        finding(
          'index-invalid',
          'warning',
          `The index ${index} of ${name} is invalid: it costs writes and serves no query.`,
          `npx partition-keeper reindex ${shellWord(`${table.schema}.${table.name}`)} --invalid`,
          { index },
          partition,
        ),
      ),
    ];
  });
}

export function largestPartition(table: PartitionedTable): Partition | null {
  return table.partitions.reduce<Partition | null>(
    (largest, partition) => (largest === null || partition.bytes > largest.bytes ? partition : largest),
    null,
  );
}

export function sizeFindings(view: View): Finding[] {
  const { table, config, name } = view;
  const findings: Finding[] = [];
  const largest = largestPartition(table);
  if (largest !== null && largest.bytes > OVERSIZED_BYTES) {
    const shorter = INTERVALS[INTERVALS.indexOf(config.interval) - 1];
    findings.push(
      finding(
        'oversized',
        'info',
        `${displayName(largest.schema, largest.name)} holds about ${Math.round(largest.bytes / 2 ** 30)} GiB, more than is comfortable for one partition.`,
        shorter === undefined
          ? 'There is no shorter interval; consider keeping less in the table.'
          : `Consider interval: '${shorter}' for ${name}; existing partitions stay as they are.`,
        { bytes: largest.bytes },
        largest,
      ),
    );
  }
  if (table.partitions.length > TOO_MANY_PARTITIONS) {
    findings.push(
      finding(
        'too-many',
        'warning',
        `${name} has ${table.partitions.length} partitions: a query without a condition on ${table.keyColumn} locks all of them.`,
        'Use a longer interval or a shorter retention.',
        { partitions: table.partitions.length },
      ),
    );
  }
  if (table.partitions.length < 2) {
    findings.push(
      finding(
        'too-few',
        'warning',
        `${name} has ${table.partitions.length === 0 ? 'no partition' : 'just one partition'}.`,
        command(view, 'create'),
        { partitions: table.partitions.length },
      ),
    );
  }
  return findings;
}
