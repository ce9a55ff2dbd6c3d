import { helperIndexes, indexPlans } from '../indexes.ts';
import type { LegacyTable } from '../model.ts';
import { legacyName, parentName } from '../names.ts';

/** Names in its schema that must be free. What has been prepared has some of them already, and so have helpers. */
export function attachNames(table: LegacyTable, ours: boolean): string[] {
  const plans = indexPlans(table);
  const helpers = new Set(helperIndexes(table).map(({ name }) => name));
  const sequences = table.sequences.filter(({ identity, schema }) => identity && schema === table.schema);
  return [
    ...(ours
      ? []
      : [
          parentName(table.name),
          ...plans.map(({ interim }) => interim),
          ...sequences.map(({ name }) => parentName(name)),
        ]),
    legacyName(table.name),
    ...plans.map(({ index }) => legacyName(index.name)),
    ...plans.flatMap(({ helper }) => (helper === null || helpers.has(helper) ? [] : [helper])),
  ];
}
