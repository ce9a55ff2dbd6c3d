import type { Finding } from '../contract.ts';
import { displayName } from '../partition/identifiers.ts';
import type { Template } from '../partition/model.ts';
import { type IndexPlan, indexPlans } from './indexes.ts';
import type { LegacyTable } from './model.ts';

/** Whether the new table is identified by it to those who follow its changes, as the old one is. */
export const isReplicaIdentity = ({ index, change }: IndexPlan): boolean =>
  index.replicaIdentity && change !== 'no longer unique';

/**
 * By what the new table is identified to those who follow its changes. An index that is no longer unique cannot be
 * it; then it is the primary key or, where there is none that the server takes for it, the whole row.
 */
export function replicaIdentityOf(table: LegacyTable): Template['replicaIdentity'] {
  const { replicaIdentity } = table.template;
  const plans = indexPlans(table);
  if (replicaIdentity !== 'index' || plans.some(isReplicaIdentity)) return replicaIdentity;
  return plans.some(({ index }) => index.constraint === 'primary key' && index.deferral === '')
    ? 'default'
    : 'full';
}

/** The columns that the server has to send of a row that is updated or deleted, lest it refuse to do either. */
export function identityColumns(table: LegacyTable): readonly string[] {
  const identity = replicaIdentityOf(table);
  if (identity === 'full') return table.template.columns;
  const plan = indexPlans(table).find((one) =>
    identity === 'index'
      ? isReplicaIdentity(one)
      : identity === 'default' && one.index.constraint === 'primary key' && one.index.deferral === '',
  );
  if (plan === undefined) return [];
  return [
    ...plan.index.columns.flatMap((column) => column ?? []),
    ...(plan.change === 'key added' ? [table.keyColumn] : []),
  ];
}

/** The statement that gives the old table the new one's, where it loses its own; else none. */
export function replicaIdentitySql(table: LegacyTable, name: string): string[] {
  const identity = replicaIdentityOf(table);
  return identity === table.template.replicaIdentity
    ? []
    : [`ALTER TABLE ${name} REPLICA IDENTITY ${identity.toUpperCase()}`];
}

/** What that changes for subscribers. */
export function replicaIdentityChange(table: LegacyTable): Finding[] {
  const identity = replicaIdentityOf(table);
  if (identity === table.template.replicaIdentity) return [];
  const columns = identity === 'full' ? 'all columns' : 'the columns of the primary key';
  return [
    {
      finding: 'changes',
      severity: 'warning',
      message: `The index that is the replica identity of ${displayName(table.schema, table.name)} cannot be it any more: updates and deletions are sent with ${columns} of the old row from the switch on.`,
      remedy: 'See that the tables of subscribers have an index by which they find such rows.',
      facts: { replicaIdentity: identity },
    },
  ];
}
