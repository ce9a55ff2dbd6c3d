import { displayName, qualified, quoteIdentifier } from '../../partition/identifiers.ts';
import { MAXVALUE, MINVALUE, type Range } from '../../partition/range.ts';
import {
  begin,
  lockNeed,
  lockReferenced as lockReferencedWriters,
  lockTable,
  nameOf,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from '../../postgres/statements/common.ts';
import { replicaIndexSql } from '../../postgres/statements/new-partition.ts';
import type { Step } from '../../postgres/step.ts';
import { constraintSql, definitionOf, type IndexPlan, isConstraint } from '../indexes.ts';
import type { LegacyTable } from '../model.ts';
import { constraintsOf, constraintsSql, indexSql, type Layout } from '../parts.ts';
import { isReplicaIdentity } from '../replica-identity.ts';
import { dropLocker, lockReferenced } from '../switch/referenced.ts';
import { lockable, type Pair } from './pair.ts';

const EVERYWHERE = { from: MINVALUE, to: MAXVALUE };

/** A table that rows are copied into, with what it has so far. */
export interface Leaf {
  /** Null: it is not there yet. */
  readonly oid: number | null;
  readonly schema: string;
  readonly name: string;
  /** Null: no partition. */
  readonly range: Range | null;
  readonly indexes: number;
  readonly foreignKeys: readonly { readonly name: string; readonly validated: boolean }[];
}

const about = (leaf: Leaf) => ({
  partition: displayName(leaf.schema, leaf.name),
  partitionOid: leaf.oid,
  range: leaf.range ?? EVERYWHERE,
});

function leafIndex(table: LegacyTable, leaf: string, plan: IndexPlan): string {
  if (isConstraint(plan)) return `ALTER TABLE ${leaf} ADD ${constraintSql(plan, table.keyColumn)}`;
  const unique = plan.index.unique && plan.change === 'none' ? 'UNIQUE ' : '';
  return `CREATE ${unique}INDEX ON ${leaf} ${definitionOf(plan, table.keyColumn)}`;
}

/** Made at once for rows that are there already, which is much faster than row by row; nobody uses the table yet. */
function leafIndexStep(
  table: LegacyTable,
  leaf: Leaf,
  plans: readonly IndexPlan[],
  context: StatementContext,
): Step {
  return {
    ...about(leaf),
    kind: 'index',
    reason: 'its indexes, made after the rows',
    hazards: [],
    locks: [],
    statements: [
      ...begin(table, context, '0'),
      ...plans.map((plan) => leafIndex(table, nameOf(leaf), plan)),
      'COMMIT',
    ],
  };
}

/** The partitioned table takes the indexes of its partitions for its own; a plain one has them made. */
function tableIndexStep(
  { source, target }: Pair,
  layout: Layout,
  leaves: readonly Leaf[],
  plans: readonly IndexPlan[],
  context: StatementContext,
): Step {
  const name = nameOf(target);
  const byIndex = plans.some(isReplicaIdentity);
  return {
    kind: 'index',
    partition: displayName(target.schema, target.name),
    partitionOid: null,
    range: EVERYWHERE,
    reason: layout === 'partitioned' ? 'takes the indexes of its partitions for its own' : 'its indexes',
    hazards: [],
    locks: [],
    statements: [
      ...begin(source, context, '0'),
      ...plans.flatMap((plan) => indexSql(source, name, plan)),
      ...(layout === 'partitioned' && byIndex
        ? leaves.map((leaf) => replicaIndexSql({ ...source, name: target.name }, nameOf(leaf)))
        : []),
      'COMMIT',
    ],
  };
}

/** What is left to do about indexes. */
export function indexSteps(
  pair: Pair,
  layout: Layout,
  leaves: readonly Leaf[],
  plans: readonly IndexPlan[],
  there: ReadonlySet<string>,
  context: StatementContext,
): Step[] {
  const missing = plans.filter(({ interim }) => !there.has(interim));
  if (missing.length === 0) return [];
  return [
    ...(layout === 'partitioned'
      ? leaves
          .filter(({ indexes }) => indexes < plans.length)
          .map((leaf) => leafIndexStep(pair.source, leaf, plans, context))
      : []),
    tableIndexStep(pair, layout, leaves, missing, context),
  ];
}

/** The keys are looked up for every row, while everybody works. */
function leafKeySteps({ source }: Pair, leaf: Leaf, context: StatementContext): Step[] {
  const keys = constraintsOf(source, 'foreign key');
  const there = new Map(leaf.foreignKeys.map(({ name, validated }) => [name, validated]));
  const missing = keys.filter(({ name }) => !there.has(name));
  const name = nameOf(leaf);
  return [
    ...(missing.length === 0
      ? []
      : [
          {
            ...about(leaf),
            kind: 'constrain',
            reason: 'its foreign keys, for new rows',
            hazards: referencedHazard(source, 'a SHARE ROW EXCLUSIVE lock'),
            locks: [
              ...referencedLocks(source, 'ShareRowExclusiveLock'),
              ...(leaf.oid === null ? [] : [lockNeed({ ...leaf, oid: leaf.oid }, 'ShareRowExclusiveLock')]),
            ],
            statements: [
              ...begin(source, context),
              UNDER_LOCK_TIMEOUT,
              ...lockReferencedWriters(source),
              ...missing.map(
                (key) =>
                  `ALTER TABLE ${name} ADD CONSTRAINT ${quoteIdentifier(key.name)} ${key.definition} NOT VALID`,
              ),
              'COMMIT',
            ],
          } satisfies Step,
        ]),
    ...(keys.every((key) => there.get(key.name) === true)
      ? []
      : [
          {
            ...about(leaf),
            kind: 'constrain',
            reason: 'its rows keep its foreign keys',
            hazards: [],
            locks: [],
            statements: [
              ...begin(source, context, '0'),
              ...keys
                .filter((key) => there.get(key.name) !== true)
                .map((key) => `ALTER TABLE ${name} VALIDATE CONSTRAINT ${quoteIdentifier(key.name)}`),
              'COMMIT',
            ],
          } satisfies Step,
        ]),
  ];
}

/** What is left to do about foreign keys. Until the target follows, its stale rows would object to deletions elsewhere. */
export function foreignKeySteps(
  pair: Pair,
  layout: Layout,
  leaves: readonly Leaf[],
  there: ReadonlySet<string>,
  context: StatementContext,
): Step[] {
  const { source, target } = pair;
  const missing = constraintsOf(source, 'foreign key').filter(({ name }) => !there.has(name));
  const ofLeaves = leaves.flatMap((leaf) =>
    missing.length === 0 && layout === 'partitioned' ? [] : leafKeySteps(pair, leaf, context),
  );
  if (layout === 'plain') return ofLeaves;
  const name = qualified(target.schema, target.name);
  return [
    ...ofLeaves,
    ...missing.map((key): Step => {
      const about = {
        ...source,
        foreignKeys: source.foreignKeys.filter(({ name: own }) => own === key.name),
      };
      return {
        kind: 'constrain',
        partition: displayName(target.schema, target.name),
        partitionOid: null,
        range: EVERYWHERE,
        reason: `takes the foreign keys ${key.name} of its partitions for its own`,
        hazards: [
          `a SHARE ROW EXCLUSIVE lock on ${displayName(source.schema, source.name)} for a moment`,
          ...referencedHazard(about, 'an ACCESS EXCLUSIVE lock'),
        ],
        locks: [...referencedLocks(about, 'AccessExclusiveLock'), lockNeed(source, 'ShareRowExclusiveLock')],
        statements: [
          ...begin(source, context),
          UNDER_LOCK_TIMEOUT,
          ...lockReferenced(about),
          // Whoever has looked up a key goes on to write to the target, which is locked next: nobody may be there.
          ...lockTable(lockable(pair), 'SHARE ROW EXCLUSIVE'),
          ...constraintsSql(name, [key]),
          ...dropLocker(about),
          'COMMIT',
        ],
      };
    }),
  ];
}
