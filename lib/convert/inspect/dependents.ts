import { displayName, qualified, quoteIdentifier } from '../../partition/identifiers.ts';
import { parametersSql } from '../../postgres/statements/new-partition.ts';
import type { Dependent } from '../model.ts';

export interface ViewRow {
  readonly oid: number;
  readonly kind: string;
  readonly schema: string;
  readonly name: string;
  readonly owner: string;
  readonly wanting: string | null;
  readonly rule: string;
  readonly query: string;
  readonly options: readonly string[] | null;
  readonly columns: readonly string[];
}

export interface FunctionRow {
  readonly name: string;
  readonly owner: string;
  readonly wanting: string | null;
  readonly statement: string;
}

/**
 * A view follows the table it was made of, whatever that is called. Made anew by its own definition, printed while the
 * table had its name, it reads the table that has the name then; owner, grants and comments stay.
 */
export function viewDependent(row: ViewRow): Dependent {
  const name = displayName(row.schema, row.name);
  // A materialized view keeps rows of its own and cannot be replaced; nor can a rule that is not that of a view.
  const replaceable = row.kind === 'v' && row.rule === '_RETURN';
  return {
    oid: row.oid,
    view: replaceable ? qualified(row.schema, row.name) : null,
    kind: replaceable ? 'view' : 'other',
    name: replaceable ? name : `${row.kind === 'm' ? 'materialized view' : `rule ${row.rule} on`} ${name}`,
    owner: row.owner,
    wanting: row.wanting,
    statement: replaceable
      ? `CREATE OR REPLACE VIEW ${qualified(row.schema, row.name)} (${row.columns.map(quoteIdentifier).join(', ')})${row.options === null ? '' : ` WITH ${parametersSql(row.options)}`} AS ${row.query.replace(/;\s*$/, '')}`
      : null,
  };
}

/** Only functions with a body the server has read (BEGIN ATOMIC) follow the old table; others look it up by name. */
export const functionDependent = (row: FunctionRow): Dependent => ({
  oid: null,
  view: null,
  kind: 'function',
  name: row.name,
  owner: row.owner,
  wanting: row.wanting,
  statement: row.statement,
});
