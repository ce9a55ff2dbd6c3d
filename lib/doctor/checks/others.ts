import type { Check } from '../../contract.ts';
import { displayName } from '../../partition/identifiers.ts';
import { calledSchema, isJobName } from '../../sql/cron.ts';
import type { CronJob, DoctorFacts, Others } from '../facts.ts';
import { fine, found, orFine, unknown } from './check.ts';

/** Functions of hand-made partitioning, and of pg_partman, whatever they are called with. */
const MAINTENANCE =
  /\b(create_monthly_partition|create_future_partitions|cleanup_old_partitions|check_partition_health|create_partitions|cleanup_partitions|run_maintenance(_proc)?|partition_data_(time|proc))\b/i;

/** A name of ours, or of a partition after it, with or without its schema and quotes. */
function mentions(command: string, table: string): boolean {
  const [schema = '', name = ''] = table.split(/\.(.*)/s);
  const text = command.replaceAll('"', '');
  const isMeant = (place: number): boolean => {
    const before = text.slice(0, place);
    if (/^(?!_(p|y|w)?\d)[\w$]/.test(text.slice(place + name.length))) return false;
    return /(^|[^\w$.])$/.test(before) || before.endsWith(`${schema}.`);
  };
  for (let place = text.indexOf(name); place !== -1; place = text.indexOf(name, place + 1))
    if (isMeant(place)) return true;
  return false;
}

const rowsOf = <Row>(others: Others<Row>): readonly Row[] =>
  others !== null && 'rows' in others ? others.rows : [];

/** What changes partitions in such a command, and not only reads rows. */
const CHANGES = /\b(create|drop|attach|detach|alter|truncate|partition)\b/i;

const isMaintenance = ({ name, command }: CronJob, tables: readonly string[]): boolean =>
  MAINTENANCE.test(command) ||
  (name !== null && isJobName(name)) ||
  (CHANGES.test(command) && tables.some((table) => mentions(command, table)));

/** Jobs for this database; pg_cron has those for others, too. */
const jobsOf = ({ cron, server }: DoctorFacts): readonly CronJob[] =>
  rowsOf(cron).filter(({ database }) => database === null || database === server.database);

/** Those that call installed functions of ours: they and any other run of ours keep out of each other's way. */
export const ownJobs = (facts: DoctorFacts): readonly CronJob[] =>
  jobsOf(facts).filter(({ command }) =>
    facts.installations.some(({ schema }) => schema === calledSchema(command)),
  );

/** Two who create and remove the partitions of one table are in each other's way. */
export function othersCheck(facts: DoctorFacts): readonly Check[] {
  const { partman, cron, hypertables, server } = facts;
  const own = ownJobs(facts);
  const tables = facts.tables.map(({ entry }) => `${entry.config.schema}.${entry.config.table}`);
  const all = [...tables, ...facts.unmanageable.map(({ table }) => table)];
  const unseen = (
    [
      ['pg_partman', partman],
      ['pg_cron', cron],
      ['TimescaleDB', hypertables],
    ] as const
  ).flatMap(([name, others]) =>
    others !== null && 'unreadable' in others
      ? [
          unknown(
            'other-managers',
            `${name} is in this database, but what it manages cannot be read: ${others.unreadable}`,
            `Let an administrator look whether ${name} also manages these tables.`,
          ),
        ]
      : others?.partial
        ? [
            unknown(
              'other-managers',
              `${name} is in this database, but row security shows role ${server.role} only part of what it has to do: what others have given it may manage these tables as well.`,
              'Run doctor once as a superuser, or as a role with BYPASSRLS.',
            ),
          ]
        : [],
  );
  return orFine(
    [
      ...rowsOf(partman)
        .filter(({ table }) => all.includes(table))
        .map(({ schema, table }) =>
          found(
            'other-managers',
            'warning',
            `pg_partman manages ${table} as well: it creates and removes partitions by its own settings.`,
            `If Partition Keeper is to do it, take the table out of pg_partman: DELETE FROM ${displayName(schema, 'part_config')} WHERE parent_table = '${table.replaceAll("'", "''")}';`,
            { manager: 'pg_partman' },
            table,
          ),
        ),
      ...rowsOf(hypertables)
        .filter(({ table }) => all.includes(table))
        .map(({ table }) =>
          found(
            'other-managers',
            'critical',
            `${table} is a hypertable of TimescaleDB, which partitions it in its own way.`,
            'Take the table out of the config.',
            { manager: 'TimescaleDB' },
            table,
          ),
        ),
      ...jobsOf(facts)
        .filter((job) => !own.includes(job) && isMaintenance(job, all))
        .map((job) =>
          found(
            'other-managers',
            'warning',
            `The job ${job.name ?? 'without a name'} of pg_cron (${job.schedule}) seems to maintain partitions as well: ${job.command.replace(/\s+/g, ' ').slice(0, 120)}`,
            `If Partition Keeper is to do it: SELECT cron.unschedule(${job.id});`,
            { manager: 'pg_cron', job: job.name, jobId: job.id },
          ),
        ),
      ...unseen,
    ],
    fine(
      'other-managers',
      own.length === 0
        ? 'neither pg_partman, pg_cron nor TimescaleDB has to do with these tables'
        : 'neither pg_partman, TimescaleDB nor other jobs of pg_cron than those of Partition Keeper have to do with these tables',
    ),
  );
}
