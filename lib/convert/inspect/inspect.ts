import type pg from 'pg';
import { quoteIdentifier } from '../../partition/identifiers.ts';
import type { KeyType } from '../../partition/key-type.ts';
import { parseKeyText } from '../../partition/key-type.ts';
import { MINUS_INFINITY } from '../../partition/range.ts';
import type { TableConfig } from '../../partition/table-config.ts';
import { foreignKeyOf, KEY_TYPE_NAMES, templateOf } from '../../postgres/inspect/managed.ts';
import * as catalog from '../../postgres/inspect/queries.ts';
import type { ColumnRow, ForeignKeyRow, GrantRow, ParentRow } from '../../postgres/inspect/rows.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import type {
  Column,
  Constraint,
  Dependent,
  ExtendedStatistics,
  Index,
  Keys,
  LegacyTable,
  Policy,
  Publication,
  Sequence,
  Trigger,
} from '../model.ts';
import { type FunctionRow, functionDependent, type ViewRow, viewDependent } from './dependents.ts';
import * as queries from './queries.ts';
import { triggerParts } from './trigger.ts';

interface RelationRow {
  readonly kind: string;
  readonly persistence: string;
  readonly options: readonly string[] | null;
  readonly toast_options: readonly string[] | null;
  readonly access_method: string | null;
  readonly relatives: LegacyTable['relatives'];
  readonly heap_bytes: number;
  readonly bytes: number;
  readonly rows: number | null;
  readonly wanting_temporary: string | null;
}

/** Why the table cannot be looked at as one to convert. */
export type Unfit =
  | { readonly reason: 'missing' }
  | { readonly reason: 'no key column' }
  | { readonly reason: 'key type'; readonly type: string };

const KINDS: Readonly<Record<string, LegacyTable['kind']>> = { r: 'table', p: 'partitioned table' };
const PERSISTENCES: Readonly<Record<string, LegacyTable['persistence']>> = {
  p: 'permanent',
  u: 'unlogged',
  t: 'temporary',
};

/**
 * The oldest and newest key. With an index that begins with the key this takes no time; without, the table is read
 * once, which may take as long as that takes.
 */
async function readKeys(
  client: pg.Client,
  table: Pick<LegacyTable, 'schema' | 'name' | 'keyColumn' | 'keyType'> & { readonly nullable: boolean },
): Promise<Keys> {
  const key = quoteIdentifier(table.keyColumn);
  const end = async (order: 'ASC' | 'DESC') => {
    const { rows } = await client.query<{ key: string }>(
      `SELECT ${key}::text AS key FROM ${nameOf(table)} WHERE ${key} IS NOT NULL ORDER BY ${key} ${order} LIMIT 1`,
    );
    const text = rows[0]?.key;
    return text === undefined ? null : (parseKeyText(table.keyType, text) ?? null);
  };
  const nulls = table.nullable
    ? (await client.query(`SELECT FROM ${nameOf(table)} WHERE ${key} IS NULL LIMIT 1`)).rows.length > 0
    : false;
  const oldest = await end('ASC');
  const [endless] =
    oldest === MINUS_INFINITY
      ? (
          await client.query<{ rows: number }>(
            `SELECT count(*)::float8 AS rows FROM ${nameOf(table)} WHERE ${key} = '-infinity'`,
          )
        ).rows
      : [];
  return { oldest, newest: await end('DESC'), nulls, endless: endless?.rows ?? 0 };
}

/**
 * Everything a conversion needs to know of one table, in one snapshot. Waits behind ACCESS EXCLUSIVE locks, for as
 * long as the session lets it.
 * @param known the keys, where they need not be looked for once more
 */
export async function inspectLegacy(
  client: pg.Client,
  config: TableConfig,
  serverVersion: number,
  known: Keys | null = null,
): Promise<LegacyTable | Unfit> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    await client.query("SET LOCAL statement_timeout = '0'");
    const found = await readLegacy(client, config, serverVersion, known);
    await client.query('COMMIT');
    return found;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function readLegacy(
  client: pg.Client,
  config: TableConfig,
  serverVersion: number,
  known: Keys | null,
): Promise<LegacyTable | Unfit> {
  const read = async <Row extends pg.QueryResultRow>(sql: string, ...parameters: readonly unknown[]) =>
    (await client.query<Row>(sql, [...parameters])).rows;
  const { schema, table: name, partitionKey } = config;
  const [parent] = await read<ParentRow>(catalog.PARENTS, [schema], [name]);
  if (parent === undefined || parent.oid === null || parent.owner === null) return { reason: 'missing' };
  const { oid, owner } = parent;
  const [relation] = await read<RelationRow>(queries.RELATION, oid);
  if (relation === undefined) return { reason: 'missing' };
  const columns = await read<{
    readonly name: string;
    readonly type: string;
    readonly bare_type: string;
    readonly not_null: boolean;
    readonly has_default: boolean;
    readonly identity: Column['identity'];
    readonly generated: boolean;
    readonly options: readonly string[];
  }>(queries.COLUMNS, oid);
  const key = columns.find((column) => column.name === partitionKey);
  if (key === undefined) return { reason: 'no key column' };
  const keyType: KeyType | undefined = KEY_TYPE_NAMES[key.bare_type];
  if (keyType === undefined) return { reason: 'key type', type: key.type };
  const seesAll = async () => (await read<{ readonly all: boolean }>(queries.SEES_ALL, oid))[0]?.all === true;
  let all = await seesAll();
  if (!all && parent.may_manage === true && parent.is_owner !== true) {
    await client.query(`SET LOCAL ROLE ${quoteIdentifier(owner)}`);
    all = await seesAll();
  }
  const kind = KINDS[relation.kind] ?? 'other';
  const rowsHidden = !all && parent.force_row_security === true;
  const keys: Keys =
    known ??
    (parent.may_manage === true && kind !== 'other' && !rowsHidden
      ? await readKeys(client, { schema, name, keyColumn: partitionKey, keyType, nullable: !key.not_null })
      : { oldest: null, newest: null, nulls: false, endless: 0 });
  await client.query('RESET ROLE');
  const [digest] = await read<{ fingerprint: string }>(
    `SELECT ${queries.fingerprintSql(oid, partitionKey)} AS fingerprint`,
  );
  const views = await read<ViewRow>(queries.VIEWS, oid);
  const functions = await read<FunctionRow>(queries.FUNCTIONS, oid);
  const others = await read<{ readonly name: string }>(queries.OTHERS, oid);
  const dependents: Dependent[] = [
    ...views.map(viewDependent),
    ...functions.map(functionDependent),
    ...others.map(
      (other): Dependent => ({
        oid: null,
        view: null,
        kind: 'other',
        name: other.name,
        owner: '',
        wanting: null,
        statement: null,
      }),
    ),
  ];
  return {
    oid,
    schema,
    name,
    kind,
    persistence: PERSISTENCES[relation.persistence] ?? 'permanent',
    relatives: relation.relatives,
    keyColumn: partitionKey,
    keyType,
    keyGenerated: key.generated,
    owner,
    mayManage: parent.may_manage === true,
    mayCreate: parent.may_create === true,
    isOwner: parent.is_owner === true,
    foreignKeys: (await read<ForeignKeyRow>(catalog.FOREIGN_KEYS, [oid])).map(foreignKeyOf),
    template: templateOf(
      parent,
      relation,
      await read<GrantRow>(catalog.GRANTS, [oid]),
      await read<ColumnRow>(catalog.COLUMNS, [oid]),
    ),
    columns: columns.map(({ name: column, type, not_null, has_default, identity, generated, options }) => ({
      name: column,
      type,
      notNull: not_null,
      hasDefault: has_default,
      identity,
      generated,
      options,
    })),
    indexes: (
      await read<Omit<Index, 'replicaIdentity'> & { readonly replica_identity: boolean }>(
        queries.INDEXES,
        oid,
      )
    ).map(({ replica_identity, ...index }) => ({ ...index, replicaIdentity: replica_identity })),
    constraints: await read<Constraint>(queries.CONSTRAINTS, oid),
    triggers: (
      await read<
        Omit<Trigger, 'before' | 'after' | 'forEachRow' | 'beforeInsert' | 'transitionTables'> & {
          readonly definition: string;
          readonly for_each_row: boolean;
          readonly before_insert: boolean;
          readonly transition_tables: boolean;
        }
      >(queries.TRIGGERS, oid)
    ).map(({ definition, for_each_row, before_insert, transition_tables, ...trigger }) => ({
      ...trigger,
      ...triggerParts(definition),
      forEachRow: for_each_row,
      beforeInsert: before_insert,
      transitionTables: transition_tables,
    })),
    statistics: await read<ExtendedStatistics>(queries.STATISTICS, oid),
    sequences: await read<Sequence>(queries.SEQUENCES, oid),
    dependents,
    publications: (
      await read<{
        readonly name: string;
        readonly details: string;
        readonly columns: readonly string[] | null;
        readonly as_owner: boolean;
        readonly wanting: string | null;
        readonly via_root: boolean;
      }>(queries.publications(serverVersion), oid)
    ).map(
      (row): Publication => ({
        name: row.name,
        details: row.details,
        columns: row.columns,
        asOwner: row.as_owner,
        wanting: row.wanting,
        viaRoot: row.via_root,
      }),
    ),
    publishedWith: (
      await read<{ readonly name: string; readonly via_root: boolean }>(
        queries.wholePublications(serverVersion),
        oid,
      )
    ).map((row) => ({ name: row.name, viaRoot: row.via_root })),
    referencedBy: (await read<{ readonly name: string }>(queries.REFERENCED_BY, oid)).map((row) => row.name),
    policies: await read<Policy>(queries.POLICIES, oid),
    heapBytes: relation.heap_bytes,
    bytes: relation.bytes,
    rows: relation.rows,
    wantingTemporary: relation.wanting_temporary,
    keys,
    rowsHidden,
    fingerprint: digest?.fingerprint ?? '',
    taken: new Set((await read<{ readonly name: string }>(queries.TAKEN, oid)).map((row) => row.name)),
  };
}
