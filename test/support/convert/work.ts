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
