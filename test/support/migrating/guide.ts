import { readFileSync } from 'node:fs';

const guide = readFileSync(new URL('../../../docs/migrating-from.md', import.meta.url), 'utf8');

/**
 * The SQL that docs/migrating-from.md tells the reader to run.
 * @param heading the heading it stands under
 * @param which the number of the block there, from 0
 */
export function sqlOfGuide(heading: string, which = 0): string {
  const section = guide.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`));
  const block = [...(section ?? '').matchAll(/```sql\n([\s\S]*?)```/g)][which]?.[1];
  if (block === undefined) throw new Error(`The guide has no such SQL under ${heading}.`);
  return block;
}
