import pg from 'pg';
import type { TestDatabase } from '../database.ts';

export interface ContentsOptions {
  /** Names as in the catalog; all columns in their order unless given. */
  readonly columns?: readonly string[];
  /** SQL, without WHERE. */
  readonly where?: string;
  /** Also fetches the rows, so that a difference can be told. */
  readonly rows?: boolean;
}

/** A row as texts by column; a long text is its beginning, its length and its digest. */
export type RowTexts = readonly (string | null)[];

/** What a table contains at a moment, in whatever order its rows lie. */
export interface Contents {
  readonly columns: readonly string[];
  readonly count: number;
  readonly digest: string;
  /** Sorted; only if asked for. */
  readonly rows?: readonly RowTexts[];
}

/** Texts longer than this are shortened. */
const LONG = 100;

/** SQL of the texts of a row, as an array. */
export function rowTexts(columns: readonly string[], of?: string): string {
  const texts = columns.map((column) => {
    const name = of === undefined ? pg.escapeIdentifier(column) : `${of}.${pg.escapeIdentifier(column)}`;
    return `CASE WHEN length(${name}::text) > ${LONG}
      THEN left(${name}::text, 20) || '... ' || length(${name}::text) || ' long, md5 ' || md5(${name}::text)
      ELSE ${name}::text END`;
  });
  return `ARRAY[${texts.join(', ')}]`;
}

/** The names of the columns of a table, in order. */
export async function columnsOf(database: TestDatabase, table: string): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [table],
  );
  return rows.map(({ name }) => name);
}

/** @param table as statements name it */
export async function contents(
  database: TestDatabase,
  table: string,
  { columns, where = 'true', rows = false }: ContentsOptions = {},
): Promise<Contents> {
  const names = columns ?? (await columnsOf(database, table));
  const source = `SELECT ${rowTexts(names)} AS texts FROM ${table} WHERE ${where}`;
  const [sum] = await database.query<{ count: number; digest: string }>(
    `SELECT count(*)::int AS count, md5(coalesce(string_agg(digest, '' ORDER BY digest), '')) AS digest
     FROM (SELECT md5(texts::text) AS digest FROM (${source}) AS of_texts) AS of_digests`,
  );
  const { count = 0, digest = '' } = sum ?? {};
  if (!rows) return { columns: names, count, digest };
  const found = await database.query<{ texts: RowTexts }>(
    `SELECT texts FROM (${source}) AS of_texts ORDER BY texts::text COLLATE "C"`,
  );
  return { columns: names, count, digest, rows: found.map(({ texts }) => texts) };
}

/** How many lines a difference takes at most. */
const LINES = 8;

/**
 * In what two contents differ, in a few lines; nothing if they are equal. Rows are told by the column `by`; without the
 * rows it can only be told that there is a difference.
 */
export function contentsDifference(before: Contents, after: Contents, by = 'id'): string[] {
  if (before.columns.join() !== after.columns.join())
    return [`columns: ${before.columns.join()}, afterwards ${after.columns.join()}`];
  if (before.digest === after.digest && before.count === after.count) return [];
  const summary = `${before.count} rows, digest ${before.digest}, afterwards ${after.count}, ${after.digest}`;
  if (before.rows === undefined || after.rows === undefined) return [summary];
  return [summary, ...shortened(rowsDifference(before.columns, before.rows, after.rows, by))];
}

/** In what two lists of rows differ, row by row, in the order of the column that tells them apart. */
export function rowsDifference(
  columns: readonly string[],
  before: readonly RowTexts[],
  after: readonly RowTexts[],
  by = 'id',
): string[] {
  const place = columns.indexOf(by);
  const group = (rows: readonly RowTexts[]): Map<string | null, RowTexts[]> =>
    Map.groupBy(rows, (row) => row[place] ?? null);
  const was = group(before);
  const is = group(after);
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((id) => {
    const [old = [], current = []] = [was.get(id), is.get(id)];
    const [first, second] = [old[0], current[0]];
    const name = `${by} ${id}`;
    if (first === undefined) return [`${name}: not expected (${current.length} times)`];
    if (second === undefined) return [`${name}: lost`];
    if (old.length !== current.length) return [`${name}: ${current.length} times instead of ${old.length}`];
    const changed = columns.flatMap((column, index) =>
      first[index] === second[index]
        ? []
        : [`${column}: ${first[index] ?? 'NULL'} -> ${second[index] ?? 'NULL'}`],
    );
    return changed.length === 0 ? [] : [`${name}: ${changed.join('; ')}`];
  });
}

export const shortened = (lines: readonly string[], most = LINES): string[] =>
  lines.length <= most ? [...lines] : [...lines.slice(0, most), `and ${lines.length - most} more`];
