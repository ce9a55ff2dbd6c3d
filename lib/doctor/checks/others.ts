import type { Check } from '../../contract.ts';
import type { CronJob, DoctorFacts, Others } from '../facts.ts';
import { fine, found, orFine, unknown } from './check.ts';

/** Functions of hand-made partitioning, and of pg_partman, whatever they are called with. */
const MAINTENANCE =
  /\b(create_monthly_partition|create_future_partitions|cleanup_old_partitions|check_partition_health|run_maintenance(_proc)?|partition_data_(time|proc))\b/i;

/** A name of ours, or of a partition after it, with or without its schema and quotes. */
function mentions(command: string, table: string): boolean {
  const [schema = '', name = ''] = table.split(/\.(.*)/s);
  const text = command.replaceAll('"', '');
  const place = text.indexOf(name);
  if (place === -1) return false;
  const before = text.slice(0, place);
  const after = text.slice(place + name.length);
  if (/^(?!_(p|y|w)?\d)[\w$]/.test(after)) return false;
  return /(^|[^\w$.])$/.test(before) || before.endsWith(`${schema}.`);
}

const rowsOf = <Row>(others: Others<Row>): readonly Row[] =>
  others !== null && 'rows' in others ? others.rows : [];

/** What changes partitions in such a command, and not only reads rows. */
const CHANGES = /\b(create|drop|attach|detach|alter|truncate|partition)\b/i;

const isMaintenance = ({ command }: CronJob, tables: readonly string[]): boolean =>
  MAINTENANCE.test(command) || (CHANGES.test(command) && tables.some((table) => mentions(command, table)));

/** Two who create and remove the partitions of one table are in each other's way. */
export function othersCheck(facts: DoctorFacts): readonly Check[] {
  const { partman, cron, hypertables } = facts;
  const tables = facts.tables.map(({ entry }) => `${entry.config.schema}.${entry.config.table}`);
  const all = [...tables, ...facts.unmanageable.map(({ table }) => table)];
  const unreadable = (
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
      : [],
  );
  return orFine(
    [
      ...rowsOf(partman)
        .filter(({ table }) => all.includes(table))
        .map(({ table }) =>
          found(
            'other-managers',
            'warning',
            `pg_partman manages ${table} as well: it creates and removes partitions by its own settings.`,
            `If Partition Keeper is to do it, take the table out of pg_partman: DELETE FROM part_config WHERE parent_table = '${table.replaceAll("'", "''")}';`,
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
      ...rowsOf(cron)
        .filter((job) => isMaintenance(job, all))
        .map(({ name, schedule, command }) =>
          found(
            'other-managers',
            'warning',
            `The job ${name === null ? 'without a name' : name} of pg_cron (${schedule}) seems to maintain partitions as well: ${command.replace(/\s+/g, ' ').slice(0, 120)}`,
            name === null
              ? 'If Partition Keeper is to do it: SELECT cron.unschedule(jobid) of that job.'
              : `If Partition Keeper is to do it: SELECT cron.unschedule('${name.replaceAll("'", "''")}');`,
            { manager: 'pg_cron', job: name },
          ),
        ),
      ...unreadable,
    ],
    fine('other-managers', 'neither pg_partman, pg_cron nor TimescaleDB has to do with these tables'),
  );
}
