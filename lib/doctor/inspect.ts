import type pg from 'pg';
import type { Temporal } from 'temporal-polyfill';
import { displayName, qualified } from '../partition/identifiers.ts';
import type { TableConfig } from '../partition/table-config.ts';
import { timeZoneSql } from '../partition/time-zone-sql.ts';
import { explain } from '../postgres/apply/explain.ts';
import { OF_CLIENT } from '../postgres/apply/holders.ts';
import { inspect } from '../postgres/inspect/inspect.ts';
import type { Found } from '../postgres/inspect/inspected.ts';
import type { Session } from '../postgres/session.ts';
import { readTables } from '../sql/tables.ts';
import type {
  CronJob,
  DoctorFacts,
  EventTrigger,
  OldTransaction,
  Others,
  PartmanTable,
  PreparedTransaction,
  ReplicationSlot,
  SessionFacts,
  TableFacts,
  ZoneSample,
} from './facts.ts';
import * as queries from './queries.ts';
import { localMinutes, samplesOf } from './time-zones.ts';

async function readZones(
  client: pg.Client,
  tables: readonly TableConfig[],
  now: Temporal.Instant,
): Promise<ZoneSample[]> {
  const zones = [...new Set(tables.map(({ timeZone }) => timeZone))];
  const samples = zones.flatMap((zone) => samplesOf(zone, now).map((instant) => ({ zone, instant })));
  const { rows } = await client.query<{ position: number; minutes: number | null }>(queries.ZONES, [
    samples.map(({ zone }) => timeZoneSql(zone)),
    samples.map(({ instant }) => instant.toString()),
  ]);
  const minutes = new Map(rows.map((row) => [row.position, row.minutes]));
  return samples.map((sample, position) => ({
    ...sample,
    serverMinutes: minutes.get(position) ?? null,
    localMinutes: localMinutes(sample.zone, sample.instant),
  }));
}

interface OtherRow {
  readonly schema: string;
  readonly name: string;
  readonly readable: boolean;
  readonly partial: boolean;
}

/** What the tables of other tools say; they are somebody's own, so a lock or a missing right is no failure of ours. */
async function readOthers<Row extends pg.QueryResultRow>(
  client: pg.Client,
  tables: readonly OtherRow[],
  name: string,
  select: string,
): Promise<Others<Row & { readonly schema: string }>> {
  const rows: (Row & { readonly schema: string })[] = [];
  const ours = tables.filter((table) => table.name === name);
  if (ours.length === 0) return null;
  for (const table of ours) {
    if (!table.readable) return { unreadable: `no right to read ${displayName(table.schema, table.name)}.` };
    // Jobs of others are hidden by row security, which is an error where it is off.
    await client.query("BEGIN READ ONLY; SET LOCAL lock_timeout = '200ms'; SET LOCAL row_security = on");
    try {
      const found = await client.query<Row>(`${select} FROM ${qualified(table.schema, table.name)} AS t`);
      rows.push(...found.rows.map((row) => ({ ...row, schema: table.schema })));
    } catch (error) {
      return { unreadable: explain(error).message };
    } finally {
      await client.query('ROLLBACK');
    }
  }
  return { rows, partial: ours.some(({ partial }) => partial) };
}

interface SessionRow {
  readonly local: boolean;
  readonly tls: string | null;
  readonly sees_others: boolean;
}

export interface DoctorInput {
  readonly session: Session;
  readonly localClock: Temporal.Instant;
  /** All tables of the config. */
  readonly configured: readonly TableConfig[];
  /** Those that are looked at. */
  readonly tables: readonly TableConfig[];
  /** Whether the connection verifies the server's certificate. */
  readonly verified: boolean;
  readonly pooled: boolean;
  /** Whether the connection was made to this machine. */
  readonly nearby: boolean;
}

/** Everything the checks need to know. Reads only, and waits for no lock. */
export async function readFacts(input: DoctorInput): Promise<DoctorFacts> {
  const { session, localClock, configured, tables: configs, verified, pooled, nearby } = input;
  const { client, server } = session;
  const read = async <Row extends pg.QueryResultRow>(sql: string, parameters: readonly unknown[] = []) =>
    (await client.query<Row>(sql, [...parameters])).rows;

  const [own] = await read<SessionRow>(queries.SESSION);
  if (own === undefined) throw new Error('the server told nothing of the session');
  const sessionFacts: SessionFacts = {
    pooled,
    tls: own.tls,
    // Behind a pooler, the server sees where that is.
    local: pooled ? nearby : own.local,
    verified,
  };

  const inspected = await inspect(client, configs);
  const entries = inspected.filter((entry): entry is Found => 'table' in entry);
  const oids = entries.map(({ table }) => table.oid);
  const names = entries.map(({ table }) => displayName(table.schema, table.name));
  const tableRows = await read<
    Omit<TableFacts, 'entry' | 'withoutAutovacuum'> & {
      readonly oid: number;
      readonly withoutAutovacuum: readonly [string, string][];
    }
  >(queries.TABLES, [oids]);
  const others = await read<OtherRow>(queries.OTHERS);
  return {
    server,
    localClock,
    settings: Object.fromEntries(
      (await read<{ name: string; value: string }>(queries.SETTINGS)).map(({ name, value }) => [name, value]),
    ),
    session: sessionFacts,
    seesOthers: own.sees_others,
    transactions: await read<OldTransaction>(queries.transactions(OF_CLIENT), [oids, names]),
    prepared: await read<PreparedTransaction>(queries.PREPARED, [oids, names]),
    slots: await read<ReplicationSlot>(queries.SLOTS),
    zones: configs.length === 0 ? [] : await readZones(client, configs, server.clock),
    partman: await readOthers<Omit<PartmanTable, 'schema'>>(
      client,
      others,
      'part_config',
      'SELECT t.parent_table AS table',
    ),
    cron: await readOthers<CronJob>(
      client,
      others,
      'job',
      "SELECT t.jobid::text AS id, to_jsonb(t) ->> 'database' AS database, to_jsonb(t) ->> 'jobname' AS name, t.schedule, t.command",
    ),
    hypertables: await readOthers<{ table: string }>(
      client,
      others,
      'hypertable',
      "SELECT t.schema_name || '.' || t.table_name AS table",
    ),
    installations: (await read<{ schema: string; owner: string; body: string }>(queries.INSTALLATIONS)).map(
      ({ body, ...installation }) => ({ ...installation, tables: readTables(body) }),
    ),
    eventTriggers: await read<EventTrigger>(queries.EVENT_TRIGGERS),
    configured,
    asked: configs,
    tables: entries.flatMap((entry) => {
      const row = tableRows.find(({ oid }) => oid === entry.table.oid);
      if (row === undefined) return [];
      const { oid: _, withoutAutovacuum, ...facts } = row;
      return [
        {
          ...facts,
          entry,
          withoutAutovacuum: withoutAutovacuum.map(([schema, name]) => displayName(schema, name)),
        },
      ];
    }),
    unmanageable: inspected.flatMap((entry) =>
      'error' in entry
        ? [{ table: displayName(entry.config.schema, entry.config.table), error: entry.error }]
        : [],
    ),
  };
}
