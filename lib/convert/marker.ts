import * as v from 'valibot';
import { commentForm } from '../partition/comment.ts';

/**
 * How a table is converted: it becomes a partition; its rows are copied into partitions; the same for a table that is
 * partitioned already, but not as wanted; or back into a plain table.
 */
export const STRATEGIES = ['attach', 'copy', 'split', 'unconvert'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/**
 * Where a conversion stands, as the comment of the table to be, and later of the one that was replaced: of which
 * table, by what strategy, and from where on new partitions take over. What else is done is seen in the catalog.
 */
const markerSchema = v.strictObject({
  tableOid: v.pipe(v.number(), v.integer()),
  strategy: v.picklist(STRATEGIES),
  /** The first key of the new partitions, as text of its type in UTC; null where rows are copied. */
  boundary: v.nullable(v.string()),
  /** The columns that tell rows apart in both tables; only where rows are copied. */
  identity: v.optional(v.array(v.string())),
  /** Whether the partition key might be null before. */
  nullableKey: v.optional(v.boolean()),
  /** What the partitioned table was made after. */
  fingerprint: v.string(),
  startedAt: v.string(),
  by: v.string(),
  runId: v.string(),
});

export type ConversionMarker = v.InferOutput<typeof markerSchema>;

/** The marker as the comment of a table. */
export const { write: conversionText, read: parseConversion } = commentForm(
  'partition-keeper-conversion',
  markerSchema,
);
