import { Temporal } from 'temporal-polyfill';
import type { TableInput } from '../../lib/config/schema.ts';
import {
  type CleanupJobOptions,
  type ConvertJobOptions,
  type CreateJobOptions,
  connectionSettings,
  type InspectJobOptions,
  type JobOptions,
  parseConfig,
  type ReindexJobOptions,
  type Report,
  type ReportStep,
  runCleanup,
  runConvert,
  runCreate,
  runHealth,
  runPlan,
  runReindex,
  runStatus,
  runValidate,
  type TableReport,
} from '../../lib/index.ts';
import type { TestDatabase } from './database.ts';

export type Settings = Partial<TableInput>;

/** What a config file would say of the tables: `app.events`, keyed by `at`, in months, unless told otherwise. */
export const configFile = (...tables: readonly Settings[]): { readonly tables: TableInput[] } => ({
  tables: tables.map((table) => ({
    schema: 'app',
    table: 'events',
    partitionKey: 'at',
    interval: 'month',
    ...table,
  })),
});

type Without<Options extends JobOptions> = Omit<Options, 'config' | 'connection'>;

/** The jobs on a database, for the given tables. */
export interface Keeper {
  readonly create: (options?: Without<CreateJobOptions>) => Promise<Report>;
  readonly cleanup: (options?: Without<CleanupJobOptions>) => Promise<Report>;
  readonly plan: (options?: Without<CreateJobOptions & CleanupJobOptions>) => Promise<Report>;
  readonly health: (options?: Without<InspectJobOptions>) => Promise<Report>;
  readonly status: (options?: Without<InspectJobOptions>) => Promise<Report>;
  readonly validate: (options?: Without<InspectJobOptions>) => Promise<Report>;
  readonly reindex: (options?: Partial<Omit<ReindexJobOptions, 'config' | 'connection'>>) => Promise<Report>;
  readonly convert: (options?: Partial<Omit<ConvertJobOptions, 'config' | 'connection'>>) => Promise<Report>;
}

/** @param to the database, as its superuser or as the role */
export function keeper(to: { readonly url: string }, ...tables: readonly Settings[]): Keeper {
  const common = {
    config: parseConfig(configFile(...(tables.length === 0 ? [{}] : tables)), 'the config of the test'),
    connection: connectionSettings(to.url, {}),
  };
  return {
    create: (options) => runCreate({ ...common, ...options }),
    cleanup: (options) => runCleanup({ ...common, ...options }),
    plan: (options) => runPlan({ ...common, ...options }),
    health: (options) => runHealth({ ...common, ...options }),
    status: (options) => runStatus({ ...common, ...options }),
    validate: (options) => runValidate({ ...common, ...options }),
    reindex: (options) => runReindex({ ...common, target: 'app.events', ...options }),
    convert: (options) => runConvert({ ...common, table: 'app.events', ...options }),
  };
}

export const at = (text: string): Temporal.Instant => Temporal.Instant.from(text);

/** What the report says of its first table, or of the one with the name. */
export function tableOf(report: Report, name?: string): TableReport {
  const table = report.tables.find((candidate) => name === undefined || candidate.table === name);
  if (table === undefined) throw new Error(`The report has no table ${name ?? 'at all'}.`);
  return table;
}

/** The steps of a run that went well. Throws, with the reasons, if it did not. */
export function stepsOf(report: Report, name?: string): readonly ReportStep[] {
  const errors = report.tables.flatMap(({ table, error }) =>
    error === undefined ? [] : [`${table}: ${error.code}: ${error.message} ${error.hint}`],
  );
  if (!report.ok || errors.length > 0)
    throw new Error(`The run has failed: ${errors.join('; ') || 'no reason given'}`);
  return tableOf(report, name).steps;
}

/** What the steps of a run that went well did, in order: `create app.events_2026_11`. */
export const done = (report: Report, name?: string): string[] =>
  stepsOf(report, name).map(({ kind, partition }) => `${kind} ${partition}`);

export const findingsOf = (report: Report, name?: string): string[] =>
  tableOf(report, name).findings.map(({ finding }) => finding);

/** The partitions of a table by name, with their bounds as the server prints them in UTC, ascending by bounds. */
export async function partitionsOf(
  database: TestDatabase,
  parent = 'app.events',
): Promise<Record<string, string>> {
  const rows = await database.query<{ name: string; bounds: string }>(
    `SELECT p.name, p.bounds FROM (
       SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass
     ) AS p ORDER BY p.bounds = 'DEFAULT', p.bounds`,
    [parent],
  );
  return Object.fromEntries(
    rows.map(({ name, bounds }) => [
      name,
      bounds
        .replaceAll(' 00:00:00', '')
        .replaceAll('+00', '')
        .replace(/^FOR VALUES FROM \('?([^')]*)'?\) TO \('?([^')]*)'?\)$/, '$1 .. $2'),
    ]),
  );
}

/** Catalogs that DDL writes to. A row that is written anew, even unchanged, has another transaction for its writer. */
const CATALOGS = [
  'pg_class',
  'pg_inherits',
  'pg_attribute',
  'pg_attrdef',
  'pg_constraint',
  'pg_index',
  'pg_trigger',
  'pg_policy',
  'pg_description',
  'pg_namespace',
  'pg_type',
  'pg_depend',
  'pg_statistic_ext',
];

/** A digest of the catalog: equal before and after if, and only if, nothing was changed in between. */
export async function catalogState(database: TestDatabase): Promise<Record<string, string | undefined>> {
  const digests = CATALOGS.map(
    (name) => `(SELECT md5(string_agg(t.xmin || ' ' || t.ctid, ',' ORDER BY t.ctid))
    FROM ${name} AS t) AS ${name}`,
  );
  const [row] = await database.query<Record<string, string | undefined>>(`SELECT ${digests.join(', ')}`);
  return row ?? {};
}

/** Everything people would see of the relations in a schema, without oids and moments: two like databases agree on it. */
export async function describeSchema(database: TestDatabase, schema = 'app'): Promise<unknown[]> {
  return await database.query(
    `SELECT c.relname AS name, c.relkind AS kind, pg_get_expr(c.relpartbound, c.oid) AS bounds, c.relpersistence AS persistence,
            pg_get_userbyid(c.relowner) AS owner, c.relacl::text AS grants, c.reloptions AS options, c.relreplident AS replica,
            c.relrowsecurity AS security, c.relforcerowsecurity AS forced, obj_description(c.oid, 'pg_class') AS comment,
            pg_get_indexdef(c.oid) AS index,
            (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
                     coalesce(a.attstattarget, -1), a.attacl::text, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)) ORDER BY a.attnum)
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
            (SELECT json_agg(json_build_array(k.conname, pg_get_constraintdef(k.oid)) ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid) AS constraints,
            (SELECT json_agg(pg_get_triggerdef(g.oid) ORDER BY g.tgname) FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal) AS triggers,
            (SELECT json_agg(json_build_array(p.policyname, p.permissive, p.roles, p.cmd, p.qual, p.with_check) ORDER BY p.policyname)
             FROM pg_policies p WHERE p.schemaname = $1 AND p.tablename = c.relname) AS policies
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 ORDER BY c.relname`,
    [schema],
  );
}
