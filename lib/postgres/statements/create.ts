import { boundsSql } from '../../partition/bounds.ts';
import { displayName, qualified } from '../../partition/identifiers.ts';
import type { PartitionedTable } from '../../partition/model.ts';
import type { CreateStep } from '../../partition/plan-create.ts';
import { type LockNeed, SAVEPOINT, type Step } from '../step.ts';
import {
  awaitReferenced,
  begin,
  lockNeed,
  lockReferenced,
  lockTable,
  nameOf,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCK_TIMEOUT,
} from './common.ts';
import { copyRows, exchangeRows } from './move-rows.ts';
import { carriedOver, createTable, replicaIndexSql, rowSecurity } from './new-partition.ts';

function attach(table: PartitionedTable, step: CreateStep, partition: string): string[] {
  return [
    ...rowSecurity(table, step.name, table.template),
    `ALTER TABLE ONLY ${nameOf(table)} ATTACH PARTITION ${partition} ${boundsSql(table.keyType, step.range)}`,
    ...(table.template.replicaIdentity === 'index' ? [replicaIndexSql(table, partition)] : []),
  ];
}

/**
 * With a default partition the parent is locked against writers first: an INSERT that had been routed to the
 * default partition and waited there would fail once the new partition takes its row.
 */
function attachLocks(table: PartitionedTable): LockNeed[] {
  const { defaultPartition } = table;
  return [
    lockNeed(table, defaultPartition === null ? 'ShareUpdateExclusiveLock' : 'ShareRowExclusiveLock'),
    ...(defaultPartition === null ? [] : [lockNeed(defaultPartition, 'AccessExclusiveLock')]),
    ...referencedLocks(table, 'ShareRowExclusiveLock'),
  ];
}

function hazardsOf(table: PartitionedTable, rows: number | null): string[] {
  const hazards = [
    ...(table.defaultPartition === null
      ? []
      : [`writers of ${displayName(table.schema, table.name)} wait while the default partition is checked`]),
    ...(rows === 0
      ? []
      : [
          `${rows ?? 'some'} rows are moved out of the default partition; writers wait while they are deleted there`,
        ]),
  ];
  return [...hazards, ...referencedHazard(table, 'a SHARE ROW EXCLUSIVE lock')];
}

/**
 * The step that creates one partition; `rows` of the default partition that belong into it move along, also those
 * that turn up only when it is attached, if rows can be moved at all.
 */
export function createStep(
  table: PartitionedTable,
  step: CreateStep,
  rows: number,
  context: StatementContext,
): Step {
  const one = stepFor(table, step, rows, context);
  return rows > 0 || table.defaultPartition?.mayCreateTemporary !== true
    ? one
    : { ...one, fallback: [stepFor(table, step, null, context)] };
}

/** @param rows how many are moved; null: some, not counted */
function stepFor(
  table: PartitionedTable,
  step: CreateStep,
  rows: number | null,
  context: StatementContext,
): Step {
  const partition = qualified(table.schema, step.name);
  const { defaultPartition } = table;
  const moves = defaultPartition !== null && rows !== 0;
  const building = [createTable(table, step.name), ...carriedOver(partition, table.template)];
  const attaching = attach(table, step, partition);
  return {
    kind: moves ? 'move-rows' : 'create',
    partition: displayName(table.schema, step.name),
    partitionOid: null,
    range: step.range,
    reason: step.reason,
    hazards: hazardsOf(table, rows),
    locks: attachLocks(table),
    statements: moves
      ? [
          ...begin(table, context, '0'),
          ...building,
          ...copyRows(table, defaultPartition, step, partition),
          SAVEPOINT,
          ...exchangeRows(table, defaultPartition, step, partition),
          ...attaching,
          'COMMIT',
        ]
      : [
          ...begin(table, context),
          ...building,
          ...(defaultPartition === null
            ? []
            : [
                UNDER_LOCK_TIMEOUT,
                ...lockReferenced(table),
                ...lockTable(table, 'SHARE ROW EXCLUSIVE'),
                ...lockTable(defaultPartition, 'ACCESS EXCLUSIVE'),
                ...awaitReferenced(table),
              ]),
          ...attaching,
          'COMMIT',
        ],
  };
}
