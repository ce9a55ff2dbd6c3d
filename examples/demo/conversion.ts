import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type Application, STALL, type Statement, startApplication } from './application.ts';
import { connect } from './database.ts';
import { DemoFailure } from './failure.ts';
import { keeper } from './keeper.ts';
import { agrees, heading, inWords, say } from './narrate.ts';
import { seedLegacy } from './seed.ts';

/** The story of a table without partitions that is converted while it is in use. */

const LOG = 'compliance.data_access_log';

/** How long a transaction goes on that is in the way, in milliseconds. */
const HELD = 3_000;

async function countRows(client: pg.Client, among: readonly string[] | null = null): Promise<number> {
  const { rows } = await client.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM ${LOG} WHERE $1::uuid[] IS NULL OR id = ANY ($1)`,
    [among],
  );
  return rows[0]?.rows ?? 0;
}

/**
 * A transaction that has written to both tables. It ends some time after a conversion has begun. The application never
 * needs its rows: what it would wait for then is no doing of a conversion.
 */
async function longTransaction(databaseUrl: string, client: pg.Client): Promise<{ over: Promise<void> }> {
  const holder = await connect(databaseUrl, 'month-end closing');
  await holder.query('BEGIN');
  await holder.query(
    `INSERT INTO auth.users (email, display_name) VALUES ('closing@example.com', 'Closing')`,
  );
  await holder.query(
    `UPDATE ${LOG} SET purpose = 'billing' WHERE id = (SELECT id FROM ${LOG} ORDER BY accessed_at LIMIT 1)`,
  );
  const end = async (): Promise<void> => {
    const begun = `SELECT FROM pg_stat_activity WHERE application_name LIKE 'partition-keeper/%'`;
    while ((await client.query(begun)).rows.length === 0) await sleep(100);
    await sleep(HELD);
    await holder.query('COMMIT');
    await holder.end();
  };
  return { over: end() };
}

function tally(statements: readonly Statement[]): string {
  const written = statements.filter(({ writes }) => writes).length;
  const longest = statements.reduce((most, { milliseconds }) => Math.max(most, milliseconds), 0);
  return `${inWords(written)} statements that write, ${inWords(statements.length - written)} that read; the longest took ${Math.round(longest)} ms`;
}

/** Nothing, if all is well. */
function notices({ statements, failures }: Application): { text: string; noticed: string[] } {
  const stalled = statements.filter(({ milliseconds }) => milliseconds > STALL);
  return {
    text: `${failures.length} failed, ${stalled.length} took longer than ${STALL} ms`,
    noticed: [
      ...failures,
      ...stalled.map(({ milliseconds, sql }) => `${Math.round(milliseconds)} ms: ${sql}`),
    ],
  };
}

async function judge(client: pg.Client, before: number, application: Application): Promise<void> {
  const { text, noticed } = notices(application);
  if (noticed.length > 0)
    throw new DemoFailure(`Of the application's statements ${text}:\n${noticed.slice(0, 10).join('\n')}`);
  agrees(`The application made ${tally(application.statements)}: ${text}.`);

  const after = await countRows(client);
  const stored = [...application.stored];
  const found = await countRows(client, stored);
  const sum = `${inWords(before)} before, ${inWords(stored.length)} stored meanwhile, ${inWords(after)} now`;
  if (after !== before + stored.length || found !== stored.length)
    throw new DemoFailure(`Rows: ${sum}; of those stored meanwhile, ${found} are there.`);
  agrees(`Rows: ${sum}.`);
}

export async function tellOfConversion(databaseUrl: string, client: pg.Client): Promise<void> {
  await seedLegacy(client);
  const before = await countRows(client);
  say(`${LOG} has ${inWords(before)} rows of two years, and no partitions.`);

  heading('1. What does Partition Keeper say of it?');
  await keeper(databaseUrl, `validate --table ${LOG}`, { exitCode: 1 });

  heading('2. What would a conversion do? Nothing is changed yet.');
  await keeper(databaseUrl, `convert ${LOG} --plan`);

  heading('3. From now on an application is at work, and at first a long transaction is in the way.');
  const application = await startApplication(databaseUrl);
  /** A command, and what the application did meanwhile. */
  const beside = async (command: string): Promise<void> => {
    const until = application.statements.length;
    await keeper(databaseUrl, command, { abridge: true });
    say(`Meanwhile: ${tally(application.statements.slice(until))}.`);
  };
  try {
    const { over } = await longTransaction(databaseUrl, client);
    await Promise.all([beside(`convert ${LOG}`), over]);

    heading('4. The old table is the first partition now; no row has been moved. New months follow.');
    await keeper(databaseUrl, `status --table ${LOG}`);

    heading('5. Old rows can have months, too: they are copied and compared, then tables are exchanged.');
    await beside(`convert ${LOG} --strategy split`);

    heading('6. The table that was replaced follows, so that it can be put back. This removes it.');
    await beside(`convert ${LOG} --finish`);
  } finally {
    await application.stop();
  }

  heading('7. The calendar of the table.');
  await keeper(databaseUrl, `status --table ${LOG}`, { abridge: true });

  heading('Did anybody notice, and is anything lost?');
  await judge(client, before, application);
}
