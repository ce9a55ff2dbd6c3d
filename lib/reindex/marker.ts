import * as v from 'valibot';
import { commentForm } from '../partition/comment.ts';
import type { MarkedIndex } from './model.ts';

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

/** The marker as the comment of an index. */
export const {
  prefix: REINDEX_PREFIX,
  write: reindexText,
  read: parseReindex,
} = commentForm('partition-keeper-reindex', markerSchema);

/** The comment that is somebody's own, however many markers it is wrapped in. */
export function userComment(comment: string | null): string | null {
  const marker = parseReindex(comment);
  return marker === null ? comment : userComment(marker.comment);
}

/** A marker, and the index whose comment it is. */
export interface Noted<Index extends MarkedIndex = MarkedIndex> {
  readonly marker: ReindexMarker;
  readonly holder: Index;
}

/** All markers there are, whatever table they are about. */
export const markersOf = <Index extends MarkedIndex>(indexes: readonly Index[]): Noted<Index>[] =>
  indexes.flatMap((holder) => {
    const marker = parseReindex(holder.comment);
    return marker === null ? [] : [{ marker, holder }];
  });

/** The marker of a table's run that has not come to its end. */
export const findMarker = <Index extends MarkedIndex>(
  tableOid: number,
  indexes: readonly Index[],
): Noted<Index> | null => markersOf(indexes).find(({ marker }) => marker.tableOid === tableOid) ?? null;
