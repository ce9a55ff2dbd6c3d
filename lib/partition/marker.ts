import { Temporal } from 'temporal-polyfill';
import * as v from 'valibot';
import { commentForm } from './comment.ts';

/** Whether those who read the marker can make an instant of the text. */
function isInstant(text: string): boolean {
  try {
    Temporal.Instant.from(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * What must survive between runs, kept as the comment of a detached (or being detached) table: whose
 * partition it was, with which bounds, since when and by whom.
 */
const markerSchema = v.strictObject({
  parentOid: v.pipe(v.number(), v.integer()),
  parent: v.string(),
  bounds: v.string(),
  detachedAt: v.pipe(v.string(), v.check(isInstant)),
  by: v.string(),
  runId: v.string(),
  /** The comment the table had before. */
  comment: v.nullable(v.string()),
});

export type Marker = v.InferOutput<typeof markerSchema>;

/** The marker as the comment of a table. */
export const {
  prefix: MARKER_PREFIX,
  write: markerText,
  read: parseMarker,
} = commentForm('partition-keeper', markerSchema);
