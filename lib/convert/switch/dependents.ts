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

/**
 * Views and functions are made anew by those who own them. Publications are changed by the table's owner, or else by
 * the session's own role, which may have the rights of both owners where neither has those of the other. The body
 * of a function is checked as it is made, and fails that check where row security counts for its owner and is off.
 */
export function dependentsSql(table: LegacyTable, names: Pick<Names, 'table' | 'legacy'>): string[] {
  const owner = quoteIdentifier(table.owner);
  const replaced = table.dependents.flatMap((dependent) =>
    dependent.statement === null ? [] : asOwner(table, dependent, dependent.statement),
  );
  const published = table.publications.flatMap(({ name, details, asOwner: mayOwner }) => {
    const statements = [
      `ALTER PUBLICATION ${quoteIdentifier(name)} DROP TABLE ONLY ${names.legacy}`,
      `ALTER PUBLICATION ${quoteIdentifier(name)} ADD TABLE ${names.table}${details}`,
    ];
    return mayOwner ? statements : ['SET LOCAL ROLE NONE', ...statements, `SET LOCAL ROLE ${owner}`];
  });
  const functions = table.dependents.some(({ kind }) => kind === 'function');
  return [...(functions ? ["SET LOCAL row_security = 'on'"] : []), ...replaced, ...published];
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
