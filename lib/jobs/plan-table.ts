import type pg from 'pg';
import type { Temporal } from 'temporal-polyfill';
import type { Finding, ReportError } from '../contract.ts';
import { displayIdentifier, displayName, quoteIdentifier } from '../partition/identifiers.ts';
import type { ManagedTable, PartitionedTable } from '../partition/model.ts';
import { type CleanupOptions, planCleanup } from '../partition/plan-cleanup.ts';
import { type CreateOptions, planCreate } from '../partition/plan-create.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { countRowsByRange } from '../postgres/inspect/default-rows.ts';
import type { ServerFacts } from '../postgres/session.ts';
import { codeOf, isLockFailure, SQLSTATE } from '../postgres/sqlstate.ts';
import { lockTimeoutMs, type StatementContext } from '../postgres/statements/common.ts';
import { createStep } from '../postgres/statements/create.ts';
import { removalSteps } from '../postgres/statements/remove.ts';
import type { Step } from '../postgres/step.ts';

/** What is to be done to one table: units of steps, each unit about one partition. */
export interface TablePlan {
  readonly units: readonly (readonly Step[])[];
  readonly findings: readonly Finding[];
  /** What cannot be done; the units still can. */
  readonly problems: readonly ReportError[];
  /** Why nothing is done until somebody approves. */
  readonly refusal: ReportError | null;
}

export interface PlanContext {
  readonly client: pg.Client;
  readonly server: ServerFacts;
  readonly runId: string;
  readonly now: Temporal.Instant;
  readonly localClock: Temporal.Instant;
}

export const statementContext = ({ server, runId }: PlanContext): StatementContext => ({
  lockTimeoutMs: lockTimeoutMs(server.deadlockTimeoutMs),
  runId,
  role: server.role,
  startedAt: server.clock.toString(),
});

/** Why the role cannot change this table at all; null when it can. */
export function ownershipProblem(table: ManagedTable, server: ServerFacts): ReportError | null {
  const name = displayName(table.schema, table.name);
  const owner = quoteIdentifier(table.owner);
  if (!table.mayManage) {
    return {
      code: 'permission',
      message: `Role ${server.role} is neither the owner of ${name} (${table.owner}) nor a member of it: it may not create or remove partitions.`,
      // From PostgreSQL 16 on a membership may lack SET, and granting it again as such would not add that.
      hint: `GRANT ${owner} TO ${quoteIdentifier(server.role)}${server.versionNumber >= 160_000 ? ' WITH SET TRUE' : ''};`,
    };
  }
  if (!table.mayCreate) {
    return {
      code: 'permission',
      message: `Role ${table.owner}, the owner of ${name}, may not create tables in schema ${table.schema}.`,
      hint: `GRANT USAGE, CREATE ON SCHEMA ${quoteIdentifier(table.schema)} TO ${owner};`,
    };
  }
  return null;
}

/**
 * Rows of the default partition by range, read as the owner. Where another session's lock hides them, or there is not
 * the time to count them, none: should there be some after all, the step that fails over them is made up for by one
 * that moves them.
 */
async function misplacedRows(
  context: PlanContext,
  table: PartitionedTable,
  ranges: Parameters<typeof countRowsByRange>[2],
): Promise<number[]> {
  if (table.defaultPartition === null || table.defaultPartition.rows === 0) return ranges.map(() => 0);
  const { client } = context;
  await client.query("BEGIN READ ONLY; SET LOCAL lock_timeout = '50ms'");
  try {
    if (!table.isOwner && table.mayManage)
      await client.query(`SET LOCAL ROLE ${quoteIdentifier(table.owner)}`);
    return await countRowsByRange(client, table, ranges);
  } catch (error) {
    if (!isLockFailure(error) && codeOf(error) !== SQLSTATE.cancelled) throw error;
    return ranges.map(() => 0);
  } finally {
    await client.query('ROLLBACK');
  }
}

/** Rows that others refer to cannot leave the default partition without doing to the others what their keys say. */
function referencedRows(
  table: PartitionedTable,
  steps: readonly { readonly name: string; readonly rows: number }[],
): ReportError[] {
  const cascadesTo = table.defaultPartition?.cascadesTo ?? [];
  const stuck = steps.filter(({ rows }) => rows > 0);
  if (cascadesTo.length === 0 || stuck.length === 0) return [];
  const count = stuck.reduce((sum, { rows }) => sum + rows, 0);
  const names = stuck.map(({ name }) => displayName(table.schema, name)).join(', ');
  return [
    {
      code: 'default-rows-referenced',
      message: `${count} rows of the default partition belong into ${names}, but are not moved: foreign keys of ${cascadesTo.join(', ')} would delete or empty the rows that refer to them.`,
      hint: 'Drop these foreign keys, run the command again, and add them again (NOT VALID first, then VALIDATE CONSTRAINT).',
    },
  ];
}

/** Nor can any leave it where the owner may not create the temporary table that they are moved with. */
function temporaryProblem(table: PartitionedTable, { database }: ServerFacts): ReportError {
  return {
    code: 'permission',
    message: `Role ${table.owner}, the owner of ${displayName(table.schema, table.name)}, may not create temporary tables: no rows are moved out of its default partition.`,
    hint: `GRANT TEMPORARY ON DATABASE ${displayIdentifier(database)} TO ${displayIdentifier(table.owner)};`,
  };
}

export async function createPlan(
  context: PlanContext,
  table: PartitionedTable,
  config: TableConfig,
  options: Omit<CreateOptions, 'now'>,
): Promise<TablePlan> {
  const plan = planCreate(table, config, { ...options, now: context.now });
  const rows = await misplacedRows(
    context,
    table,
    plan.steps.map(({ range }) => range),
  );
  const statements = statementContext(context);
  const steps = plan.steps.map((step, index) => ({ ...step, rows: rows[index] ?? 0 }));
  const stuck =
    table.defaultPartition?.mayCreateTemporary === false && steps.some((step) => step.rows > 0)
      ? [temporaryProblem(table, context.server)]
      : referencedRows(table, steps);
  const possible = stuck.length === 0 ? steps : steps.filter((step) => step.rows === 0);
  return {
    units: possible.map((step) => [createStep(table, step, step.rows, statements)]),
    findings: [],
    problems: [...plan.problems, ...stuck],
    refusal: plan.refusal,
  };
}

export function cleanupPlan(
  context: PlanContext,
  table: PartitionedTable,
  config: TableConfig,
  options: Pick<CleanupOptions, 'approve' | 'partitions'>,
): TablePlan {
  const { now, server, localClock } = context;
  const plan = planCleanup(table, config, { ...options, now, localClock, serverClock: server.clock });
  const statements = statementContext(context);
  return {
    units: plan.steps.map((step) => removalSteps(table, step, statements)),
    findings: plan.findings,
    problems: [],
    refusal: plan.refusal,
  };
}
