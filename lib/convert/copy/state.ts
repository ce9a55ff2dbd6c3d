import type pg from 'pg';
import * as v from 'valibot';
import { quoteIdentifier } from '../../partition/identifiers.ts';
import type { PartitionedTable } from '../../partition/model.ts';
import { MIRROR } from '../../partition/names.ts';
import { type Range, union } from '../../partition/range.ts';
import type { TableConfig } from '../../partition/table-config.ts';
import { inspect } from '../../postgres/inspect/inspect.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import { inspectLegacy } from '../inspect/inspect.ts';
import { type ConversionMarker, parseConversion } from '../marker.ts';
import type { Keys, LegacyTable } from '../model.ts';
import { changesName, mirrorName, parentName, plainName, replacedName, TRUNCATE } from '../names.ts';
import type { Leaf } from './build.ts';
import { takeable } from './changes.ts';
import { shapeSql } from './compared.ts';
import { LAST_CHANGES } from './mirror.ts';
import { changesOf, hasRoom, type Pair, sameRow } from './pair.ts';
import { type CopyProgress, parseProgress } from './progress.ts';

/** How far a copy is, as the catalog says: what is there of the other table, and of what ties the two together. */
export interface CopyState {
  /** Whether the other table is still to take the place, or has been replaced. */
  readonly phase: 'before' | 'after';
  readonly marker: ConversionMarker;
  readonly other: LegacyTable;
  readonly leaves: readonly Leaf[];
  /** The keys the other table has room for; null: all. */
  readonly room: Pair['room'];
  /** Whether some of the triggers are on the table in use. */
  readonly tied: boolean;
  /** Whether they all are, and fire whatever is written. */
  readonly captured: boolean;
  /** What a comparison depends on besides rows. */
  readonly shape: string;
  readonly log: {
    readonly progress: CopyProgress | null;
    /** Changes that can be taken over, and are still to be: none, few enough to do it while writers wait, or many. */
    readonly outstanding: 'none' | 'few' | 'many';
    /** Whether some are of rows for which there is no room. */
    readonly outside: boolean;
    readonly truncated: boolean;
  } | null;
  /** Since when the other table follows, and by which function; null: it does not, changes are noted at most. */
  readonly follows: { readonly since: string; readonly digest: string } | null;
  /** Whether the function is there. */
  readonly mirrored: boolean;
}

const NO_KEYS: Keys = { oldest: null, newest: null, nulls: false, endless: 0 };

const CANDIDATES = `
  SELECT c.relname AS name, d.description AS comment, pg_get_userbyid(c.relowner) AS owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
  WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND c.relkind IN ('r', 'p')`;

const LEAVES = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name,
         (SELECT count(*)::int FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid) AS indexes,
         coalesce((SELECT json_agg(json_build_object('name', k.conname, 'validated', k.convalidated)) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'), '[]') AS keys
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid IN (SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = $1) OR c.oid = $1 AND c.relkind = 'r'
  ORDER BY c.oid`;

interface LeafRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly indexes: number;
  readonly keys: Leaf['foreignKeys'];
}

/** Whether the table in use has the triggers; the comments on log and function. */
const TIES = `
  SELECT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = $1 AND t.tgname IN ('${MIRROR}', '${TRUNCATE}')) AS tied,
         2 = (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = $1 AND t.tgname IN ('${MIRROR}', '${TRUNCATE}') AND t.tgenabled = 'A')
         AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_partition_tree($1) p ON p.relid = t.tgrelid WHERE t.tgname = '${MIRROR}' AND t.tgenabled IN ('D', 'R')) AS captured,
         (SELECT c.oid::int8::float8 FROM pg_class c WHERE c.relnamespace = o.relnamespace AND c.relname = $2 AND c.relkind = 'r' AND c.relowner = o.relowner) AS log,
         (SELECT obj_description(c.oid, 'pg_class') FROM pg_class c WHERE c.relnamespace = o.relnamespace AND c.relname = $2 AND c.relkind = 'r' AND c.relowner = o.relowner) AS progress,
         p.oid IS NOT NULL AS mirrored, obj_description(p.oid, 'pg_proc') AS follows
  FROM pg_class o LEFT JOIN pg_proc p ON p.pronamespace = o.relnamespace AND p.proname = $3 AND p.pronargs = 0 AND p.proowner = o.relowner
  WHERE o.oid = $1`;

interface TiesRow {
  readonly tied: boolean;
  readonly captured: boolean;
  readonly log: number | null;
  readonly progress: string | null;
  readonly mirrored: boolean;
  readonly follows: string | null;
}

const followsSchema = v.object({
  'partition-keeper-mirror': v.object({ since: v.pipe(v.string(), v.regex(/^\d+$/)), follows: v.string() }),
});

function parseFollows(comment: string | null): CopyState['follows'] {
  if (comment === null) return null;
  try {
    const parsed = v.safeParse(followsSchema, JSON.parse(comment));
    if (!parsed.success) return null;
    const { since, follows } = parsed.output['partition-keeper-mirror'];
    return { since, digest: follows };
  } catch {
    return null;
  }
}

/** The keys the partitions of a table hold, joined where they touch; null where there is a partition for the rest. */
export const roomOf = (table: PartitionedTable | null): Pair['room'] =>
  table === null || table.defaultPartition !== null
    ? null
    : union(table.partitions.map(({ range }) => range));

/** What the log holds, as far as it matters. */
async function readLog(
  client: pg.Client,
  pair: Pair,
): Promise<Omit<NonNullable<CopyState['log']>, 'progress'>> {
  const first = `l.${quoteIdentifier(pair.identity[0] ?? '')}`;
  const { rows } = await client.query<{ truncated: boolean; count: number; outside: boolean }>(`
    SELECT EXISTS (SELECT FROM ${changesOf(pair)} AS l WHERE ${first} IS NULL) AS truncated,
           (SELECT count(*)::int FROM (SELECT FROM ${changesOf(pair)} AS l WHERE ${takeable(pair, 'l')} LIMIT ${LAST_CHANGES + 1}) AS few) AS count,
           EXISTS (SELECT FROM ${changesOf(pair)} AS l WHERE NOT ${hasRoom(pair, 'l')} AND EXISTS (SELECT FROM ${nameOf(pair.source)} AS s WHERE ${sameRow(pair, 's', 'l')})) AS outside`);
  const { truncated = false, count = 0, outside = false } = rows[0] ?? {};
  return { truncated, outstanding: count === 0 ? 'none' : count > LAST_CHANGES ? 'many' : 'few', outside };
}

/** Anybody may write a marker on a table of his own, so it counts only on one that belongs to the table's owner. */
async function findOther(
  client: pg.Client,
  table: LegacyTable,
): Promise<(Pick<CopyState, 'phase' | 'marker'> & { readonly name: string }) | null> {
  const names = [replacedName(table.name), parentName(table.name), plainName(table.name)];
  const { rows } = await client.query<{ name: string; comment: string; owner: string }>(CANDIDATES, [
    table.schema,
    names,
  ]);
  for (const name of names) {
    const row = rows.find((one) => one.name === name);
    const marker = row?.owner === table.owner ? parseConversion(row.comment) : null;
    if (marker === null || marker.tableOid !== table.oid || marker.strategy === 'attach') continue;
    return { name, marker, phase: name === names[0] ? 'after' : 'before' };
  }
  return null;
}

/** How far a copy of the table is; null: none has been begun. */
export async function readCopy(
  client: pg.Client,
  table: LegacyTable,
  config: TableConfig,
  serverVersion: number,
): Promise<CopyState | null> {
  const found = await findOther(client, table);
  if (found === null) return null;
  const { name, marker, phase } = found;
  const its = { ...config, table: name };
  const other = await inspectLegacy(client, its, serverVersion, NO_KEYS);
  if ('reason' in other) return null;
  const [inspected] = await inspect(client, [its]);
  const partitioned = inspected !== undefined && 'table' in inspected ? inspected.table : null;
  const ranges = new Map<number, Range>(
    (partitioned?.partitions ?? []).map((partition) => [partition.oid, partition.range]),
  );
  const leaves = (await client.query<LeafRow>(LEAVES, [other.oid])).rows.map(
    ({ keys, ...leaf }): Leaf => ({ ...leaf, foreignKeys: keys, range: ranges.get(leaf.oid) ?? null }),
  );
  const room = roomOf(partitioned);
  const pair: Pair = { source: table, target: other, identity: marker.identity ?? [], room };
  const { rows } = await client.query<TiesRow>(TIES, [
    table.oid,
    changesName(table.name),
    mirrorName(table.name),
  ]);
  const ties = rows[0];
  const shape =
    (await client.query<{ shape: string }>(`SELECT ${shapeSql(pair, String(other.oid))} AS shape`)).rows[0]
      ?.shape ?? '';
  const log =
    ties === undefined || ties.log === null
      ? null
      : await asOwner(client, table, () => readLog(client, pair));
  return {
    phase,
    marker,
    other,
    leaves,
    room,
    tied: ties?.tied === true,
    captured: ties?.captured === true,
    shape,
    log: log === null ? null : { ...log, progress: parseProgress(ties?.progress ?? null) },
    follows: parseFollows(ties?.follows ?? null),
    mirrored: ties?.mirrored === true,
  };
}

/** The log is its owner's alone. */
async function asOwner<Result>(
  client: pg.Client,
  table: LegacyTable,
  read: () => Promise<Result>,
): Promise<Result> {
  if (table.isOwner || !table.mayManage) return await read();
  await client.query(`BEGIN READ ONLY; SET LOCAL ROLE ${quoteIdentifier(table.owner)}`);
  try {
    return await read();
  } finally {
    await client.query('ROLLBACK');
  }
}
