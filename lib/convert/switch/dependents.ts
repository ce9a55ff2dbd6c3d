import { quoteIdentifier } from '../../partition/identifiers.ts';
import type { LockNeed } from '../../postgres/step.ts';
import type { Dependent, LegacyTable } from '../model.ts';
import type { Names } from './names.ts';

/** Statements about a dependent, run as the role that owns it. */
const asOwner = (table: LegacyTable, { owner }: Dependent, ...statements: string[]): string[] =>
  owner === table.owner
    ? statements
    : [
        `SET LOCAL ROLE ${quoteIdentifier(owner)}`,
        ...statements,
        `SET LOCAL ROLE ${quoteIdentifier(table.owner)}`,
      ];

/** Views and functions are made anew by those who own them; publications are changed by the session's own role. */
export function dependentsSql(table: LegacyTable, names: Pick<Names, 'table' | 'legacy'>): string[] {
  const owner = quoteIdentifier(table.owner);
  const replaced = table.dependents.flatMap((dependent) =>
    dependent.statement === null ? [] : asOwner(table, dependent, dependent.statement),
  );
  const published = table.publications.flatMap(({ name, details }) => [
    `ALTER PUBLICATION ${quoteIdentifier(name)} DROP TABLE ONLY ${names.legacy}`,
    `ALTER PUBLICATION ${quoteIdentifier(name)} ADD TABLE ${names.table}${details}`,
  ]);
  return [
    ...replaced,
    ...(published.length === 0 ? [] : ['SET LOCAL ROLE NONE', ...published, `SET LOCAL ROLE ${owner}`]),
  ];
}

/**
 * Who reads a view locks it before the table, so we do. To give it to whom it belongs changes nothing but takes the
 * lock, where LOCK TABLE would take one on all the view reads as well.
 */
export const lockViews = (table: LegacyTable): string[] =>
  table.dependents.flatMap((dependent) =>
    dependent.view === null
      ? []
      : asOwner(
          table,
          dependent,
          `ALTER VIEW ${dependent.view} OWNER TO ${quoteIdentifier(dependent.owner)}`,
        ),
  );

export const viewLocks = (table: LegacyTable): LockNeed[] =>
  table.dependents.flatMap(({ oid, name }): LockNeed[] =>
    oid === null ? [] : [{ oid, relation: name, mode: 'AccessExclusiveLock' }],
  );
