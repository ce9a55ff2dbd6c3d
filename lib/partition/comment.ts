import * as v from 'valibot';

/** What we keep as the comment of a relation, so that the catalog is all that has to be remembered. */
export interface CommentForm<Value> {
  /** What the text begins with, by which SQL finds such comments. */
  readonly prefix: string;
  readonly write: (value: Value) => string;
  /** What a comment says; null when it is somebody else's, or not exactly of this form. */
  readonly read: (comment: string | null) => Value | null;
}

/** @param key the one key of the JSON object around the value */
export function commentForm<const Schema extends v.GenericSchema>(
  key: string,
  schema: Schema,
): CommentForm<v.InferOutput<Schema>> {
  const prefix = `{"${key}":`;
  const envelope = v.strictObject({ [key]: schema });
  return {
    prefix,
    write: (value) => JSON.stringify({ [key]: value }),
    read(comment) {
      if (comment === null || !comment.startsWith(prefix)) return null;
      try {
        const parsed = v.safeParse(envelope, JSON.parse(comment));
        return parsed.success ? (parsed.output[key] ?? null) : null;
      } catch {
        return null;
      }
    },
  };
}
