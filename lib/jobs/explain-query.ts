import type pg from 'pg';
import type { ExplainedQuery, ExplainedTable, ScannedPartition } from '../contract.ts';
import { displayName, quoteIdentifier } from '../partition/identifiers.ts';
import type { Knowledge } from '../partition/pruning/condition.ts';
import { verdictOf } from '../partition/pruning/judge.ts';
import {
  functionsOf,
  isInsertInto,
  type Reference,
  referencesOf,
  removedWholly,
  type Scan,
  subqueryParameters,
} from '../partition/pruning/plan.ts';
import { isConnectionLoss } from '../postgres/connect.ts';
import { notPlanned } from '../postgres/query-plan/not-planned.ts';
import {
  estimatesOf,
  type Leaf,
  type QueriedTable,
  queriedTables,
  volatileFunctions,
} from '../postgres/query-plan/partitioned.ts';
import { forgetPrepared, type Planned, planOf } from '../postgres/query-plan/plan-of.ts';
import { beginAsApplication, type Surroundings } from '../postgres/query-plan/surroundings.ts';
import type { ServerFacts } from '../postgres/session.ts';

/** A statement with all that was learned of it. */
interface Learned {
  readonly planned: Planned;
  readonly tables: readonly QueriedTable[];
  readonly surroundings: Surroundings;
  readonly knowledge: Knowledge;
  readonly estimates: Awaited<ReturnType<typeof estimatesOf>>;
}

const idOf = (schema: string, name: string): string => displayName(schema, name);

const leavesOf = (tables: readonly QueriedTable[]): ReadonlyMap<string, readonly [QueriedTable, Leaf]> =>
  new Map(
    tables.flatMap((table) =>
      table.leaves.map((leaf) => [idOf(leaf.schema, leaf.name), [table, leaf]] as const),
    ),
  );

function scannedPartition(
  { schema, name, scan, indexes }: Scan,
  learned: Learned,
  leaf: Leaf,
): ScannedPartition {
  const { bytes = 0, rows = null } = learned.estimates.get(leaf.oid) ?? {};
  return { partition: displayName(schema, name), bounds: leaf.bounds, scan, indexes, bytes, rows };
}

/** How many partitions a plan leaves to the execution, some of which it may have left out by the values at hand. */
function candidates(reference: Reference<QueriedTable>, { planned }: Learned): number {
  if (planned.unpruned === null) return reference.scans.length + reference.removedAtStart;
  const pruned = referencesOf(planned.plan, (schema, name) =>
    reference.scans.some((scan) => scan.schema === schema && scan.name === name)
      ? reference.table
      : undefined,
  ).filter(({ alias }) => alias === reference.alias);
  if (pruned.length === 0) return removedWholly(planned.plan, reference.alias);
  return pruned.reduce((sum, { scans, removedAtStart }) => sum + scans.length + removedAtStart, 0);
}

function explainedTable(reference: Reference<QueriedTable>, learned: Learned): ExplainedTable {
  const { table, alias, scans, joins } = reference;
  const { surroundings, knowledge } = learned;
  const left = candidates(reference, learned);
  const [first] = scans;
  const verdict = verdictOf({
    keyColumn: table.keyColumn,
    keyType: table.keyType,
    timeZone: surroundings.timeZone,
    partitions: table.leaves.length,
    scanned: left,
    aliases: [
      ...new Set([first?.alias ?? alias, alias].flatMap((name) => [name, quoteIdentifier(name)])),
      null,
    ],
    conditions: first?.conditions ?? [],
    joins,
    pruningEnabled: surroundings.pruningEnabled,
    knowledge,
  });
  // Without pruning all are listed; which of them remain is known where none is excluded.
  const known = learned.planned.unpruned === null || left === scans.length;
  return {
    schema: table.schema,
    table: table.name,
    alias,
    partitionKey: table.keyColumn,
    keyType: table.keyTypeName,
    partitions: table.leaves.length,
    prunedWhenPlanned: table.leaves.length - left,
    removedAtStart: learned.planned.unpruned === null ? reference.removedAtStart : 0,
    scanned: known
      ? table.leaves.flatMap((leaf) => {
          const scan = scans.find(({ schema, name }) => schema === leaf.schema && name === leaf.name);
          return scan === undefined ? [] : [scannedPartition(scan, learned, leaf)];
        })
      : [],
    ...verdict,
  };
}

/** A table of the query that the plan does not read at all. */
function unread(table: QueriedTable, { planned }: Learned): ExplainedTable {
  const removed = removedWholly(planned.plan, table.name);
  const inserts = isInsertInto(planned.plan, table.schema, table.name);
  return {
    schema: table.schema,
    table: table.name,
    alias: table.name,
    partitionKey: table.keyColumn,
    keyType: table.keyTypeName,
    partitions: table.leaves.length,
    prunedWhenPlanned: inserts ? table.leaves.length : table.leaves.length - removed,
    removedAtStart: removed,
    scanned: [],
    keyConditions: [],
    pruning: removed > 0 ? 'start' : 'planning',
    findings: [],
  };
}

function explained(query: string, learned: Learned): ExplainedQuery {
  const leaves = leavesOf(learned.tables);
  const { plan, unpruned, parameters } = learned.planned;
  const references = referencesOf(unpruned ?? plan, (schema, name) => leaves.get(idOf(schema, name))?.[0]);
  return {
    query,
    parameters,
    tables: learned.tables.flatMap((table) => {
      const own = references.filter((reference) => reference.table === table);
      return own.length === 0
        ? [unread(table, learned)]
        : own.map((reference) => explainedTable(reference, learned));
    }),
  };
}

async function learn(
  client: pg.Client,
  query: string,
  server: ServerFacts,
  surroundings: Surroundings,
): Promise<Learned> {
  const planned = await planOf(client, query, server.versionNumber).catch((error: unknown) => {
    throw isConnectionLoss(client, error) ? error : notPlanned(error, query);
  });
  await client.query('SET LOCAL search_path = pg_catalog');
  const tables = await queriedTables(client);
  const shown = planned.unpruned ?? planned.plan;
  const names = await volatileFunctions(client, functionsOf(shown), surroundings.schemas);
  const leaves = leavesOf(tables);
  const oids = referencesOf(shown, (schema, name) => leaves.get(idOf(schema, name))?.[1]).map(({ scans }) =>
    scans.flatMap(({ schema, name }) => leaves.get(idOf(schema, name))?.[1].oid ?? []),
  );
  return {
    planned,
    tables,
    surroundings,
    estimates: await estimatesOf(client, [...new Set(oids.flat())]),
    knowledge: { isVolatile: (name) => names.has(name), subqueries: subqueryParameters(shown) },
  };
}

/**
 * Which partitions of which partitioned tables a statement reads, and why not fewer. It is planned, never run, in a
 * transaction that can change nothing.
 * @param query one statement
 * @throws KeeperError when the server does not plan it
 */
export async function explainQuery(
  client: pg.Client,
  query: string,
  server: ServerFacts,
  searchPath: string | undefined,
): Promise<{ readonly explained: ExplainedQuery; readonly searchPath: string }> {
  const surroundings = await beginAsApplication(client, searchPath);
  try {
    const learned = await learn(client, query, server, surroundings);
    return { explained: explained(query, learned), searchPath: surroundings.searchPath };
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
    await forgetPrepared(client).catch(() => undefined);
  }
}
