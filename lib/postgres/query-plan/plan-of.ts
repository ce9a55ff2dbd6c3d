import type pg from 'pg';
import type { PlanNode } from '../../partition/pruning/plan.ts';

/** A statement with its plan. */
export interface Planned {
  readonly parameters: number;
  readonly plan: PlanNode;
  /**
   * The plan without pruning, where a plan with parameters cannot be had otherwise than with values for them: those
   * exclude partitions that other values would not.
   */
  readonly unpruned: PlanNode | null;
}

interface ExplainRow {
  readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[];
}

const NAME = 'partition_keeper_explained';
/** EXPLAIN knows GENERIC_PLAN from here on. */
const GENERIC_PLAN_VERSION = 160_000;

async function explained(client: pg.Client, text: string): Promise<PlanNode> {
  const { rows } = await client.query<ExplainRow>(text);
  const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
  if (plan === undefined) throw new Error('EXPLAIN answered without a plan');
  return plan;
}

/**
 * Parses it, which runs nothing and plans nothing, by the extended protocol: that takes one statement and no more,
 * and PREPARE none but those that have a plan.
 * @returns how many parameters it has
 */
async function prepare(client: pg.Client, query: string): Promise<number> {
  await client.query({ text: `PREPARE ${NAME} AS ${query}`, queryMode: 'extended' } as pg.QueryConfig);
  const { rows } = await client.query<{ count: number }>(
    'SELECT pg_catalog.cardinality(parameter_types) AS count FROM pg_catalog.pg_prepared_statements WHERE name OPERATOR(pg_catalog.=) $1',
    [NAME],
  );
  return rows[0]?.count ?? 0;
}

/** Before PostgreSQL 16: a generic plan is that of a prepared statement. NULLs stand for its parameters. */
async function genericPlans(client: pg.Client, query: string, parameters: number): Promise<Planned> {
  const execute = `EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE ${NAME}(${Array(parameters).fill('NULL').join(', ')})`;
  await client.query('SET LOCAL plan_cache_mode = force_generic_plan');
  const plan = await explained(client, execute);
  await client.query(`DEALLOCATE ${NAME}; SET LOCAL enable_partition_pruning = off`);
  await prepare(client, query);
  return { parameters, plan, unpruned: await explained(client, execute) };
}

/**
 * How the server would run a statement; it is not run. Within a transaction of the caller, who has set the search path.
 * @param query one statement
 */
export async function planOf(client: pg.Client, query: string, versionNumber: number): Promise<Planned> {
  const parameters = await prepare(client, query);
  if (parameters > 0 && versionNumber < GENERIC_PLAN_VERSION) return genericPlans(client, query, parameters);
  // Not with values for the parameters, which the plan would be made for.
  const options = `FORMAT JSON, VERBOSE${parameters > 0 ? ', GENERIC_PLAN' : ''}`;
  return { parameters, plan: await explained(client, `EXPLAIN (${options}) ${query}`), unpruned: null };
}

/** Prepared statements outlive their transaction. */
export const forgetPrepared = (client: pg.Client): Promise<unknown> => client.query('DEALLOCATE ALL');
