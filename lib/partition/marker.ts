import { Temporal } from 'temporal-polyfill';
import * as v from 'valibot';

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

/** Our comments are recognised by this key, in SQL by the text they begin with. */
const KEY = 'partition-keeper';
export const MARKER_PREFIX = `{"${KEY}":`;

export const markerText = (marker: Marker): string => JSON.stringify({ [KEY]: marker });

const envelopeSchema = v.strictObject({ [KEY]: markerSchema });

/** The marker in a table's comment; null when the comment is somebody else's, or not exactly of our form. */
export function parseMarker(comment: string | null): Marker | null {
  if (comment === null || !comment.startsWith(MARKER_PREFIX)) return null;
  try {
    const parsed = v.safeParse(envelopeSchema, JSON.parse(comment));
    return parsed.success ? parsed.output[KEY] : null;
  } catch {
    return null;
  }
}
