import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { Temporal } from 'temporal-polyfill';
import { type DemoTable, demoTables, legacyLog } from './tables.ts';

const sqlFolder = new URL('../../sql/tables/', import.meta.url);

/** Random numbers are the same in every run; ids are not. */
const randomSeed = 0.42;

const monthsIn = { month: 1, quarter: 3 } as const;

/** A partition to make: an interval of the calendar in UTC, and how many rows go into it. */
interface DemoPartition {
  readonly name: string;
  readonly from: Temporal.PlainDate;
  readonly to: Temporal.PlainDate;
  readonly rows: number;
}

/**
 * Creates the tables of `sql/tables` in an empty database and fills them up to the server's present time, with
 * partitions as they get when people make them by hand: some months forgotten, old ones never removed.
 */
export async function seed(client: pg.Client): Promise<void> {
  await createTables(client);
  const today = await serverDate(client);
  for (const table of demoTables) {
    const partitions = partitionsOf(table, today);
    for (const partition of partitions) await client.query(creation(table, partition));
    await insertRows(client, table, partitions);
  }
}

/** The same, but for the log of accesses alone, and that is still one big table without partitions. */
export async function seedLegacy(client: pg.Client): Promise<void> {
  await createTables(client);
  await client.query(`DROP TABLE ${legacyLog.schema}.${legacyLog.table}`);
  await client.query(await readFile(new URL('legacy.sql', import.meta.url), 'utf8'));
  await insertRows(client, legacyLog, partitionsOf(legacyLog, await serverDate(client)));
}

/** The tables as they are shipped, without a row but for users. */
async function createTables(client: pg.Client): Promise<void> {
  for (const file of (await readdir(sqlFolder)).sort()) {
    await client.query(await readFile(new URL(file, sqlFolder), 'utf8'));
  }
  await client.query(`SELECT setseed(${randomSeed})`);
  await client.query(
    `INSERT INTO auth.users (email, display_name, created_at)
     SELECT format('user%s@example.com', n), format('User %s', n), now() - interval '8 years' * random()
     FROM generate_series(1, 200) AS n`,
  );
}

async function serverDate(client: pg.Client): Promise<Temporal.PlainDate> {
  const { rows } = await client.query<{ today: string }>(
    `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS today`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('The server does not tell its time.');
  return Temporal.PlainDate.from(row.today);
}

/** The partitions a table has when the demo begins, oldest first. */
function partitionsOf(table: DemoTable, today: Temporal.PlainDate): DemoPartition[] {
  const months = monthsIn[table.interval];
  const current = today.with({ day: 1, month: today.month - ((today.month - 1) % months) });
  const steps = Array.from({ length: table.before + 1 + table.after }, (_, index) => index - table.before);
  if (table.stray !== undefined) steps.push(table.stray);
  return steps
    .filter((step) => step !== -(table.forgotten ?? Number.NaN))
    .map((step) => {
      const from = current.add({ months: step * months });
      const to = from.add({ months });
      const share = step < 0 ? 1 : step > 0 ? 0 : from.until(today).days / from.until(to).days;
      // Volume has grown sixfold since the oldest partition.
      const rows = Math.round(table.rows * share * 6 ** (step / table.before));
      return { name: `${table.table}_${suffix(table, from)}`, from, to, rows };
    });
}

/** `2026_11`, or `2026_q4`. */
function suffix({ interval }: DemoTable, { year, month }: Temporal.PlainDate): string {
  return interval === 'quarter'
    ? `${year}_q${Math.ceil(month / 3)}`
    : `${year}_${String(month).padStart(2, '0')}`;
}

const midnight = (date: Temporal.PlainDate): string => `${date} 00:00+00`;

function creation({ schema, table }: DemoTable, { name, from, to }: DemoPartition): string {
  return `CREATE TABLE ${schema}.${name} PARTITION OF ${schema}.${table}
    FOR VALUES FROM ('${midnight(from)}') TO ('${midnight(to)}')`;
}

/** Rows at random times of each partition, none in the future. A few users cause most of them. */
async function insertRows(
  client: pg.Client,
  { schema, table, partitionKey, values }: DemoTable,
  partitions: readonly DemoPartition[],
): Promise<void> {
  const filled = partitions.filter(({ rows }) => rows > 0);
  await client.query(
    `WITH users AS (SELECT array_agg(id ORDER BY email) AS ids FROM auth.users),
     drawn AS MATERIALIZED (
       SELECT lower + random() * (least(upper, now()) - lower) AS at,
              ids[1 + floor(cardinality(ids) * random() ^ 2)::int] AS user_id
       FROM unnest($1::timestamptz[], $2::timestamptz[], $3::int[]) AS part (lower, upper, amount),
            generate_series(1, amount),
            users
     )
     INSERT INTO ${schema}.${table} (${[partitionKey, ...Object.keys(values)].join(', ')})
     SELECT ${['at', ...Object.values(values)].join(', ')} FROM drawn`,
    [
      filled.map(({ from }) => midnight(from)),
      filled.map(({ to }) => midnight(to)),
      filled.map(({ rows }) => rows),
    ],
  );
  await client.query(`ANALYZE ${schema}.${table}`);
}
