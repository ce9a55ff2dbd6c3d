import * as v from 'valibot';
import { usageError } from '../errors.ts';
import type { Interval } from '../partition/calendar.ts';
import type { Span } from '../partition/span.ts';
import type { TableConfig } from '../partition/table-config.ts';
import type { Deployment } from './deployment.ts';
import { type ConfigInput, configSchema, type TableInput } from './schema.ts';

export interface Config {
  readonly tables: readonly TableConfig[];
  /** Where on AWS the functions are put; absent unless the config says. */
  readonly deployment?: Deployment;
}

const DEFAULT_PREMAKE: Record<Interval, number> = {
  hour: 48,
  day: 14,
  week: 6,
  month: 3,
  quarter: 2,
  year: 1,
};

/** A quarterly cleanup, and slack. */
const DEFAULT_OVERDUE: Span = { days: 100 };

/** Gives editors the types; `parseConfig` does the checking when the file is read. */
export const defineConfig = (config: ConfigInput): ConfigInput => config;

function withDefaults(table: TableInput, timeZone: string | undefined): TableConfig {
  return {
    schema: table.schema,
    table: table.table,
    partitionKey: table.partitionKey,
    interval: table.interval,
    premake: table.premake ?? DEFAULT_PREMAKE[table.interval],
    retention: table.retention ?? null,
    expired: table.expired ?? 'drop',
    grace: table.grace ?? null,
    overdueAfter: table.overdueAfter ?? DEFAULT_OVERDUE,
    maxExpiredShare: table.maxExpiredShare ?? 0.5,
    timeZone: table.timeZone ?? timeZone ?? 'UTC',
  };
}

/** `tables[2].retention.days`, as one would write it in code. */
function pathText(issue: v.BaseIssue<unknown>): string {
  const path = (issue.path ?? []).map(({ key }) =>
    typeof key === 'number' ? `[${key}]` : `.${String(key)}`,
  );
  return path.join('').replace(/^\./, '') || 'the config';
}

export type CheckedConfig = v.InferOutput<typeof configSchema>;

/**
 * @param source what to call the config in messages, normally its file name
 * @throws KeeperError `config-invalid` that lists every problem with its path
 */
export function checkConfig(input: unknown, source: string): CheckedConfig {
  const result = v.safeParse(configSchema, input);
  if (!result.success) {
    const problems = result.issues.map((issue) => `  ${pathText(issue)}: ${issue.message}`);
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    throw usageError(
      'config-invalid',
      `${source} has ${count}:\n${problems.join('\n')}`,
      `Correct ${source}; nothing has been done. The fields are described in the README under "Config".`,
    );
  }
  return result.output;
}

/** Checks a config, as `checkConfig`, and fills in its defaults. */
export function parseConfig(input: unknown, source: string): Config {
  const { tables, timeZone, deployment } = checkConfig(input, source);
  return {
    tables: tables.map((table) => withDefaults(table, timeZone)),
    ...(deployment === undefined ? {} : { deployment }),
  };
}
