/** A definition before its `ON table` and after it. */
export interface TriggerParts {
  readonly before: string;
  readonly after: string;
}

/** Quoted names pass whole: what stands in them is no word of the definition, and `ON` itself is a name only in quotes. */
const PARTS = /^(?<before>(?:[^"]|"[^"]*")*?) ON (?:[^". ]|"[^"]*")+\.(?:[^". ]|"[^"]*")+ (?<after>.*)$/s;

/** Takes apart what `pg_get_triggerdef` prints, so that it can be said of another table. */
export function triggerParts(definition: string): TriggerParts {
  const { before, after } = PARTS.exec(definition)?.groups ?? {};
  if (before === undefined || after === undefined)
    throw new Error(`a trigger is not defined as expected: ${definition}`);
  return { before, after };
}
