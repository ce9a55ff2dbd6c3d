import type { Finding, ReportError } from '../contract.ts';
import { displayIdentifier, displayName, quoteIdentifier } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { helperIndexes, type IndexPlan, indexPlans } from './indexes.ts';
import { keyTriggerChanges, keyTriggerRefusal } from './key-triggers.ts';
import type { LegacyTable } from './model.ts';
import { type Obstacle, obstacles, type Room } from './obstacles.ts';
import { replicaIdentityChange } from './replica-identity.ts';

/** What stands in the way of a conversion, what it changes for the application, and what else is worth knowing. */
export interface Preflight {
  readonly findings: readonly Finding[];
  /** Null: nothing is in the way. */
  readonly refusal: ReportError | null;
}

export interface PreflightOptions extends Room {
  /** What else is in the way of the strategy. */
  readonly others: readonly Obstacle[];
  readonly approve: boolean;
}

function changeOf(table: LegacyTable, { index, change }: IndexPlan): Finding[] {
  const columns = index.columns.map((column) => column ?? 'an expression').join(', ');
  const facts = { index: index.name, columns, constraint: index.constraint };
  if (change === 'key added')
    return [
      {
        finding: 'changes',
        severity: 'warning',
        message: `The primary key ${displayIdentifier(index.name)} becomes (${columns}, ${table.keyColumn}): it no longer refuses two rows with the same ${columns} and different ${table.keyColumn}, ON CONFLICT (${columns}) fails, and no foreign key can refer to ${columns} alone.`,
        remedy: `Write ON CONFLICT (${columns}, ${table.keyColumn}), or ON CONFLICT DO NOTHING, in the application first.`,
        facts,
      },
    ];
  if (change === 'no longer unique')
    return [
      {
        finding: 'changes',
        severity: 'warning',
        message: `${displayIdentifier(index.name)} on (${columns}) stays as an index, but is no longer unique: across partitions the server keeps unique only what contains ${table.keyColumn}.`,
        remedy:
          'If the application relies on it, keep such values in a table of their own; otherwise go on with --approve.',
        facts,
      },
    ];
  return [];
}

function notes(table: LegacyTable): Finding[] {
  const note = (message: string, remedy: string, facts: Finding['facts']): Finding => ({
    finding: 'conversion',
    severity: 'info',
    message,
    remedy,
    facts,
  });
  const helpers = new Set(helperIndexes(table));
  return [
    ...[...table.publications, ...table.publishedWith]
      .filter(({ viaRoot }) => !viaRoot)
      .map(({ name }) =>
        note(
          `Publication ${displayIdentifier(name)} sends changes under the names of partitions, which its subscribers must have, too.`,
          `ALTER PUBLICATION ${quoteIdentifier(name)} SET (publish_via_partition_root = true); sends them under the name of the table.`,
          { publication: name },
        ),
      ),
    ...table.indexes
      .filter((index) => !index.valid && !helpers.has(index))
      .map(({ name }) =>
        note(
          `Index ${displayIdentifier(name)} is invalid and is not carried over.`,
          `REINDEX INDEX CONCURRENTLY ${quoteIdentifier(table.schema)}.${quoteIdentifier(name)};`,
          { index: name },
        ),
      ),
  ];
}

/** Judges the table before anything is done to it. */
export function preflight(table: LegacyTable, config: TableConfig, options: PreflightOptions): Preflight {
  const found = [...obstacles(table, config, options), ...options.others];
  const plans = indexPlans(table);
  const findings: Finding[] = [
    ...found.map(
      ({ code, message, remedy }): Finding => ({
        finding: 'not-convertible',
        severity: 'critical',
        message,
        remedy,
        facts: { code },
      }),
    ),
    ...plans.flatMap((plan) => changeOf(table, plan)),
    ...replicaIdentityChange(table),
    ...keyTriggerChanges(table),
    ...notes(table),
  ];
  const [first] = found;
  if (first !== undefined) {
    const others = found.length === 1 ? '' : ` And ${found.length - 1} more, see the findings.`;
    return {
      findings,
      refusal: { code: 'not-convertible', message: `${first.message}${others}`, hint: first.remedy },
    };
  }
  return { findings, refusal: options.approve ? null : toBeApproved(table, plans) };
}

/** Why the application may not go on working, which only people know; null: nothing speaks for that. */
function toBeApproved(table: LegacyTable, plans: readonly IndexPlan[]): ReportError | null {
  const weaker = plans.filter(({ change }) => change === 'no longer unique');
  const lost: ReportError | null =
    weaker.length === 0
      ? null
      : {
          code: 'uniqueness-lost',
          message: `${weaker.map(({ index }) => displayIdentifier(index.name)).join(', ')} of ${displayName(table.schema, table.name)} would no longer be unique.`,
          hint: 'If the application can do without, repeat the command with --approve.',
        };
  const late = keyTriggerRefusal(table);
  if (lost === null || late === null) return lost ?? late;
  return { ...lost, message: `${lost.message} ${late.message}`, hint: `${lost.hint} ${late.hint}` };
}
