import { inject } from 'vitest';
import type { TestDatabase } from './database.ts';

/** A tablespace with the name of the database, which the server makes for as long as it is looked at; empty by the end. */
export async function withTablespace(
  database: TestDatabase,
  use: (name: string) => Promise<void>,
): Promise<void> {
  // In place from PostgreSQL 15 on; before that the server makes the folder through COPY .. TO PROGRAM.
  const name = `space_${database.name}`;
  const inPlace = inject('serverVersion') >= 15;
  const [row] = await database.query<{ folder: string }>(
    "SELECT current_setting('data_directory') || '-' || $1 AS folder",
    [name],
  );
  const folder = inPlace ? '' : (row?.folder ?? '');
  if (inPlace) await database.query('SET allow_in_place_tablespaces = on');
  else await database.query(`COPY (SELECT 1) TO PROGRAM 'mkdir "${folder}" && cat'`);
  await database.query(`CREATE TABLESPACE ${name} LOCATION '${folder}'`);
  try {
    await use(name);
  } finally {
    await database.query(`DROP TABLESPACE ${name}`);
    if (folder !== '') await database.query(`COPY (SELECT 1) TO PROGRAM 'rmdir "${folder}" && cat'`);
  }
}
