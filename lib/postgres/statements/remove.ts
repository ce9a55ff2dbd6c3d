import {
  displayIdentifier,
  displayName,
  quoteIdentifier,
  quoteLiteral,
} from '../../partition/identifiers.ts';
import { type Marker, markerText } from '../../partition/marker.ts';
import type { DetachedTable, Partition, PartitionedTable } from '../../partition/model.ts';
import type { CleanupStep } from '../../partition/plan-cleanup.ts';
import type { LockNeed, Step } from '../step.ts';
import { isCommented, replaceComment } from './comments.ts';
import {
  awaitReferenced,
  begin,
  ensure,
  lockNeed,
  lockReferenced,
  lockTable,
  nameOf,
  referencedHazard,
  referencedLocks,
  type StatementContext,
  UNDER_LOCKS,
} from './common.ts';

/** `TABLE "schema"."name"`, or `FOREIGN TABLE ..`: COMMENT and DROP want to be told. */
const tableSql = (partition: Partition | DetachedTable): string =>
  `${partition.kind === 'foreign' ? 'FOREIGN TABLE' : 'TABLE'} ${nameOf(partition)}`;

/** Never CASCADE: a view or foreign key that depends on the partition keeps it. */
const dropTable = (partition: Partition | DetachedTable): string => `DROP ${tableSql(partition)}`;

/** The catalog says of the partition what it said when the plan was made, and nobody refers to it. */
function attachedAsPlanned(table: PartitionedTable, partition: Partition, pending: boolean): string {
  return ensure(
    `EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid
    WHERE c.oid = ${partition.oid} AND c.relname = ${quoteLiteral(partition.name)} AND n.nspname = ${quoteLiteral(partition.schema)}
      AND i.inhparent = ${table.oid} AND ${pending ? '' : 'NOT '}i.inhdetachpending
      AND pg_catalog.pg_get_expr(c.relpartbound, 0) = ${quoteLiteral(partition.boundsText)}
  ) AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f' AND k.confrelid = ${partition.oid}
  )`,
    `${displayName(partition.schema, partition.name)} is no longer the partition that was planned to be removed; nothing is changed`,
  );
}

function detachedAsPlanned(
  table: PartitionedTable,
  detached: DetachedTable | Partition,
  marker: Marker,
): string {
  return ensure(
    `EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = ${detached.oid} AND c.relname = ${quoteLiteral(detached.name)} AND n.nspname = ${quoteLiteral(detached.schema)}
      AND NOT c.relispartition AND pg_catalog.pg_get_userbyid(c.relowner) = ${quoteLiteral(table.owner)}
      AND pg_catalog.obj_description(c.oid, 'pg_class') = ${quoteLiteral(markerText(marker))}
  ) AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f' AND k.confrelid = ${detached.oid} AND k.conrelid <> ${detached.oid}
  )`,
    `${displayName(detached.schema, detached.name)} is no longer the detached table that was planned to be dropped; nothing is changed`,
  );
}

function removalLocks(table: PartitionedTable, partition: Partition): LockNeed[] {
  return [
    lockNeed(table, 'AccessExclusiveLock'),
    lockNeed(partition, 'AccessExclusiveLock'),
    ...(table.defaultPartition === null ? [] : [lockNeed(table.defaultPartition, 'AccessExclusiveLock')]),
  ];
}

function base(table: PartitionedTable, { partition, reason }: CleanupStep) {
  const name = displayName(partition.schema, partition.name);
  const strange = 'strangeOwner' in partition && partition.strangeOwner !== null;
  return {
    partition: name,
    partitionOid: partition.oid,
    range: partition.range,
    reason,
    ...(strange ? { missingGrant: `ALTER TABLE ${name} OWNER TO ${displayIdentifier(table.owner)};` } : {}),
  };
}

/** The comment the partition has of its own, also where a marker of ours stands in its place. */
const ownComment = ({ marker, comment }: Partition): string | null =>
  marker === null ? comment : marker.comment;

/** Puts the partition's own comment in the place of our marker, whatever it is called by now. */
const takeMarkerBack = (partition: Partition, marker: Marker): string =>
  replaceComment(
    'TABLE',
    `c.oid = ${partition.oid} AND ${isCommented(markerText(marker))}`,
    ownComment(partition),
  );

/** An unfinished detach keeps its marker. One on a partition that was attached again says nothing any more. */
function markerOf(table: PartitionedTable, partition: Partition, context: StatementContext): Marker {
  if (partition.detachPending && partition.marker !== null) return partition.marker;
  return {
    parentOid: table.oid,
    parent: displayName(table.schema, table.name),
    bounds: partition.boundsText,
    detachedAt: context.startedAt,
    by: context.role,
    runId: context.runId,
    comment: ownComment(partition),
  };
}

const comment = (partition: Partition, marker: Marker): string =>
  `COMMENT ON ${tableSql(partition)} IS ${quoteLiteral(markerText(marker))}`;

/** A table dropped while attached leaves nothing in between to resume, and locks no referenced table. */
function dropAttached(
  table: PartitionedTable,
  partition: Partition,
  step: CleanupStep,
  context: StatementContext,
  pending = false,
): Step {
  const alternative = table.defaultPartition === null && partition.kind === 'table' && !pending;
  return {
    ...base(table, step),
    kind: 'drop',
    hazards: [
      'removes data',
      `an ACCESS EXCLUSIVE lock on ${displayName(table.schema, table.name)} for a moment`,
    ],
    locks: removalLocks(table, partition),
    statements: [
      ...begin(table, context, UNDER_LOCKS),
      ...lockTable(table, 'ACCESS EXCLUSIVE'),
      ...lockTable(partition, 'ACCESS EXCLUSIVE'),
      attachedAsPlanned(table, partition, pending),
      dropTable(partition),
      'COMMIT',
    ],
    ...(alternative
      ? {
          fallback: [
            detachConcurrently(table, partition, step, context, true),
            ...dropLater(table, partition, step, context),
          ],
        }
      : {}),
  };
}

function dropDetached(
  table: PartitionedTable,
  detached: DetachedTable | Partition,
  marker: Marker,
  step: CleanupStep,
  context: StatementContext,
): Step {
  return {
    ...base(table, step),
    kind: 'drop',
    hazards: ['removes data', ...referencedHazard(table, 'an ACCESS EXCLUSIVE lock')],
    // Dropping the table's foreign keys locks what they refer to.
    locks: [lockNeed(detached, 'AccessExclusiveLock'), ...referencedLocks(table, 'AccessExclusiveLock')],
    statements: [
      ...begin(table, context, UNDER_LOCKS),
      ...lockTable(detached, 'ACCESS EXCLUSIVE'),
      detachedAsPlanned(table, detached, marker),
      dropTable(detached),
      'COMMIT',
    ],
  };
}

/**
 * Between the transaction that marks a partition and the detach, which goes by the name, nothing holds that name. Where
 * another partition has got it meanwhile, that one has been detached: no row is lost, but somebody has to be told.
 */
function noLongerAttached(table: PartitionedTable, partition: Partition): string {
  const [name, parent] = [partition, table].map((relation) => displayName(relation.schema, relation.name));
  return ensure(
    `NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = ${partition.oid} AND NOT i.inhdetachpending)`,
    `${name} was given to another partition of ${parent} at the last moment, and that one is detached now: attach ${name} again`,
  );
}

/**
 * Marks the partition and detaches it concurrently. Outside a transaction, so role and lock timeout are set for
 * the session and reset by the executor. When the wait for readers outlasts the lock timeout the partition stays
 * pending and is finalized in a step of its own.
 */
function detachConcurrently(
  table: PartitionedTable,
  partition: Partition,
  step: CleanupStep,
  context: StatementContext,
  thenDrop: boolean,
): Step {
  const marker = markerOf(table, partition, context);
  return {
    ...base(table, step),
    kind: 'detach',
    hazards: referencedHazard(table, 'a SHARE ROW EXCLUSIVE lock'),
    // Once begun it cannot be taken back, only finished; what that will need had better be free.
    locks: [
      lockNeed(table, 'ShareUpdateExclusiveLock'),
      lockNeed(partition, 'ShareUpdateExclusiveLock'),
      ...referencedLocks(table, 'ShareRowExclusiveLock'),
    ],
    statements: [
      ...begin(table, context),
      attachedAsPlanned(table, partition, false),
      comment(partition, marker),
      'COMMIT',
      ...(table.isOwner ? [] : [`SET ROLE ${quoteIdentifier(table.owner)}`]),
      `SET lock_timeout = '${context.lockTimeoutMs}ms'`,
      `ALTER TABLE ${nameOf(table)} DETACH PARTITION ${nameOf(partition)} CONCURRENTLY`,
      noLongerAttached(table, partition),
    ],
    undo: [...begin(table, context), takeMarkerBack(partition, marker), 'COMMIT'],
    fallback: [finalizeDetach(table, partition, step, context, thenDrop)],
  };
}

/** A default partition forbids CONCURRENTLY: the detach then locks the parent, but never waits in its queue for long. */
function detachBlocking(
  table: PartitionedTable,
  partition: Partition,
  step: CleanupStep,
  context: StatementContext,
): Step {
  return {
    ...base(table, step),
    kind: 'detach',
    hazards: [
      `an ACCESS EXCLUSIVE lock on ${displayName(table.schema, table.name)} for a moment, because its default partition forbids a concurrent detach`,
      ...referencedHazard(table, 'a SHARE ROW EXCLUSIVE lock'),
    ],
    locks: [...removalLocks(table, partition), ...referencedLocks(table, 'ShareRowExclusiveLock')],
    statements: [
      ...begin(table, context, UNDER_LOCKS),
      ...lockReferenced(table),
      ...lockTable(table, 'ACCESS EXCLUSIVE'),
      ...lockTable(partition, 'ACCESS EXCLUSIVE'),
      attachedAsPlanned(table, partition, false),
      comment(partition, markerOf(table, partition, context)),
      ...awaitReferenced(table),
      `ALTER TABLE ${nameOf(table)} DETACH PARTITION ${nameOf(partition)}`,
      'COMMIT',
    ],
  };
}

/**
 * Also waits for every older snapshot in the database. Where those never end, and the table is to be dropped
 * anyway, dropping the pending partition is the way out.
 */
function finalizeDetach(
  table: PartitionedTable,
  partition: Partition,
  step: CleanupStep,
  context: StatementContext,
  thenDrop: boolean,
): Step {
  return {
    ...base(table, step),
    kind: 'finalize-detach',
    hazards: referencedHazard(table, 'a SHARE ROW EXCLUSIVE lock'),
    locks: [
      lockNeed(table, 'ShareUpdateExclusiveLock'),
      lockNeed(partition, 'AccessExclusiveLock'),
      ...referencedLocks(table, 'ShareRowExclusiveLock'),
    ],
    statements: [
      ...begin(table, context, UNDER_LOCKS),
      attachedAsPlanned(table, partition, true),
      `ALTER TABLE ${nameOf(table)} DETACH PARTITION ${nameOf(partition)} FINALIZE`,
      'COMMIT',
    ],
    ...(thenDrop ? { fallback: [dropAttached(table, partition, step, context, true)] } : {}),
  };
}

const dropLater = (
  table: PartitionedTable,
  partition: Partition,
  step: CleanupStep,
  context: StatementContext,
): Step[] => [dropDetached(table, partition, markerOf(table, partition, context), step, context)];

/** The statements of one planned removal, in order. */
export function removalSteps(table: PartitionedTable, step: CleanupStep, context: StatementContext): Step[] {
  switch (step.kind) {
    case 'drop':
      return step.from === 'attached'
        ? [dropAttached(table, step.partition, step, context)]
        : [dropDetached(table, step.partition, step.partition.marker, step, context)];
    case 'detach':
      return [
        table.defaultPartition === null && step.partition.kind === 'table'
          ? detachConcurrently(table, step.partition, step, context, false)
          : detachBlocking(table, step.partition, step, context),
      ];
    case 'finalize-detach':
      return [
        finalizeDetach(table, step.partition, step, context, step.thenDrop),
        ...(step.thenDrop ? dropLater(table, step.partition, step, context) : []),
      ];
  }
}
