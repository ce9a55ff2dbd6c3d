import { displayIdentifier, displayName, quoteIdentifier } from '../partition/identifiers.ts';
import { isoText } from '../partition/key-type.ts';
import { isBounded } from '../partition/range.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { nameOf } from '../postgres/statements/common.ts';
import type { Boundary } from './boundary.ts';
import { indexPlans } from './indexes.ts';
import type { Dependent, LegacyTable } from './model.ts';
import { identityColumns } from './replica-identity.ts';

/** Something that has to be dealt with before a table can be converted. */
export interface Obstacle {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** What a conversion needs that others may have. */
export interface Room {
  /** Where rows are too far ahead; null: nowhere. */
  readonly boundary: Boundary | null;
  /** Names that must be free. */
  readonly names: readonly string[];
}

/** What cannot be carried over, so that converting would lose it in silence. */
export function obstacles(table: LegacyTable, config: TableConfig, { boundary, names }: Room): Obstacle[] {
  const name = displayName(table.schema, table.name);
  const sql = nameOf(table);
  const found: Obstacle[] = [];
  const add = (code: string, message: string, remedy: string) => found.push({ code, message, remedy });

  if (table.persistence !== 'permanent')
    add(
      'unlogged',
      `${name} is ${table.persistence}; a partitioned table cannot be.`,
      `ALTER TABLE ${sql} SET LOGGED;`,
    );
  for (const relative of table.relatives)
    add(
      'inheritance',
      `${name} takes part in inheritance, or is of a type: ${relative.name}.`,
      relative.parting,
    );
  if (table.keyGenerated)
    add(
      'key-generated',
      `${table.keyColumn} is a generated column, which no table can be partitioned by.`,
      'Choose another column as partitionKey.',
    );
  if (table.keys.nulls)
    add(
      'key-null',
      `Rows of ${name} have no ${table.keyColumn}: only a default partition could hold them.`,
      `Give them one: UPDATE ${sql} SET ${quoteIdentifier(table.keyColumn)} = ... WHERE ${quoteIdentifier(table.keyColumn)} IS NULL;`,
    );
  if (boundary !== null && table.keys.newest !== null && table.keys.newest >= boundary.limit) {
    const limit = isoText(table.keyType, config.timeZone, boundary.limit);
    const newest = isBounded(table.keys.newest)
      ? isoText(table.keyType, config.timeZone, table.keys.newest)
      : 'infinity';
    add(
      'keys-ahead',
      `Rows of ${name} are dated further ahead than the partitions kept ready: the newest is of ${newest}.`,
      `Correct or remove them: SELECT * FROM ${sql} WHERE ${quoteIdentifier(table.keyColumn)} >= '${limit}'; or raise premake if they are meant so.`,
    );
  }
  for (const reference of table.referencedBy)
    if (table.kind === 'partitioned table')
      add(
        'referenced',
        `${reference} refers to ${name} or one of its partitions, and would go on referring to what is replaced.`,
        'Drop that foreign key, and add it again when the conversion is finished.',
      );
    else
      add(
        'referenced',
        `${reference} refers to ${name}: a foreign key cannot refer to a partitioned table without its partition key.`,
        'Drop that foreign key, or give the other table the partition key as a column and refer to both once this one is converted.',
      );
  for (const { kind, name: constraint, validated, inherited, enforced } of table.constraints) {
    const own = displayIdentifier(constraint);
    if (kind === 'exclusion')
      add(
        'exclusion',
        `The exclusion constraint ${own} cannot be had across partitions.`,
        `ALTER TABLE ${sql} DROP CONSTRAINT ${quoteIdentifier(constraint)};`,
      );
    if (kind === 'foreign key' && !validated)
      add(
        'not-valid',
        `The foreign key ${own} is not validated, which those of partitioned tables must be.`,
        enforced
          ? `ALTER TABLE ${sql} VALIDATE CONSTRAINT ${quoteIdentifier(constraint)};`
          : `ALTER TABLE ${sql} ALTER CONSTRAINT ${quoteIdentifier(constraint)} ENFORCED;`,
      );
    if (kind === 'check' && !inherited)
      add(
        'no-inherit',
        `The check ${own} is NO INHERIT, which those of partitioned tables cannot be.`,
        `Add it anew without NO INHERIT, NOT VALID first, then VALIDATE CONSTRAINT ${quoteIdentifier(constraint)}.`,
      );
    if (kind === 'not null' && !validated)
      add(
        'not-valid',
        `The NOT NULL constraint ${own} is not validated.`,
        `ALTER TABLE ${sql} VALIDATE CONSTRAINT ${quoteIdentifier(constraint)};`,
      );
  }
  for (const { index, change } of indexPlans(table)) {
    const own = displayIdentifier(index.name);
    if (index.period)
      add(
        'without-overlaps',
        `The key ${own} is WITHOUT OVERLAPS, which no conversion can make anew.`,
        `ALTER TABLE ${sql} DROP CONSTRAINT ${quoteIdentifier(index.name)};`,
      );
    for (const dependent of change === 'none' ? [] : index.dependents)
      add(
        'dependent',
        `The ${dependent} depends on the key ${own} as it is: it groups by it, or names it in ON CONFLICT.`,
        'Let it group by all columns that it shows, or name columns in ON CONFLICT; or drop it and make it anew after the conversion.',
      );
  }
  found.push(...publicationObstacles(table));
  for (const trigger of table.triggers)
    if (trigger.forEachRow && trigger.transitionTables)
      add(
        'trigger',
        `The trigger ${displayIdentifier(trigger.name)} is FOR EACH ROW with transition tables, which partitioned tables cannot have.`,
        'Write it FOR EACH STATEMENT.',
      );
  for (const dependent of table.dependents) found.push(...dependentObstacle(name, dependent));
  found.push(...wantingRights(table));
  for (const one of names.filter((wanted) => table.taken.has(wanted)))
    add(
      'name-taken',
      `The name ${displayName(table.schema, one)}, which the conversion needs, is taken.`,
      'Rename that relation.',
    );
  return found;
}

/** Publications that could not name the new table, or would keep its rows from being updated and deleted. */
function publicationObstacles(table: LegacyTable): Obstacle[] {
  const name = displayName(table.schema, table.name);
  const found: Obstacle[] = [];
  for (const { name: publication, details, columns, viaRoot } of table.publications) {
    const own = displayIdentifier(publication);
    const alter = `ALTER PUBLICATION ${quoteIdentifier(publication)}`;
    if (details !== '' && !viaRoot)
      found.push({
        code: 'publication',
        message: `Publication ${own} picks columns or rows of ${name}, which it can do with a partitioned table only if it sends changes under the name of that.`,
        remedy: `${alter} SET (publish_via_partition_root = true);`,
      });
    const missing =
      columns === null ? [] : identityColumns(table).filter((column) => !columns.includes(column));
    if (missing.length > 0)
      found.push({
        code: 'publication',
        message: `Publication ${own} does not send ${missing.map(displayIdentifier).join(', ')} of ${name}, which will be part of its replica identity: updates and deletions would fail.`,
        remedy: `Have it send that, too, to subscribers that have it: ${alter} DROP TABLE ${nameOf(table)}; ${alter} ADD TABLE ${nameOf(table)} (${[...(columns ?? []), ...missing].map(quoteIdentifier).join(', ')}) ...;`,
      });
  }
  return found;
}

/** What of the table somebody has no right to make anew, or to change. */
function wantingRights(table: LegacyTable): Obstacle[] {
  const name = displayName(table.schema, table.name);
  const found: Obstacle[] = [];
  const add = (message: string, remedy: string | null) => {
    if (remedy !== null) found.push({ code: 'permission', message, remedy });
  };
  for (const { name: constraint, references, wanting } of table.constraints)
    add(
      `The foreign key ${displayIdentifier(constraint)} has to be made anew, and ${table.owner}, the owner of ${name}, may not make one that refers to ${references}.`,
      wanting,
    );
  for (const { name: trigger, wanting } of table.triggers)
    add(
      `The trigger ${displayIdentifier(trigger)} has to be made anew, and ${table.owner}, the owner of ${name}, may not call its function.`,
      wanting,
    );
  for (const { name: index, tablespace, wanting } of table.indexes)
    add(
      `The index ${displayIdentifier(index)} has to be made anew, and ${table.owner}, the owner of ${name}, may not create anything in its tablespace ${tablespace}.`,
      wanting,
    );
  for (const { name: publication, wanting } of table.publications)
    add(
      `The publication ${displayIdentifier(publication)} has to name the partitioned table instead of ${name}, which takes the rights of both their owners.`,
      wanting,
    );
  if (table.rowsHidden)
    add(
      `Row security is forced upon ${table.owner}, the owner of ${name}, too, so nobody at hand sees whether all its rows can be converted.`,
      `ALTER TABLE ${nameOf(table)} NO FORCE ROW LEVEL SECURITY; until it is converted, or convert with a role that has BYPASSRLS.`,
    );
  return found;
}

function dependentObstacle(table: string, { kind, name, owner, wanting, statement }: Dependent): Obstacle[] {
  if (statement === null)
    return [
      {
        code: 'dependent',
        message: `${name} depends on ${table} itself and cannot be made to follow the partitioned table.`,
        remedy: 'Drop it and make it anew after the conversion.',
      },
    ];
  if (wanting === null) return [];
  return [
    {
      code: 'permission',
      message: `The ${kind} ${name} has to be made anew by its owner ${owner}, which the executing role may not act as, or who may not create in its schema.`,
      remedy: wanting,
    },
  ];
}
