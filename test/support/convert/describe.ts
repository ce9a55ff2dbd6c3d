import pg from 'pg';
import { inject } from 'vitest';
import type { TestDatabase } from '../database.ts';
import { shortened } from './contents.ts';
import * as sql from './describe-sql.ts';

type Named = Readonly<Record<string, unknown>>;

/** A table in the words of people: no oids, nothing that depends on when it was made. */
export interface TableDescription {
  /** Is the same before and after a conversion that keeps its promises. */
  readonly kept: {
    readonly owner: unknown;
    readonly comment: unknown;
    readonly rowSecurity: unknown;
    readonly rowSecurityForced: unknown;
    readonly grants: unknown;
    readonly columnOrder: readonly string[];
    readonly columns: Named;
    /** By column, with whether the next value is above all there are. */
    readonly sequences: Named;
    /** Those that are not unique. */
    readonly indexes: Named;
    readonly constraints: Named;
    readonly incomingForeignKeys: Named;
    readonly triggers: Named;
    readonly policies: Named;
    readonly rules: Named;
    readonly publications: Named;
    readonly statistics: Named;
    readonly inheritanceChildren: Named;
    readonly views: Named;
    readonly functions: Named;
  };
  readonly kind: 'plain' | 'partitioned';
  readonly partitionKey: unknown;
  /** The primary key and all that is unique: a partitioned table has to have its key in each. */
  readonly keys: Named;
  /** What only relations with rows have, from the table itself or its partitions: one entry if they agree. */
  readonly storage: readonly unknown[];
}

interface NamedRow {
  readonly [column: string]: unknown;
  readonly name: string;
  readonly is: unknown;
}

/** Describes the table that has the name now. */
export async function describeTable(
  database: TestDatabase,
  schema: string,
  table: string,
): Promise<TableDescription> {
  const qualified = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
  const [found] = await database.query<{ oid: string; shown: string }>(
    'SELECT $1::regclass::oid::text AS oid, $1::regclass::text AS shown',
    [qualified],
  );
  const { oid, shown } = found ?? { oid: '0', shown: '' };
  const ask = (query: string): Promise<NamedRow[]> => database.query<NamedRow>(query, [oid]);
  const named = async (query: string): Promise<Named> => byName(await ask(query));

  const [is] = await ask(sql.TABLE);
  if (is === undefined) throw new Error(`There is no table ${qualified}.`);
  const columns = await ask(sql.COLUMNS);
  const indexes = await ask(sql.INDEXES);
  const plainIndexes = indexes.filter((index) => index['is_key'] !== true);
  return {
    kept: {
      owner: is['owner'],
      comment: is['comment'],
      rowSecurity: is['row_security'],
      rowSecurityForced: is['row_security_forced'],
      grants: is['grants'],
      columnOrder: columns.map(({ name }) => name),
      columns: byName(columns),
      sequences: await sequencesOf(database, oid, qualified),
      indexes: byName(plainIndexes.map((index) => ({ ...index, is: normalised(index.is, shown) }))),
      constraints: await named(sql.CONSTRAINTS),
      incomingForeignKeys: await named(sql.INCOMING),
      triggers: await named(sql.TRIGGERS),
      policies: await named(sql.POLICIES),
      rules: await named(sql.RULES),
      publications: await named(sql.publications(inject('serverVersion'))),
      statistics: await named(sql.STATISTICS),
      inheritanceChildren: await named(sql.CHILDREN),
      views: await named(sql.VIEWS),
      functions: await named(sql.FUNCTIONS),
    },
    kind: is['partitioned'] === true ? 'partitioned' : 'plain',
    partitionKey: is['partition_key'],
    keys: byName(
      indexes.filter((index) => index['is_key'] === true).map(({ name, key }) => ({ name, is: key })),
    ),
    storage: distinct((await ask(sql.STORAGE)).map((relation) => relation.is)),
  };
}

const byName = (rows: readonly NamedRow[]): Named =>
  Object.fromEntries(rows.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, is }) => [name, is]));

/** The index of a partitioned table is defined ON ONLY it. */
function normalised(index: unknown, table: string): unknown {
  const { definition, ...rest } = index as { readonly definition: string };
  return { ...rest, definition: definition.replace(` ON ONLY ${table} `, () => ` ON ${table} `) };
}

function distinct(values: readonly unknown[]): unknown[] {
  const texts = new Set(values.map((value) => JSON.stringify(value)));
  return [...texts].toSorted().map((text) => JSON.parse(text));
}

async function sequencesOf(database: TestDatabase, oid: string, table: string): Promise<Named> {
  const sequences = await database.query<NamedRow & { sequence: string; identity: boolean }>(sql.SEQUENCES, [
    oid,
  ]);
  const entries = sequences.map(async ({ name, sequence, identity, is }) => {
    const [next] = await database.query<{ above: boolean }>(
      `SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END
         > coalesce((SELECT max(${pg.escapeIdentifier(name)}) FROM ${table}), 0) AS above FROM ${sequence}`,
    );
    return [name, { ...(is as object), identity, nextIsAboveAll: next?.above }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

export interface DifferenceOptions {
  /** Beginnings of lines that are expected to differ. */
  readonly except?: readonly string[];
  /** How many lines are told: a few unless given. */
  readonly most?: number;
}

/**
 * In what two descriptions, or parts of them, differ, one line each: `kept.columns.note.comment: "old" -> "new"`.
 */
export function descriptionDifference(
  before: unknown,
  after: unknown,
  { except = [], most }: DifferenceOptions = {},
): string[] {
  const lines = difference('', before, after);
  return shortened(
    lines.filter((line) => !except.some((beginning) => line.startsWith(beginning))),
    most,
  );
}

function difference(path: string, before: unknown, after: unknown): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isRecord(before) || !isRecord(after)) return [`${path}: ${told(before)} -> ${told(after)}`];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) =>
    difference(path === '' ? name : `${path}.${name}`, before[name], after[name]),
  );
}

const isRecord = (value: unknown): value is Named =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const told = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));
