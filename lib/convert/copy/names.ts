import { indexPlans } from '../indexes.ts';
import type { LegacyTable } from '../model.ts';
import { changesName, replacedName } from '../names.ts';
import type { Interim } from '../parts.ts';

/** Names in its schema that must be free: those of the table to be, and those that things of the old one get. */
export function copyNames(table: LegacyTable, interim: Interim): string[] {
  const plans = indexPlans(table, interim);
  const sequences = table.sequences.filter(({ identity, schema }) => identity && schema === table.schema);
  return [
    interim(table.name),
    replacedName(table.name),
    changesName(table.name),
    ...plans.flatMap((plan) => [plan.interim, replacedName(plan.index.name)]),
    ...sequences.flatMap(({ name }) => [interim(name), replacedName(name)]),
  ];
}
