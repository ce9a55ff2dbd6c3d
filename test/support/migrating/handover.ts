import { expect } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import type { TestDatabase } from '../database.ts';
import { keeper, type Settings } from '../keeper.ts';

/** What a partition is and holds, by which one sees that nobody has touched it. */
interface Held {
  readonly oid: number;
  readonly file: number;
  readonly bounds: string;
  readonly rows: number;
  readonly digest: string | null;
}

const nameOf = ({ schema = 'app', table = 'events' }: Settings): string => `${schema}.${table}`;

/** The partitions of a table by name, but the default one. */
export async function partitionsHeld(database: TestDatabase, table: string): Promise<Record<string, Held>> {
  const partitions = await database.query<{ name: string; oid: number; file: number; bounds: string }>(
    `SELECT c.oid::regclass::text AS name, c.oid, c.relfilenode AS file, pg_get_expr(c.relpartbound, c.oid) AS bounds
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = $1::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'`,
    [table],
  );
  const held: Record<string, Held> = {};
  for (const { name, ...partition } of partitions)
    held[name] = { ...partition, ...(await contentsOf(database, `ONLY ${name}`)) };
  return held;
}

/** Number and digest of the rows of a table, partitions included. */
export async function contentsOf(
  database: TestDatabase,
  table: string,
): Promise<{ readonly rows: number; readonly digest: string | null }> {
  const [contents] = await database.query<{ rows: number; digest: string | null }>(
    `SELECT count(*)::int AS rows, md5(string_agg(t::text, ',' ORDER BY t::text)) AS digest FROM ${table} AS t`,
  );
  if (contents === undefined) throw new Error('count(*) has no row.');
  return contents;
}

const alarming = (report: Report): string[] =>
  report.tables.flatMap(({ table, error, findings }) => [
    ...(error === undefined ? [] : [`${table}: ${error.message}`]),
    ...findings.filter(({ severity }) => severity !== 'info').map(({ message }) => message),
  ]);

/**
 * Takes tables over from whoever made their partitions, and asserts what the guide promises of it: the partitions that
 * exist stay as they are, to the file; no row is lost; health is satisfied; and nothing is left to create.
 */
export async function takeOver(database: TestDatabase, ...tables: readonly Settings[]): Promise<Report> {
  const look = async (what: (table: string) => Promise<unknown>) => {
    const found: Record<string, unknown> = {};
    for (const table of tables) found[nameOf(table)] = await what(nameOf(table));
    return found;
  };
  const to = keeper(database, ...tables);
  const partitions = await look((table) => partitionsHeld(database, table));
  const contents = await look((table) => contentsOf(database, table));
  expect(await to.validate()).toMatchObject({ ok: true });
  const report = await to.create();
  expect(alarming(report)).toEqual([]);
  expect(await look((table) => partitionsHeld(database, table))).toMatchObject(partitions);
  expect(await look((table) => contentsOf(database, table))).toEqual(contents);
  expect(alarming(await to.health())).toEqual([]);
  expect((await to.create()).tables.flatMap(({ steps }) => steps)).toEqual([]);
  return report;
}

/**
 * Removes what is past retention, and asserts that this is what the server finds to end before then, and nothing else.
 * Returns the names.
 */
export async function cleanUp(database: TestDatabase, table: Settings, retention: string): Promise<string[]> {
  const names = async (condition: string): Promise<string[]> => {
    const rows = await database.query<{ name: string }>(
      `SELECT name FROM (
         SELECT c.oid::regclass::text AS name, substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([^'']+)''\\)') AS upper
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass
       ) AS p WHERE ${condition} ORDER BY name`,
      [nameOf(table)],
    );
    return rows.map(({ name }) => name);
  };
  const expired = await names(`p.upper::timestamptz <= now() - interval '${retention}'`);
  const kept = await names(`p.upper::timestamptz > now() - interval '${retention}' OR p.upper IS NULL`);
  // Much is past retention where nothing was ever removed.
  const report = await keeper(database, table).cleanup({ approve: true });
  expect(alarming(report)).toEqual([]);
  expect(report.tables.flatMap(({ steps }) => steps.map(({ partition }) => partition)).sort()).toEqual(
    expired,
  );
  expect(await names('true')).toEqual(kept);
  return expired;
}
