import pg from 'pg';
import { DemoFailure } from './failure.ts';
import { keeper } from './keeper.ts';
import { agrees, heading, inWords, prompt, say, serverError } from './narrate.ts';
import { seed } from './seed.ts';
import { demoTables } from './tables.ts';

/** The story of tables that nobody looked after, and how they are put in order. */

const newNotification = `INSERT INTO communication.notifications (user_id, notification_type, channel, title)
SELECT id, 'mention', 'in_app', 'You were mentioned' FROM auth.users LIMIT 1`;

interface RowCounts {
  /** Rows younger than retention, by table. */
  readonly kept: ReadonlyMap<string, number>;
  /** Rows past retention, of all tables. */
  readonly expired: number;
}

const total = (counts: RowCounts): number => [...counts.kept.values()].reduce((sum, rows) => sum + rows, 0);

/** Tries the INSERT the application would make, and shows what the server says. */
async function insertNotification(client: pg.Client, expected: 'works' | 'fails'): Promise<void> {
  prompt('sql>', newNotification);
  try {
    const { rowCount } = await client.query(newNotification);
    say(`INSERT 0 ${rowCount}`);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    serverError(error);
    if (expected === 'works') throw new DemoFailure('The INSERT should have worked.');
    return;
  }
  if (expected === 'fails')
    throw new DemoFailure('The INSERT should have failed: no partition was there for it.');
}

async function countRows(client: pg.Client, asOf: Date): Promise<RowCounts> {
  const kept = new Map<string, number>();
  let expired = 0;
  for (const { schema, table, partitionKey, retention } of demoTables) {
    const { rows } = await client.query<{ kept: number; expired: number }>(
      `SELECT count(*) FILTER (WHERE young)::int AS kept, count(*) FILTER (WHERE NOT young)::int AS expired
       FROM (SELECT ${partitionKey} >= $1::timestamptz - $2::interval AS young FROM ${schema}.${table}) AS row`,
      [asOf, retention],
    );
    for (const count of rows) {
      kept.set(`${schema}.${table}`, count.kept);
      expired += count.expired;
    }
  }
  return { kept, expired };
}

function compare(before: RowCounts, after: RowCounts): void {
  for (const [table, rows] of before.kept) {
    const left = after.kept.get(table);
    if (left !== rows) {
      throw new DemoFailure(`${table} had ${rows} rows inside its retention and now has ${left}.`);
    }
  }
  agrees(
    `Rows inside retention: ${inWords(total(before))} before, ${inWords(total(after))} after, the same in each table.`,
  );
  agrees(
    `Rows past retention: ${inWords(before.expired)} before, ${inWords(after.expired)} after; ` +
      'these share a partition with younger rows, and go when all of it has expired.',
  );
}

export async function tellOfUpkeep(databaseUrl: string, client: pg.Client): Promise<void> {
  const started = performance.now();
  await seed(client);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  // As of a little later, so that no row gets past its retention while the demo runs.
  const asOf = new Date(Date.now() + 120_000);
  const before = await countRows(client, asOf);
  say(
    `${demoTables.length} tables, ${inWords(total(before) + before.expired)} rows, partitions made by hand (${seconds} s).`,
  );

  heading('1. What is wrong? Health only looks; exit code 3 says that it found something.');
  await keeper(databaseUrl, 'health', { exitCode: 3 });

  heading('2. What is critical about it? The application cannot store notifications any more.');
  await insertNotification(client, 'fails');

  heading('3. What would be done, and why? Nothing is changed yet.');
  await keeper(databaseUrl, 'plan');

  heading('4. Create what is missing: partitions for the time to come, and the hole in between.');
  await keeper(databaseUrl, 'create');

  heading('5. Remove what is past its retention, by dropping whole partitions.');
  await keeper(databaseUrl, 'cleanup');
  const after = await countRows(client, asOf);

  heading('6. And now? Exit code 0: all is well.');
  await keeper(databaseUrl, 'health');

  heading('7. The same INSERT again.');
  await insertNotification(client, 'works');

  heading('8. The calendar of each table.');
  await keeper(databaseUrl, 'status');

  heading('Was anything lost that should have been kept?');
  compare(before, after);
}
