import { displayIdentifier, displayName, quoteIdentifier } from '../../partition/identifiers.ts';
import { nameOf } from '../../postgres/statements/common.ts';
import type { Obstacle } from '../obstacles.ts';
import type { Layout } from '../parts.ts';
import type { Situation } from '../situation.ts';
import { inWords } from '../size.ts';
import { identityOf } from './identity.ts';

/** What is in the way of a copy, beside what is in the way of any conversion. */
export function copyObstacles({ table, own }: Situation, layout: Layout): Obstacle[] {
  const name = displayName(table.schema, table.name);
  const sql = nameOf(table);
  /** A partitioned table has no other way. */
  const otherwise = (way: string): string => (table.kind === 'table' ? way : '');
  const found: Obstacle[] = [];
  if (identityOf(table) === null)
    found.push({
      code: 'no-identity',
      message: `Nothing tells the rows of ${name} apart: it has neither a primary key nor a unique constraint on columns that are NOT NULL, so changes cannot be followed while rows are copied.`,
      remedy: `Give it one: ALTER TABLE ${sql} ADD PRIMARY KEY (...);${otherwise(' or use --strategy attach, which needs none.')}`,
    });
  if (table.template.forceRowSecurity)
    found.push({
      code: 'row-security-forced',
      message: `Row security is forced upon the owner of ${name}, from whom it would hide rows that are to be copied.`,
      remedy: `ALTER TABLE ${sql} NO FORCE ROW LEVEL SECURITY; and force it again when the conversion is finished.`,
    });
  if (table.wantingTemporary !== null)
    found.push({
      code: 'permission',
      message: `${table.owner}, the owner of ${name}, may not create temporary tables, in which changes are put aside to be taken over.`,
      remedy: table.wantingTemporary,
    });
  const { endless } = table.keys;
  if (layout === 'partitioned' && endless > 0) {
    const key = quoteIdentifier(table.keyColumn);
    found.push({
      code: 'key-endless',
      message: `${endless === 1 ? '1 row' : `${inWords(endless)} rows`} of ${name} ${endless === 1 ? 'is' : 'are'} dated -infinity, before any partition that there could be.`,
      remedy: `Give them a date: UPDATE ${sql} SET ${key} = ... WHERE ${key} = '-infinity';${otherwise(' or use --strategy attach.')}`,
    });
  }
  for (const { name: publication } of table.publishedWith)
    found.push({
      code: 'publication',
      message: `Publication ${displayIdentifier(publication)} publishes every new table of the schema, and so the copy row by row, to subscribers that do not have it.`,
      remedy: `Publish tables by name instead, in another publication${otherwise('; or use --strategy attach')}.`,
    });
  if (own?.defaultPartition)
    found.push({
      code: 'default-partition',
      message: `${name} has a default partition, ${displayName(own.defaultPartition.schema, own.defaultPartition.name)}, for which the new table has no counterpart.`,
      remedy:
        'Move its rows into partitions with partition-keeper create, then detach it; make one again after the conversion if you need one.',
    });
  for (const partition of own?.partitions ?? [])
    if (partition.kind !== 'table')
      found.push({
        code: 'partition-kind',
        message: `The partition ${displayName(partition.schema, partition.name)} is ${partition.kind === 'foreign' ? 'a foreign table' : 'partitioned itself'}, which cannot be copied block by block.`,
        remedy: 'Detach it first.',
      });
  return found;
}
