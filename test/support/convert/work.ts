/** How a step begins, in a transaction or without one, and what the run says after it. Looks begin and end otherwise. */
const BEGINS = /^(BEGIN$|SET lock_timeout = )/;
const AFTER = /^RESET ROLE; SET /;

/**
 * The places of the statements that do the work of a run, step by step. Those between the steps only look: what breaks
 * there breaks between two steps.
 */
export function workOf(statements: readonly string[]): number[][] {
  const steps: number[][] = [];
  let current: number[] | null = null;
  for (const [at, statement] of statements.entries()) {
    if (AFTER.test(statement)) current = null;
    else if (current !== null) current.push(at);
    else if (BEGINS.test(statement)) {
      current = [at];
      steps.push(current);
    }
  }
  return steps;
}

/** What begins a transaction, sets something for it, or looks. */
const CHANGES_NOTHING = /^\s*(BEGIN$|COMMIT$|SET LOCAL |SELECT (?!pg_catalog\.setval))/;

/** Whether a statement of a step changes something, or is there to. */
export const isChange = (statement: string): boolean => !CHANGES_NOTHING.test(statement);

/** What makes the same statement another one in another run: its name and moment, and oids. */
const OF_THE_RUN = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\d{4}-\d\d-\d\dT[\d:.]+Z|\d{5,}/g;

/** The statement without what differs from run to run. */
export const withoutRun = (statement: string): string => statement.replace(OF_THE_RUN, '#');

/**
 * Follows a run, statement by statement, and names those of steps that change something, and the COMMITs of their
 * transactions: in all runs the same statement has the same name. Null: it is none of them.
 */
export function changeNames(): (statement: string) => string | null {
  /** The statement of the transaction of a step that has changed something last; null: there is no such transaction. */
  let last: string | null = null;
  return (statement) => {
    if (statement === 'BEGIN') last = '';
    if (statement.startsWith('ROLLBACK')) last = null;
    if (last === null) return null;
    if (statement === 'COMMIT') {
      const name = last === '' ? null : `COMMIT after ${last}`;
      last = null;
      return name;
    }
    if (!isChange(statement)) return null;
    last = withoutRun(statement);
    return last;
  };
}
