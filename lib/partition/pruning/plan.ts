import { type Expression, partsOf, some } from './expression.ts';
import { conjunctsOf, parseExpression } from './parse.ts';

/** A node of a plan, as EXPLAIN (FORMAT JSON, VERBOSE) prints it. */
export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Parent Relationship'?: string;
  readonly 'Parallel Aware'?: boolean;
  readonly Operation?: string;
  readonly Schema?: string;
  readonly 'Relation Name'?: string;
  readonly Alias?: string;
  readonly 'Index Name'?: string;
  readonly 'Subplans Removed'?: number;
  readonly 'Subplan Name'?: string;
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
  readonly [condition: string]: unknown;
}

const OWN_CONDITIONS = ['Index Cond', 'Recheck Cond', 'Filter', 'TID Cond', 'Order By'];
const JOIN_CONDITIONS = ['Hash Cond', 'Merge Cond', 'Join Filter'];

const textOf = (node: PlanNode, name: string): string[] => {
  const value = node[name];
  return typeof value === 'string' ? [value] : [];
};

const childrenOf = (node: PlanNode): readonly PlanNode[] => node.Plans ?? [];
const isAppend = (node: PlanNode): boolean => /^(Merge )?Append$/.test(node['Node Type']);

/** A scan of one relation. */
export interface Scan {
  readonly schema: string;
  readonly name: string;
  readonly alias: string;
  readonly scan: string;
  readonly indexes: readonly string[];
  readonly conditions: readonly Expression[];
}

/** One appearance of a table in a query: the scans of its partitions. */
export interface Reference<Table> {
  readonly table: Table;
  readonly alias: string;
  readonly scans: readonly Scan[];
  readonly removedAtStart: number;
  /** Conditions by which it is joined, with what the query calls it. */
  readonly joins: readonly Expression[];
}

/** Whether the plan writes new rows into the table, which reads no partition. */
export const isInsertInto = (plan: PlanNode, schema: string, name: string): boolean =>
  (plan.Operation === 'Insert' && plan.Schema === schema && plan['Relation Name'] === name) ||
  childrenOf(plan).some((child) => isInsertInto(child, schema, name));

/** `$0`, as PostgreSQL 16 and older print the result of a subquery. */
export function subqueryParameters(plan: PlanNode): ReadonlySet<string> {
  const [, names = ''] = /\(returns ([^)]*)\)/.exec(plan['Subplan Name'] ?? '') ?? [];
  const own = names.split(',').filter((name) => name !== '');
  return new Set([...own, ...childrenOf(plan).flatMap((child) => [...subqueryParameters(child)])]);
}

const indexesOf = (node: PlanNode): string[] => [
  ...textOf(node, 'Index Name'),
  ...childrenOf(node)
    .filter((child) => /^Bitmap/.test(child['Node Type']))
    .flatMap(indexesOf),
];

const bitmapConditions = (node: PlanNode): string[] =>
  childrenOf(node).flatMap((child) =>
    child['Node Type'] === 'BitmapAnd' || child['Node Type'] === 'Bitmap Index Scan'
      ? [...textOf(child, 'Index Cond'), ...bitmapConditions(child)]
      : [],
  );

function scanOf(node: PlanNode): Scan | undefined {
  const { Schema: schema, 'Relation Name': name, Alias: alias, 'Node Type': type } = node;
  if (schema === undefined || name === undefined || alias === undefined || type === 'ModifyTable')
    return undefined;
  const texts = [...OWN_CONDITIONS.flatMap((label) => textOf(node, label)), ...bitmapConditions(node)];
  const conditions = new Map(texts.flatMap(conjunctsOf).map((condition) => [condition.text, condition]));
  return {
    schema,
    name,
    alias,
    scan: `${node['Parallel Aware'] === true ? 'Parallel ' : ''}${type}`,
    indexes: indexesOf(node),
    conditions: [...conditions.values()],
  };
}

interface Around {
  readonly appended: boolean;
  readonly joins: readonly string[];
}

interface Found {
  readonly scan: Scan;
  /** What the query calls the table: the planner numbers the partitions under an Append. */
  readonly alias: string;
  readonly joins: readonly string[];
}

function scansOf(node: PlanNode, around: Around): Found[] {
  const scan = scanOf(node);
  const own = JOIN_CONDITIONS.flatMap((label) => textOf(node, label));
  const within = { appended: around.appended || isAppend(node), joins: [...around.joins, ...own] };
  const below = childrenOf(node).flatMap((child) =>
    // A subquery has joins of its own.
    /^(InitPlan|SubPlan)$/.test(child['Parent Relationship'] ?? '')
      ? scansOf(child, { appended: false, joins: [] })
      : scansOf(child, within),
  );
  if (scan === undefined) return below;
  const alias = around.appended ? scan.alias.replace(/_\d+$/, '') : scan.alias;
  return [{ scan, alias, joins: around.joins }, ...below];
}

/** The Appends that say they have left something out, with the alias of what they read. */
function removals(node: PlanNode): { readonly alias: string | undefined; readonly removed: number }[] {
  const below = childrenOf(node).flatMap(removals);
  const removed = node['Subplans Removed'] ?? 0;
  if (removed === 0) return below;
  const members = childrenOf(node).filter((child) => child['Parent Relationship'] === 'Member');
  const [first] = members.flatMap((member) => scansOf(member, { appended: true, joins: [] }));
  const [, word] = /^"?([^".]+)"?\./.exec(node.Output?.[0] ?? '') ?? [];
  return [...below, { alias: first?.alias ?? word, removed }];
}

/**
 * The appearances of partitioned tables in a plan.
 * @param tableOf the partitioned table that a relation is a partition of
 */
export function referencesOf<Table>(
  plan: PlanNode,
  tableOf: (schema: string, name: string) => Table | undefined,
): Reference<Table>[] {
  const groups: { readonly table: Table; readonly alias: string; readonly found: Found[] }[] = [];
  for (const found of scansOf(plan, { appended: false, joins: [] })) {
    const { alias, scan } = found;
    const table = tableOf(scan.schema, scan.name);
    if (table === undefined) continue;
    const group = groups.findLast((one) => one.alias === alias && one.table === table);
    // A partition that comes again is read for another appearance: the next arm of a UNION ALL.
    const again = group?.found.some((one) => one.scan.schema === scan.schema && one.scan.name === scan.name);
    if (group === undefined || again === true) groups.push({ table, alias, found: [found] });
    else group.found.push(found);
  }
  const left = removals(plan);
  return groups.map(({ table, alias, found }) => {
    const index = left.findIndex((one) => one.alias === alias);
    const [removal] = index === -1 ? [] : left.splice(index, 1);
    return {
      table,
      alias,
      scans: found.map(({ scan }) => scan),
      removedAtStart: removal?.removed ?? 0,
      joins: [...new Set(found.flatMap(({ joins }) => joins))].flatMap(conjunctsOf),
    };
  });
}

/** How many partitions of a table were left out by an Append of which nothing remains, so that it may lack a name. */
export function removedWholly(plan: PlanNode, alias: string): number {
  const all = removals(plan);
  const named = all.find((one) => one.alias === alias) ?? all.find((one) => one.alias === undefined);
  return named?.removed ?? 0;
}

/** All conditions of a plan. */
const conditionsOf = (node: PlanNode): Expression[] => [
  ...[...OWN_CONDITIONS, ...JOIN_CONDITIONS].flatMap((label) => textOf(node, label)).map(parseExpression),
  ...childrenOf(node).flatMap(conditionsOf),
];

const functionsIn = (expression: Expression): string[] => [
  ...(expression.kind === 'call' ? [expression.name] : []),
  ...partsOf(expression).flatMap(functionsIn),
];

/** The functions that conditions of the plan call, with their schema where it was printed. */
export const functionsOf = (plan: PlanNode): string[] => [
  ...new Set(
    conditionsOf(plan)
      .filter((condition) => some(condition, ({ kind }) => kind === 'call'))
      .flatMap(functionsIn),
  ),
];
