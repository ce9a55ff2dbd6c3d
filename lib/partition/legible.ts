/**
 * What a terminal obeys instead of showing it, what begins a new line, and what turns the direction of text: a name or
 * a query with such characters in it could pass for words that nobody of ours has said.
 */
const CONTROL = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

export const hasControls = (text: string): boolean => text.search(CONTROL) !== -1;

/** For people: each such character as `\u001b`, or with another sign before its four digits. */
export const withoutControls = (text: string, sign = '\\u'): string =>
  text.replace(CONTROL, (character) => sign + character.charCodeAt(0).toString(16).padStart(4, '0'));
