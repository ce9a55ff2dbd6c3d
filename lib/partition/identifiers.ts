/** SQL text of names and values. Every name that reaches a statement goes through here. */

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A string constant that means the same whatever `standard_conforming_strings` says. */
export function quoteLiteral(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return text.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/** `"schema"."name"`, for statements. */
export const qualified = (schema: string, name: string): string =>
  `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;

/** One name, with quotes only where SQL needs them. */
export const displayIdentifier = (name: string): string =>
  /^[a-z_][a-z0-9_$]*$/.test(name) ? name : quoteIdentifier(name);

/** `schema.name` with quotes only where SQL needs them, for people. */
export const displayName = (schema: string, name: string): string =>
  `${displayIdentifier(schema)}.${displayIdentifier(name)}`;

/** As one word of a POSIX shell, for commands to paste. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
