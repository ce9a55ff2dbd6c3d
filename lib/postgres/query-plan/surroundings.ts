import type pg from 'pg';

/** What the meaning of a query depends on besides its text. */
export interface Surroundings {
  readonly searchPath: string;
  /** The schemas in which names are looked up. */
  readonly schemas: readonly string[];
  readonly timeZone: string;
  readonly pruningEnabled: boolean;
}

/**
 * Begins a transaction in which a query means what it means to the application: the settings are those of role and
 * database, but for the style in which plans are printed. Nothing can be changed in it, and nothing waits for long.
 * @param searchPath instead of that of role and database
 */
export async function beginAsApplication(
  client: pg.Client,
  searchPath: string | undefined,
): Promise<Surroundings> {
  // For what EXPLAIN waits: ACCESS SHARE on what it reads, ROW EXCLUSIVE on what it would change.
  await client.query(`
    BEGIN READ ONLY;
    SET LOCAL lock_timeout = '2s';
    SET LOCAL statement_timeout = '30s';
    SET LOCAL TimeZone TO DEFAULT;
    SET LOCAL DateStyle TO DEFAULT;
    SET LOCAL DateStyle = 'ISO';
    SET LOCAL IntervalStyle = 'postgres';
    SET LOCAL row_security TO DEFAULT;
    SET LOCAL search_path TO DEFAULT`);
  if (searchPath !== undefined)
    await client.query("SELECT pg_catalog.set_config('search_path', $1, true)", [searchPath]);
  const { rows } = await client.query<{
    readonly search_path: string;
    readonly schemas: readonly string[];
    readonly time_zone: string;
    readonly pruning: string;
  }>(`
    SELECT pg_catalog.current_setting('search_path') AS search_path,
           pg_catalog.current_schemas(true)::pg_catalog.text[] AS schemas,
           pg_catalog.current_setting('TimeZone') AS time_zone,
           pg_catalog.current_setting('enable_partition_pruning') AS pruning`);
  const [row] = rows;
  if (row === undefined) throw new Error('the server told nothing of its settings');
  return {
    searchPath: row.search_path,
    schemas: row.schemas,
    timeZone: row.time_zone,
    pruningEnabled: row.pruning === 'on',
  };
}
