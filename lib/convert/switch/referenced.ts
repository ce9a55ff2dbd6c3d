import { qualified } from '../../partition/identifiers.ts';
import { lockTable, nameOf } from '../../postgres/statements/common.ts';
import type { Constraint, LegacyTable } from '../model.ts';
import { helperTableName } from '../names.ts';

const locker = (table: LegacyTable): string => qualified(table.schema, helperTableName(table.name));

/** The foreign keys that lead to tables which no privilege lets us lock. */
const unlockable = (table: LegacyTable): Constraint[] => {
  const names = new Set(table.foreignKeys.flatMap(({ name, lockable }) => (lockable ? [] : [name])));
  return table.constraints.filter(({ kind, name }) => kind === 'foreign key' && names.has(name));
};

/**
 * Tables that foreign keys refer to are locked before the table, as transactions do that write to both; those would
 * wait for us otherwise, while we wait for them. To have such a key is privilege enough to make another: one of a
 * table that lives no longer than the transaction locks what it refers to against writers.
 */
export function lockReferenced(table: LegacyTable): string[] {
  const lockable = new Map(
    table.foreignKeys.flatMap(({ referenced, lockable: may }) => (may ? [[referenced.oid, referenced]] : [])),
  );
  const others = unlockable(table);
  return [
    ...[...lockable.values()].flatMap((one) => lockTable(one, 'ACCESS EXCLUSIVE')),
    ...(others.length === 0 ? [] : [`CREATE TABLE ${locker(table)} (LIKE ${nameOf(table)})`]),
    ...others.map(({ definition }) => `ALTER TABLE ${locker(table)} ADD ${definition}`),
  ];
}

export const dropLocker = (table: LegacyTable): string[] =>
  unlockable(table).length === 0 ? [] : [`DROP TABLE ${locker(table)}`];
