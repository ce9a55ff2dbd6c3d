import type * as v from 'valibot';

/** Valibot tells of the first unknown key of an object only. */
export function unknownText(what: string, issue: v.StrictObjectIssue, known: readonly string[]): string {
  const input: unknown = issue.path?.[0]?.input;
  const unknown = Object.keys(Object(input)).filter((key) => !known.includes(key));
  const others =
    unknown.length > 1 ? `, as ${unknown.length > 2 ? 'are' : 'is'} ${unknown.slice(1).join(', ')}` : '';
  return `unknown ${what}${others}; known are ${known.join(', ')}`;
}

/** The message of a strict object: an unknown key, a missing one, or something else altogether. */
export const unknownKey = (known: readonly string[]) => (issue: v.StrictObjectIssue) =>
  issue.expected === 'never'
    ? unknownText('key', issue, known)
    : issue.received === 'undefined'
      ? 'is required'
      : `must be an object, not ${issue.received}`;
