import process from 'node:process';
import { fileURLToPath } from 'node:url';
import {
  connectionSettings,
  type JobOptions,
  loadConfig,
  type Report,
  runCreate,
  runHealth,
} from 'partition-keeper';
import { Temporal } from 'temporal-polyfill';
import { databaseUrl, ifStarted } from './surroundings.ts';

/** What the jobs need: the tables of partitions.config.ts and the database of DATABASE_URL. */
export async function options(): Promise<JobOptions> {
  const config = await loadConfig(undefined, fileURLToPath(new URL('..', import.meta.url)));
  return { config, connection: connectionSettings(databaseUrl(), process.env) };
}

/** What went wrong with which table, and what to do; empty if all went well. */
const problemsOf = ({ error, tables }: Report): string[] => [
  ...(error === undefined ? [] : [`${error.message} ${error.hint}`]),
  ...tables.flatMap(({ schema, table, error }) =>
    error === undefined ? [] : [`${schema}.${table}: ${error.message} ${error.hint}`],
  ),
];

/**
 * Creates the partitions of the coming 12 months, and of now; those that exist are left as they are. Then checks that
 * all is well. Throws, with reasons, if some table failed or health has found a warning or worse.
 */
export async function createInitialPartitions(): Promise<void> {
  const common = await options();
  const to = Temporal.Now.zonedDateTimeISO('UTC').add({ months: 12 }).toInstant();
  const created = await runCreate({ ...common, to });
  const health = await runHealth(common);
  const findings = health.tables.flatMap(({ findings }) =>
    findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ message, remedy }) => `${message} ${remedy}`),
  );
  const problems = [...problemsOf(created), ...problemsOf(health), ...findings];
  if (problems.length > 0) throw new Error(problems.join('\n'));
  for (const { schema, table, steps, gauges } of created.tables) {
    const days = Math.floor(gauges?.runwayDays ?? 0);
    console.log(`${schema}.${table}: ${steps.length} partitions created, ${days} days covered ahead`);
  }
}

await ifStarted(import.meta.url, createInitialPartitions);
