import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { type EmbeddedServer, startEmbeddedServer, stopOnSignals } from '../../support/embedded-server.ts';
import { agrees, failure, heading, prompt, say, serverError } from './narrate.ts';
import { seed } from './seed.ts';
import { demoTables } from './tables.ts';

const usage = `Usage: npm start [-- --keep]

Starts a PostgreSQL server of its own, fills it with neglected tables and mends them before your eyes.

  --keep    leave the server running at the end, to look around
  --help    show this`;

const repository = fileURLToPath(new URL('../../', import.meta.url));

const newNotification = `INSERT INTO communication.notifications (user_id, notification_type, channel, title)
SELECT id, 'mention', 'in_app', 'You were mentioned' FROM auth.users LIMIT 1`;

/** Something did not go as the demo promises. */
class DemoFailure extends Error {}

interface RowCounts {
  /** Rows younger than retention, by table. */
  readonly kept: ReadonlyMap<string, number>;
  /** Rows past retention, of all tables. */
  readonly expired: number;
}

const total = (counts: RowCounts): number => [...counts.kept.values()].reduce((sum, rows) => sum + rows, 0);
const inWords = (rows: number): string => rows.toLocaleString('en-US');

/** Runs a command of Partition Keeper in the reader's terminal. */
async function keeper(databaseUrl: string, command: string, expectedExitCode: number): Promise<void> {
  prompt('$', `npx partition-keeper ${command}`);
  const child = spawn(process.execPath, ['bin/partition-keeper.ts', command], {
    cwd: repository,
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: 'inherit',
  });
  // Ctrl-C in a terminal reaches the command as well; a signal sent to this process alone has to be passed on.
  const pass = (signal: NodeJS.Signals): boolean => child.kill(signal);
  process.once('SIGTERM', pass).once('SIGHUP', pass);
  const [exitCode, signal] = await once(child, 'exit');
  process.off('SIGTERM', pass).off('SIGHUP', pass);
  if (exitCode !== expectedExitCode) {
    const end = exitCode === null ? `ended by ${signal}` : `ended with exit code ${exitCode}`;
    throw new DemoFailure(`partition-keeper ${command} ${end}; ${expectedExitCode} was expected.`);
  }
}

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

async function createDatabase(server: EmbeddedServer): Promise<string> {
  await withClient(server.url, (client) => client.query('CREATE DATABASE demo'));
  const url = new URL(server.url);
  url.pathname = '/demo';
  return url.href;
}

async function withClient<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString });
  // A lost connection also fails the query that is under way, which is where it is dealt with.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function tell(databaseUrl: string, client: pg.Client): Promise<void> {
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
  await keeper(databaseUrl, 'health', 3);

  heading('2. What is critical about it? The application cannot store notifications any more.');
  await insertNotification(client, 'fails');

  heading('3. What would be done, and why? Nothing is changed yet.');
  await keeper(databaseUrl, 'plan', 0);

  heading('4. Create what is missing: partitions for the time to come, and the hole in between.');
  await keeper(databaseUrl, 'create', 0);

  heading('5. Remove what is past its retention, by dropping whole partitions.');
  await keeper(databaseUrl, 'cleanup', 0);
  const after = await countRows(client, asOf);

  heading('6. And now? Exit code 0: all is well.');
  await keeper(databaseUrl, 'health', 0);

  heading('7. The same INSERT again.');
  await insertNotification(client, 'works');

  heading('8. The calendar of each table.');
  await keeper(databaseUrl, 'status', 0);

  heading('Was anything lost that should have been kept?');
  compare(before, after);
}

function keepServer(databaseUrl: string): void {
  heading('The server stays up until you press Ctrl-C here. To use it from another terminal:');
  prompt('$', `export DATABASE_URL='${databaseUrl}'`);
  prompt('$', 'npx partition-keeper status');
}

async function demo(keep: boolean): Promise<void> {
  say('Starting a PostgreSQL server and filling it with tables that nobody looked after ...');
  const server = await startEmbeddedServer();
  let interrupted = false;
  const onSignal = (): void => {
    interrupted = true;
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal).once('SIGHUP', onSignal);
  stopOnSignals(server);
  try {
    const databaseUrl = await createDatabase(server);
    await withClient(databaseUrl, (client) => tell(databaseUrl, client));
    if (keep) keepServer(databaseUrl);
    else await server.stop();
  } catch (error) {
    await server.stop();
    // What fails because the server was told to stop is no news; the signal ends this process.
    if (interrupted) return;
    throw error;
  }
}

function options(): { keep: boolean; help: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    });
    return values;
  } catch (error) {
    failure(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return undefined;
  }
}

const chosen = options();
if (chosen === undefined) process.exitCode = 2;
else if (chosen.help) say(usage);
else {
  // The demo speaks to its own server alone, whatever the surroundings say about others.
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name];
  await demo(chosen.keep).catch((error: unknown) => {
    failure(error instanceof DemoFailure ? error.message : String(error));
    process.exitCode = 1;
  });
}
