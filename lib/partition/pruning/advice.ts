import type { PruningFindingName } from '../../contract.ts';
import { displayIdentifier } from '../identifiers.ts';
import type { Isolated } from './isolate.ts';
import type { Key } from './key.ts';

interface Advice {
  readonly message: string;
  readonly remedy: string;
}

/** Times of a day, as a pattern to copy. */
function pattern({ column, type }: Key): string {
  const name = displayIdentifier(column);
  if (type === 'uuid') return `${name} >= $1 AND ${name} < $2 (the lowest UUIDs of the two moments)`;
  return `${name} >= $1 AND ${name} < $2`;
}

/** What a finding means for a query, and what helps. */
export const adviceOf = (finding: PruningFindingName, key: Key): Advice => {
  const column = displayIdentifier(key.column);
  const range = pattern(key);
  switch (finding) {
    case 'no-condition':
      return {
        message: `No condition is about the partition key ${column}, so every partition is read.`,
        remedy: `If the rows wanted are of a known time, say so: AND ${range}.`,
      };
    case 'expression':
      return {
        message: `The condition is about an expression of ${column}; only conditions on the bare column exclude partitions.`,
        remedy: `Compare ${column} itself with the two ends of the range: ${range}.`,
      };
    case 'volatile':
      return {
        message: `${column} is compared with a volatile function, which may give another value for each row.`,
        remedy:
          'Use now() instead of clock_timestamp(), declare a function of your own STABLE if it is, or pass the value as a parameter.',
      };
    case 'or':
      return {
        message: `One side of an OR says nothing of ${column}, so rows of every partition may be wanted.`,
        remedy: `Give each side of the OR a range of ${column}, or add one for both: (..) AND ${range}; or split the query with UNION.`,
      };
    case 'row-comparison':
      return {
        message: `Comparisons of rows do not exclude partitions, even if ${column} comes first.`,
        remedy: `Keep the comparison for the order, and add one of the column alone: AND ${column} >= $1 (or <=, as the comparison has it).`,
      };
    case 'join':
      return {
        message: `${column} is only compared with a column of another table; partitions are excluded by that for each row of a nested loop, in a hash or merge join never.`,
        remedy: `Repeat the range for this table, too: AND ${range}.`,
      };
    case 'inequality':
      return {
        message: `The comparison names no range of ${column} that would exclude partitions.`,
        remedy: `Say which range is wanted: ${range}.`,
      };
    case 'own-column':
      return {
        message: `${column} is compared with a column of the same row.`,
        remedy: `Add a range that is known beforehand: AND ${range}.`,
      };
    case 'type':
      return {
        message: `${column} is compared with a value of another type, which depends on the session's time zone: partitions are excluded when the query starts, not when it is planned.`,
        remedy: `Write the value in the type of the column (${key.type}).`,
      };
    case 'stable':
      return {
        message: `${column} is compared with a value that is known when the query starts, such as now(): partitions are excluded then; planning looks at all of them.`,
        remedy:
          'Nothing to do. Where there are very many partitions, a constant or a parameter saves planning.',
      };
    case 'parameter':
      return {
        message: `${column} is compared with a parameter: which partitions are needed is known when it has a value. A generic plan excludes them when the query starts.`,
        remedy: 'Nothing to do.',
      };
    case 'subquery':
      return {
        message: `${column} is compared with the result of a subquery: partitions are excluded while the query runs ("never executed" in EXPLAIN ANALYZE), and all are opened before.`,
        remedy: 'If the value can be had beforehand, pass it as a parameter.',
      };
    case 'open-ended':
      return {
        message: `The conditions bound ${column} on one side only, so all partitions on the other side are read.`,
        remedy: `Name the other end, too: ${range}.`,
      };
    case 'pruning-off':
      return {
        message: 'enable_partition_pruning is off for this role or database: no partition is ever excluded.',
        remedy:
          'ALTER ROLE .. RESET enable_partition_pruning; (or ALTER DATABASE .. RESET, or the parameter group).',
      };
    case 'not-analysed':
      return {
        message:
          'The table is not partitioned by RANGE of one column of time: its conditions are not judged.',
        remedy: 'See the plan: partitions that are not listed are excluded.',
      };
  }
};

/** The condition to write instead, and how sure that is. */
export function rewrittenText({ conditions, exact }: Isolated): {
  readonly text: string;
  readonly note: string;
} {
  return {
    text: conditions.join(' AND '),
    note: exact ? '' : ' (near enough to begin with; check the ends of the range)',
  };
}
