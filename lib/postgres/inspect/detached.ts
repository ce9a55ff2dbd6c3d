import type pg from 'pg';
import { parseDisplayName } from '../../partition/identifiers.ts';
import { MARKER_PREFIX, parseMarker } from '../../partition/marker.ts';
import { DETACHED, PARTITIONED_BY_NAME } from './queries.ts';
import type { DetachedRow, MarkedTable, NamedRow } from './rows.ts';

/** The partitioned tables that have those names, as `displayName` writes them, today. */
async function oidsOf(client: pg.Client, names: ReadonlySet<string>): Promise<Map<string, number>> {
  const parsed = [...names].flatMap((shown) => {
    const parts = parseDisplayName(shown);
    return parts === null ? [] : [{ shown, ...parts }];
  });
  if (parsed.length === 0) return new Map();
  const { rows } = await client.query<NamedRow>(PARTITIONED_BY_NAME, [
    parsed.map(({ schema }) => schema),
    parsed.map(({ name }) => name),
  ]);
  return new Map(rows.map(({ position, oid }) => [parsed[position]?.shown ?? '', oid]));
}

/** All tables of the database that carry a marker, whoever wrote it. */
export async function readMarkedTables(client: pg.Client): Promise<MarkedTable[]> {
  const { rows } = await client.query<DetachedRow>(DETACHED, [MARKER_PREFIX]);
  const marked = rows.flatMap((row) => {
    const marker = parseMarker(row.comment);
    return marker === null ? [] : [{ ...row, marker }];
  });
  const oids = await oidsOf(client, new Set(marked.map(({ marker }) => marker.parent)));
  return marked.map((row) => ({ ...row, namesakeOid: oids.get(row.marker.parent) ?? null }));
}

/**
 * Whether the table is one of those detached from the one with the oid. Name and oid of a marker part when a dump is
 * restored, which gives oids anew and perhaps to other tables. A name that leads nowhere is an old one of a parent
 * that was renamed.
 */
export function originOf({ marker, namesakeOid }: MarkedTable, oid: number): 'ours' | 'doubtful' | 'another' {
  const byOid = marker.parentOid === oid;
  const byName = namesakeOid === oid;
  if (byOid) return byName || namesakeOid === null ? 'ours' : 'doubtful';
  return byName ? 'doubtful' : 'another';
}
