import type { ReportError } from '../contract.ts';
import { displayName } from '../partition/identifiers.ts';
import type { PartitionedTable } from '../partition/model.ts';
import { type ConversionMarker, parseConversion } from './marker.ts';
import { parentName } from './names.ts';
import type { Situation } from './situation.ts';

/** The partitioned table to be, as a conversion of this very table has made it. */
export interface Prepared {
  readonly parent: PartitionedTable;
  readonly marker: ConversionMarker;
}

/**
 * Null: there is none. Anybody may write a marker on a table of his own, so it counts only on one that belongs to the
 * owner of the table; whatever else has the name is left alone.
 */
export function preparedOf({ table, parent }: Situation): Prepared | null {
  if (parent === null || parent.owner !== table.owner) return null;
  const marker = parseConversion(parent.template.comment);
  return marker?.tableOid === table.oid ? { parent, marker } : null;
}

/** Why nothing is taken back: something that no conversion of this table has made has the name of what one makes. */
export function undoRefusal(situation: Situation): ReportError | null {
  const { table } = situation;
  if (preparedOf(situation) !== null || !table.taken.has(parentName(table.name))) return null;
  const name = displayName(table.schema, parentName(table.name));
  return {
    code: 'name-taken',
    message: `${name} is nothing that a conversion of ${displayName(table.schema, table.name)} has made, so it is not for --undo to remove.`,
    hint: 'Rename that relation, then repeat the command.',
  };
}
