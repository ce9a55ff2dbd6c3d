import type pg from 'pg';
import type { TableConfig } from '../../partition/table-config.ts';
import { isLockFailure } from '../sqlstate.ts';
import { assemble } from './assemble.ts';
import { countDefaultRows } from './default-rows.ts';
import { readMarkedTables } from './detached.ts';
import type { Inspected } from './inspected.ts';
import * as queries from './queries.ts';
import type {
  CatalogRows,
  ColumnRow,
  ForeignKeyRow,
  GrantRow,
  IndexRow,
  ParentRow,
  PartitionRow,
  ReferenceRow,
  SizeRow,
  TakenNameRow,
} from './rows.ts';

export interface InspectOptions {
  /** Ask the file system instead of the statistics; waits behind ACCESS EXCLUSIVE locks, for a moment. */
  readonly exactSizes?: boolean | undefined;
}

async function readSizes(client: pg.Client, oids: readonly number[], exact: boolean): Promise<SizeRow[]> {
  const estimates = (await client.query<SizeRow>(queries.ESTIMATES, [oids])).rows;
  if (!exact) return estimates;
  await client.query('SAVEPOINT exact_sizes');
  try {
    const measured = (await client.query<SizeRow>(queries.EXACT_SIZES, [oids])).rows;
    const bytes = new Map(measured.map((row) => [row.oid, row.bytes]));
    return estimates.map((row) => ({ ...row, bytes: bytes.get(row.oid) ?? row.bytes }));
  } catch (error) {
    if (!isLockFailure(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT exact_sizes');
    return estimates;
  }
}

async function readCatalog(
  client: pg.Client,
  tables: readonly TableConfig[],
  exact: boolean,
): Promise<CatalogRows> {
  const read = async <Row extends pg.QueryResultRow>(sql: string, parameters: readonly unknown[]) =>
    (await client.query<Row>(sql, [...parameters])).rows;
  const parents = await read<ParentRow>(queries.PARENTS, [
    tables.map(({ schema }) => schema),
    tables.map(({ table }) => table),
  ]);
  const oids = [parents.flatMap(({ oid }) => (oid === null ? [] : [oid]))];
  const partitions = await read<PartitionRow>(queries.PARTITIONS, oids);
  const marked = await readMarkedTables(client);
  const sized = [...partitions, ...marked].map(({ oid }) => oid);
  return {
    parents,
    partitions,
    marked,
    sizes: await readSizes(client, sized, exact),
    missingIndexes: await read<IndexRow>(queries.MISSING_INDEXES, oids),
    invalidIndexes: await read<IndexRow>(queries.INVALID_INDEXES, oids),
    foreignKeys: await read<ForeignKeyRow>(queries.FOREIGN_KEYS, oids),
    references: await read<ReferenceRow>(queries.REFERENCES, oids),
    takenNames: await read<TakenNameRow>(queries.TAKEN_NAMES, oids),
    grants: await read<GrantRow>(queries.GRANTS, oids),
    columns: await read<ColumnRow>(queries.COLUMNS, oids),
  };
}

/**
 * Everything the planners need to know of the configured tables, in a constant number of queries and in one
 * snapshot. Waits for no lock.
 */
export async function inspect(
  client: pg.Client,
  tables: readonly TableConfig[],
  options: InspectOptions = {},
): Promise<Inspected[]> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    const rows = await readCatalog(client, tables, options.exactSizes === true);
    await client.query('COMMIT');
    return await countDefaultRows(client, assemble(tables, rows));
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
