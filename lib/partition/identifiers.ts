import { hasControls, withoutControls } from './legible.ts';

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

/** One name, with quotes only where SQL needs them; one with control characters as `U&"a\000ab"`, which SQL reads, too. */
export function displayIdentifier(name: string): string {
  if (/^[a-z_][a-z0-9_$]*$/.test(name)) return name;
  if (!hasControls(name)) return quoteIdentifier(name);
  return `U&${withoutControls(quoteIdentifier(name.replaceAll('\\', '\\\\')), '\\')}`;
}

/** `schema.name` with quotes only where SQL needs them, for people. */
export const displayName = (schema: string, name: string): string =>
  `${displayIdentifier(schema)}.${displayIdentifier(name)}`;

const PART = '([a-z_][a-z0-9_$]*|(?:U&)?"(?:[^"]|"")+")';
const DISPLAYED = new RegExp(`^${PART}\\.${PART}$`);

function readIdentifier(text: string): string {
  if (!text.endsWith('"')) return text;
  const name = text.slice(text.indexOf('"') + 1, -1).replaceAll('""', '"');
  if (!text.startsWith('U&')) return name;
  return name.replace(/\\(?:\\|([0-9a-f]{4}))/g, (_, code?: string) =>
    code === undefined ? '\\' : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

/** Schema and name that `displayName` has put together; null for any other text, and for what no server takes for a name. */
export function parseDisplayName(text: string): { readonly schema: string; readonly name: string } | null {
  const [, schema, name] = DISPLAYED.exec(text) ?? [];
  if (schema === undefined || name === undefined) return null;
  const read = { schema: readIdentifier(schema), name: readIdentifier(name) };
  return `${read.schema}${read.name}`.includes('\0') ? null : read;
}

/** As one word of a POSIX shell, for commands to paste; with control characters in it, as bash and zsh read it. */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (hasControls(text)) return `$'${withoutControls(text.replace(/[\\']/g, '\\$&'))}'`;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
