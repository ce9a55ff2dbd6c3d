import type { Finding, ReportError } from '../contract.ts';
import { displayIdentifier, displayName, quoteIdentifier } from '../partition/identifiers.ts';
import { nameOf } from '../postgres/statements/common.ts';
import type { LegacyTable, Trigger } from './model.ts';

/**
 * A new row goes to its partition before the triggers of that partition are called, so those that set the partition
 * key of a plain table cannot do so any more. Which they are is nowhere but in their functions.
 */
const keyTriggers = ({ kind, triggers }: LegacyTable): Trigger[] =>
  kind === 'table' ? triggers.filter(({ beforeInsert, mode }) => beforeInsert && mode !== 'DISABLE') : [];

const giveDefault = (table: LegacyTable): string =>
  `ALTER TABLE ${nameOf(table)} ALTER COLUMN ${quoteIdentifier(table.keyColumn)} SET DEFAULT ...;`;

/** What they can no longer do. */
export const keyTriggerChanges = (table: LegacyTable): Finding[] =>
  keyTriggers(table).map(({ name }) => ({
    finding: 'changes',
    severity: 'warning',
    message: `A new row has its partition before the trigger ${displayIdentifier(name)} is called: an INSERT fails if ${table.keyColumn} is null until then (23514), or if the trigger changes it to one of another partition (0A000).`,
    remedy: `Look whether it sets ${table.keyColumn}. If it does, have the application do that, or a default: ${giveDefault(table)}`,
    facts: { trigger: name, column: table.keyColumn },
  }));

/** Why somebody has to have looked: without a default, a trigger may be all that gives rows their key. Null: none. */
export function keyTriggerRefusal(table: LegacyTable): ReportError | null {
  const triggers = keyTriggers(table).map(({ name }) => displayIdentifier(name));
  const hasDefault = table.columns.some(({ name, hasDefault: has }) => name === table.keyColumn && has);
  if (triggers.length === 0 || hasDefault) return null;
  return {
    code: 'key-without-default',
    message: `${displayIdentifier(table.keyColumn)} of ${displayName(table.schema, table.name)} has no default, so it may be that new rows get it from ${triggers.join(', ')}, too late to find their partition.`,
    hint: `${giveDefault(table)} or, if the application always gives it, repeat the command with --approve.`,
  };
}
