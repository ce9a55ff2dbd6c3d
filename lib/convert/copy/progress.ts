import * as v from 'valibot';

/** How far the copy is, as the comment on the log of changes; the batches themselves write it. */
const copySchema = v.object({
  /** The table that is being copied, 0 at first, and the block up to which it is. */
  leaf: v.number(),
  block: v.number(),
  /** Its file, in which those blocks are; absent: none of them has been copied. */
  file: v.optional(v.number()),
  /** Blocks of the next batch. */
  size: v.number(),
  /** Rows in each block of the last one; absent: there was none. */
  density: v.optional(v.number()),
  rows: v.number(),
  copied: v.optional(v.boolean(), false),
  /** Whether what was changed meanwhile has been put right. */
  settled: v.optional(v.boolean(), false),
  verified: v.optional(
    v.object({
      at: v.string(),
      runId: v.string(),
      rows: v.number(),
      differences: v.number(),
      /** What both tables were like. */
      shape: v.optional(v.string(), ''),
      /** Some of the rows that differ. */
      examples: v.array(v.string()),
      /** How often this run has compared. */
      round: v.number(),
    }),
  ),
});
export type CopyProgress = v.InferOutput<typeof copySchema>;

export const COPY_KEY = 'partition-keeper-copy';

export const startText = (): string =>
  JSON.stringify({ [COPY_KEY]: { leaf: 0, block: 0, size: 256, rows: 0 } });

/** What the comment says; null where it says nothing of the kind. */
export function parseProgress(comment: string | null): CopyProgress | null {
  if (comment === null || !comment.startsWith(`{"${COPY_KEY}":`)) return null;
  try {
    const parsed = v.safeParse(v.object({ [COPY_KEY]: copySchema }), JSON.parse(comment));
    return parsed.success ? (parsed.output[COPY_KEY] ?? null) : null;
  } catch {
    return null;
  }
}
