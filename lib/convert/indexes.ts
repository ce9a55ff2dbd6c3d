import { quoteIdentifier } from '../partition/identifiers.ts';
import { storageSql } from '../postgres/statements/new-partition.ts';
import type { Index, LegacyTable } from './model.ts';
import { helperIndexName, parentName } from './names.ts';

/** What becomes of an index: a unique one must contain the partition key, or the server cannot keep it unique. */
export interface IndexPlan {
  readonly index: Index;
  readonly change: 'none' | 'key added' | 'no longer unique';
  /** Its name on the partitioned table before the switch, where it has to wait for its own. */
  readonly interim: string;
  /** An index that the old table needs besides, to have one like that of the partitioned table; null: it has one. */
  readonly helper: string | null;
}

const hasKey = (index: Index, keyColumn: string): boolean => index.columns.includes(keyColumn);

function planOf(index: Index, keyColumn: string, interim = parentName): IndexPlan {
  const change =
    !index.unique || hasKey(index, keyColumn)
      ? 'none'
      : index.constraint === 'primary key'
        ? 'key added'
        : 'no longer unique';
  return {
    index,
    change,
    interim: interim(index.name),
    helper: change === 'none' ? null : helperIndexName(index.name),
  };
}

/** Told by its columns, too: an index of any kind may have such a name. */
function isHelperOf({ index, change, helper }: IndexPlan, other: Index, keyColumn: string): boolean {
  const columns = change === 'key added' ? [...index.columns, keyColumn] : index.columns;
  return (
    other.name === helper &&
    other.constraint === null &&
    other.unique === (change === 'key added') &&
    other.columns.length === columns.length &&
    other.columns.every((column, place) => column === columns[place])
  );
}

/** The indexes that a conversion has added so far, valid or not. */
export function helperIndexes({ indexes, keyColumn }: LegacyTable): Index[] {
  const plans = indexes.map((index) => planOf(index, keyColumn));
  return indexes.filter((index) => plans.some((plan) => isHelperOf(plan, index, keyColumn)));
}

/**
 * The indexes a converted table gets: those of the old table that are valid.
 * @param interim what they are called until the switch
 */
export function indexPlans(table: LegacyTable, interim = parentName): IndexPlan[] {
  const helpers = new Set(helperIndexes(table));
  return table.indexes
    .filter((index) => index.valid && !helpers.has(index))
    .map((index) => planOf(index, table.keyColumn, interim));
}

/** The columns of a primary key that has been given the partition key. */
const keyColumns = (plan: IndexPlan, keyColumn: string): string => {
  const columns = plan.index.columns.flatMap((column) => (column === null ? [] : [column]));
  return [...columns, ...(plan.change === 'key added' ? [keyColumn] : [])].map(quoteIdentifier).join(', ');
};

const including = ({ included }: Index, without: string): string => {
  const others = included.filter((column) => column !== without);
  return others.length === 0 ? '' : ` INCLUDE (${others.map(quoteIdentifier).join(', ')})`;
};

const tablespaceSql = ({ tablespace }: Index): string =>
  tablespace === null ? '' : ` TABLESPACE ${quoteIdentifier(tablespace)}`;

/** `PRIMARY KEY (..)` or `UNIQUE (..)`, as a constraint of the partitioned table. */
export function constraintSql(plan: IndexPlan, keyColumn: string): string {
  const { index } = plan;
  const kind = index.constraint === 'primary key' ? 'PRIMARY KEY' : `UNIQUE${index.nulls}`;
  const tablespace = index.tablespace === null ? '' : ` USING INDEX${tablespaceSql(index)}`;
  return `${kind} (${keyColumns(plan, keyColumn)})${including(index, keyColumn)}${storageSql(index.storage)}${tablespace}${index.deferral}`;
}

/** Whether the partitioned table has it as a constraint, and not as a mere index. */
export const isConstraint = (plan: IndexPlan): boolean =>
  plan.index.constraint !== null && plan.change !== 'no longer unique';

/** `USING btree (..) ..`: what follows the name of the table. */
export const definitionOf = (plan: IndexPlan, keyColumn: string): string =>
  plan.change === 'key added'
    ? `USING btree (${keyColumns(plan, keyColumn)})${including(plan.index, keyColumn)}${storageSql(plan.index.storage)}${tablespaceSql(plan.index)}`
    : plan.index.definition;
