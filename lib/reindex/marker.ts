import * as v from 'valibot';
import type { LeafIndex } from './model.ts';

/**
 * What a run that was interrupted has to know when it goes on, as the comment of the index that is rebuilt last. An
 * index that has been rebuilt concurrently has another oid, so those that are listed and still there are left to do.
 */
const markerSchema = v.strictObject({
  tableOid: v.pipe(v.number(), v.integer()),
  /** What was asked for, in a form that is equal when the same is asked for again. */
  choice: v.string(),
  /** Oids of the indexes that were to be rebuilt. */
  indexes: v.array(v.pipe(v.number(), v.integer())),
  startedAt: v.string(),
  by: v.string(),
  runId: v.string(),
  /** The comment that the index had before. */
  comment: v.nullable(v.string()),
});

export type ReindexMarker = v.InferOutput<typeof markerSchema>;

const KEY = 'partition-keeper-reindex';

export const reindexText = (marker: ReindexMarker): string => JSON.stringify({ [KEY]: marker });

const envelopeSchema = v.strictObject({ [KEY]: markerSchema });

/** The marker in a comment; null when the comment is anything else. */
export function parseReindex(comment: string | null): ReindexMarker | null {
  if (comment === null || !comment.startsWith(`{"${KEY}":`)) return null;
  try {
    const parsed = v.safeParse(envelopeSchema, JSON.parse(comment));
    return parsed.success ? parsed.output[KEY] : null;
  } catch {
    return null;
  }
}

/** The marker of a table's run that has not come to its end, and the index that carries it. */
export function findMarker(
  tableOid: number,
  indexes: readonly LeafIndex[],
): { readonly marker: ReindexMarker; readonly holder: LeafIndex } | null {
  for (const holder of indexes) {
    const marker = parseReindex(holder.comment);
    if (marker !== null && marker.tableOid === tableOid) return { marker, holder };
  }
  return null;
}
