import type { Interval } from './calendar.ts';
import type { Span } from './span.ts';

/** What a user wants of one table, with every default filled in. */
export interface TableConfig {
  readonly schema: string;
  readonly table: string;
  readonly partitionKey: string;
  readonly interval: Interval;
  readonly premake: number;
  /** Null: kept for ever. */
  readonly retention: Span | null;
  readonly expired: 'drop' | 'detach';
  /** Null: dropped in the same run. */
  readonly grace: Span | null;
  readonly overdueAfter: Span;
  /** Share of a table's partitions above which a cleanup wants approval. */
  readonly maxExpiredShare: number;
  readonly timeZone: string;
}
