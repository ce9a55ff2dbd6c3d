import { usageError } from '../../errors.ts';
import { tokensOf } from '../../partition/pruning/tokens.ts';

/** What EXPLAIN is asked about; whatever else it would take, or would run, is refused. */
const EXPLAINABLE: ReadonlySet<string> = new Set([
  'SELECT',
  'WITH',
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'VALUES',
  'TABLE',
  '(',
]);

/**
 * The one statement in a text, without a semicolon at its end.
 * @throws KeeperError when there is none, more than one, or one that has no plan
 */
export function singleStatement(text: string): string {
  const tokens = tokensOf(text);
  const [first] = tokens ?? [];
  if (tokens === undefined || first === undefined || first.text === ';')
    throw usageError('statement-missing', 'No query is given.', 'Write it in quotes: explain "SELECT ..."');
  const end = tokens.findIndex(({ kind, text: word }) => kind === 'punctuation' && word === ';');
  if (end !== -1 && tokens.slice(end).some(({ text: word }) => word !== ';')) {
    throw usageError(
      'statement-several',
      'There is more than one statement; nothing was sent to the server.',
      'Explain one statement at a time.',
    );
  }
  if (!EXPLAINABLE.has(first.text.toUpperCase())) {
    throw usageError(
      'statement-not-explained',
      `A statement that begins with ${first.text} has no plan to look at; nothing was sent to the server.`,
      'Give a SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES or TABLE, without EXPLAIN before it; a function or a procedure hides its queries: give these.',
    );
  }
  return end === -1 ? text : text.slice(0, tokens[end]?.start);
}

const TYPES_BEFORE_CONSTANTS: ReadonlySet<string> = new Set([
  'INTERVAL',
  'DATE',
  'TIMESTAMP',
  'TIMESTAMPTZ',
  'TIME',
]);

/**
 * A statement as `pg_stat_statements` keeps it, made one that can be parsed: where it had a constant with its type
 * before it (`interval '1 day'`), a parameter cannot stand (`interval $1`), but it can be cast.
 */
export function withCasts(query: string): string {
  const tokens = tokensOf(query) ?? [];
  return tokens.reduceRight((text, { kind, end, text: parameter }, index) => {
    const type = tokens[index - 1];
    if (kind !== 'parameter' || type?.kind !== 'word' || !TYPES_BEFORE_CONSTANTS.has(type.text.toUpperCase()))
      return text;
    return `${text.slice(0, type.start)}CAST(${parameter} AS ${type.text})${text.slice(end)}`;
  }, query);
}
