import type { ReportError } from '../../contract.ts';
import { parseBounds } from '../../partition/bounds.ts';
import { displayIdentifier, displayName, shellWord } from '../../partition/identifiers.ts';
import type { KeyType } from '../../partition/key-type.ts';
import { parseMarker } from '../../partition/marker.ts';
import type { DefaultPartition, DetachedTable, Partition, PartitionedTable } from '../../partition/model.ts';
import type { TableConfig } from '../../partition/table-config.ts';
import { originOf } from './detached.ts';
import type { Inspected } from './inspected.ts';
import { foreignKeyOf, KEY_TYPE_NAMES, templateOf } from './managed.ts';
import type { CatalogRows, ParentRow, PartitionRow } from './rows.ts';

const RELATION_KINDS: Readonly<Record<string, string>> = {
  r: 'an ordinary table',
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  c: 'a composite type',
};

const PARTITION_KINDS: Readonly<Record<string, Partition['kind']>> = {
  r: 'table',
  p: 'partitioned',
  f: 'foreign',
};

type Sound = ParentRow & { readonly oid: number; readonly key_column: string; readonly owner: string };

const isSound = (row: ParentRow): row is Sound =>
  row.oid !== null && row.key_column !== null && row.owner !== null;

function notPartitioned(config: TableConfig, row: ParentRow): ReportError {
  const name = displayName(config.schema, config.table);
  const message = `${name} is ${RELATION_KINDS[row.kind ?? ''] ?? 'no table'}, not a partitioned table`;
  const convert = `npx partition-keeper convert ${shellWord(`${config.schema}.${config.table}`)}`;
  const code = 'not-partitioned';
  if (row.bounded) {
    return {
      code,
      message: `${message}; its conversion is not at its end, and until then it takes no rows from a certain time on.`,
      hint: `See from when on: ${convert} --status. Before then, finish it: ${convert}, or take it back: ${convert} --undo`,
    };
  }
  if (row.mirrored) {
    return {
      code,
      message: `${message}; its conversion is not at its end.`,
      hint: `See how far it is: ${convert} --status. Go on: ${convert}, or take it back: ${convert} --undo`,
    };
  }
  return {
    code,
    message: `${message}.`,
    hint: `Create it with PARTITION BY RANGE (${displayIdentifier(config.partitionKey)}); an existing table is converted by: ${convert}`,
  };
}

/** Why the table cannot be managed as configured; null when it can. */
function objection(config: TableConfig, row: ParentRow): ReportError | null {
  const name = displayName(config.schema, config.table);
  const fix = 'Correct the config, or leave the table out of it.';
  if (!row.schema_exists) {
    return {
      code: 'table-missing',
      message: `There is no schema ${displayIdentifier(config.schema)} in this database, so no ${name}.`,
      hint: `Check the database and the spelling (names are case-sensitive here), or create the table first.`,
    };
  }
  if (row.oid === null) {
    return {
      code: 'table-missing',
      message: `There is no table ${name} in this database.`,
      hint: 'Check the database and the spelling (names are case-sensitive here), or create the table first.',
    };
  }
  if (row.kind !== 'p') return notPartitioned(config, row);
  if (row.strategy !== 'r') {
    const strategy = row.strategy === 'l' ? 'LIST' : 'HASH';
    return {
      code: 'wrong-key',
      message: `${name} is partitioned by ${strategy}; only RANGE partitions follow a calendar.`,
      hint: fix,
    };
  }
  if (row.key_columns !== 1) {
    return {
      code: 'wrong-key',
      message: `The partition key of ${name} has ${row.key_columns} columns; only keys of one column are supported.`,
      hint: fix,
    };
  }
  if (row.key_column === null) {
    return {
      code: 'wrong-key',
      message: `The partition key of ${name} is an expression; only a plain column is supported.`,
      hint: fix,
    };
  }
  if (row.key_column !== config.partitionKey) {
    return {
      code: 'wrong-key',
      message: `${name} is partitioned by ${displayIdentifier(row.key_column)}, but the config says ${displayIdentifier(config.partitionKey)}.`,
      hint: `Write partitionKey: '${row.key_column}' in the config.`,
    };
  }
  const keyType = KEY_TYPE_NAMES[row.key_type ?? ''];
  if (keyType === undefined) {
    return {
      code: 'wrong-key',
      message: `The partition key ${displayIdentifier(row.key_column)} of ${name} is of type ${row.key_type}; supported are timestamptz, timestamp, date, and uuid with UUIDv7 values.`,
      hint: fix,
    };
  }
  if (keyType === 'date' && config.interval === 'hour') {
    return {
      code: 'wrong-key',
      message: `${name} is partitioned by a date, which cannot tell hours apart.`,
      hint: "Use interval: 'day' or longer.",
    };
  }
  return null;
}

function groupBy<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): (key: Key) => readonly Row[] {
  const groups = new Map<Key, Row[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return (key) => groups.get(key) ?? [];
}

/** Turns the rows of the catalog queries into the model the planners work on. */
export function assemble(tables: readonly TableConfig[], rows: CatalogRows): Inspected[] {
  const partitionsOf = groupBy(rows.partitions, ({ parent }) => parent);
  const missingOf = groupBy(rows.missingIndexes, ({ partition }) => partition);
  const invalidOf = groupBy(rows.invalidIndexes, ({ partition }) => partition);
  const referencesOf = groupBy(rows.references, ({ partition }) => partition);
  const foreignKeysOf = groupBy(rows.foreignKeys, ({ parent }) => parent);
  const takenOf = groupBy(rows.takenNames, ({ parent }) => parent);
  const grantsOf = groupBy(rows.grants, ({ parent }) => parent);
  const columnsOf = groupBy(rows.columns, ({ parent }) => parent);
  const sizes = new Map(rows.sizes.map((row) => [row.oid, row]));

  const sizeOf = (oid: number) => sizes.get(oid)?.bytes ?? 0;
  const indexesOf = (oid: number) => ({
    missingIndexes: missingOf(oid).map(({ index }) => index),
    invalidIndexes: invalidOf(oid).map(({ index }) => index),
  });

  function partition(row: PartitionRow, keyType: KeyType): Partition | null {
    const bounds = parseBounds(keyType, row.bounds ?? '');
    if (bounds.kind !== 'range') return null;
    return {
      oid: row.oid,
      schema: row.schema,
      name: row.name,
      range: bounds.range,
      boundsText: row.bounds ?? '',
      kind: PARTITION_KINDS[row.kind] ?? 'table',
      detachPending: row.detach_pending,
      marker: parseMarker(row.comment),
      comment: row.comment,
      strangeOwner: row.strange_owner,
      bytes: sizeOf(row.oid),
      rows: sizes.get(row.oid)?.rows ?? null,
      referencedBy: referencesOf(row.oid).map(({ schema, name }) => displayName(schema, name)),
      ...indexesOf(row.oid),
    };
  }

  function defaultPartition(row: PartitionRow, parent: Sound): DefaultPartition {
    return {
      oid: row.oid,
      schema: row.schema,
      name: row.name,
      kind: PARTITION_KINDS[row.kind] ?? 'table',
      bytes: sizeOf(row.oid),
      rows: null,
      keys: null,
      mayCreateTemporary: parent.may_create_temporary === true,
      cascadesTo: referencesOf(row.oid).flatMap(({ schema, name, cascades }) =>
        cascades ? [displayName(schema, name)] : [],
      ),
      ...indexesOf(row.oid),
    };
  }

  function detachedTables(parent: Sound, keyType: KeyType, origin: 'ours' | 'doubtful'): DetachedTable[] {
    return rows.marked.flatMap((row) => {
      if (originOf(row, parent.oid) !== origin) return [];
      // A marker is only as good as the right to comment: whoever owns the table wrote it.
      if (row.owner !== parent.owner) return [];
      const { oid, schema, name, marker } = row;
      const bounds = parseBounds(keyType, marker.bounds);
      if (bounds.kind !== 'range') return [];
      const kind = PARTITION_KINDS[row.kind] ?? 'table';
      return [{ oid, schema, name, kind, marker, range: bounds.range, bytes: sizeOf(oid) }];
    });
  }

  function table(config: TableConfig, parent: Sound, keyType: KeyType): PartitionedTable {
    const children = partitionsOf(parent.oid);
    const partitions = children
      .flatMap((row) => partition(row, keyType) ?? [])
      .toSorted((a, b) => (a.range.from < b.range.from ? -1 : 1));
    const known = new Set(partitions.map(({ oid }) => oid));
    const others = children.filter(({ oid }) => !known.has(oid));
    const defaultRow = others.find(({ bounds }) => bounds === 'DEFAULT');
    const detached = detachedTables(parent, keyType, 'ours');
    const detachedOids = new Set(detached.map(({ oid }) => oid));
    const newest = partitions.findLast(({ kind }) => kind === 'table');
    return {
      oid: parent.oid,
      schema: config.schema,
      name: config.table,
      keyColumn: parent.key_column,
      keyType,
      owner: parent.owner,
      mayManage: parent.may_manage === true,
      mayCreate: parent.may_create === true,
      isOwner: parent.is_owner === true,
      partitions,
      unreadable: others
        .filter((row) => row !== defaultRow)
        .map(({ oid, schema, name, bounds }) => ({ oid, schema, name, boundsText: bounds ?? '' })),
      defaultPartition: defaultRow === undefined ? null : defaultPartition(defaultRow, parent),
      detached,
      doubtful: detachedTables(parent, keyType, 'doubtful'),
      mirrored: parent.mirrored,
      takenNames: new Map(
        takenOf(parent.oid).map(({ oid, name, own }) => [
          name,
          own ? 'own partition' : detachedOids.has(oid) ? 'own detached table' : 'other',
        ]),
      ),
      foreignKeys: foreignKeysOf(parent.oid).map(foreignKeyOf),
      template: templateOf(
        parent,
        children.find(({ oid }) => oid === newest?.oid),
        grantsOf(parent.oid),
        columnsOf(parent.oid),
      ),
    };
  }

  return tables.map((config, position) => {
    const parent = rows.parents[position];
    if (parent === undefined)
      throw new Error(`the catalog query answered ${rows.parents.length} rows for ${tables.length} tables`);
    const error = objection(config, parent);
    if (error !== null) return { config, error };
    const keyType = KEY_TYPE_NAMES[parent.key_type ?? ''];
    if (!isSound(parent) || keyType === undefined)
      throw new Error(`no objection to ${config.table}, yet it is not sound`);
    return { config, table: table(config, parent, keyType) };
  });
}
