import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../lib/index.ts';
import { type EmbeddedServer, postgresVersions, startEmbeddedServer } from '../../support/embedded-server.ts';
import { runCli } from '../support/cli.ts';
import { configFile } from '../support/keeper.ts';
import { waitUntil } from '../support/wait.ts';

const { PG_CRON_NATIVE: native, PG_CRON_VERSION } = process.env;

/** `app.orders` is not there at first. */
const CONFIG = configFile(
  { retention: { years: 2 } },
  { table: 'orders', interval: 'quarter', timeZone: 'Europe/Berlin' },
);

let server: EmbeddedServer;

beforeAll(async () => {
  const version = postgresVersions.find((known) => String(known) === PG_CRON_VERSION);
  if (version === undefined || native === undefined) throw new Error('Run it by: npm run test:pg-cron');
  server = await startEmbeddedServer({
    version,
    native,
    // Without a connection, jobs need no password.
    settings: { shared_preload_libraries: 'pg_cron', 'cron.use_background_workers': 'on' },
  });
  await query(`
    CREATE EXTENSION pg_cron;
    CREATE SCHEMA app;
    CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE app.of_old PARTITION OF app.events FOR VALUES FROM ('2001-02-01') TO ('2001-03-01')`);
});

afterAll(async () => {
  await server?.stop();
});

async function query<Row extends pg.QueryResultRow>(sql: string, database = 'postgres'): Promise<Row[]> {
  const url = new URL(server.url);
  url.pathname = database;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Runs what the command prints. */
async function runScript(...flags: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runCli(['sql', ...flags], { config: CONFIG });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  await query(stdout);
}

const partitions = async (table: string, database?: string): Promise<string[]> =>
  (
    await query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = '${table}'::regclass ORDER BY 1`,
      database,
    )
  ).map(({ name }) => name);

interface RunOfJob {
  readonly status: string;
  readonly message: string;
}

/** The shortest interval of old versions is a minute; when the server starts, a job can be run at once. */
async function runJob(name: string): Promise<RunOfJob> {
  await query(
    `SELECT cron.alter_job(jobid, schedule => '@reboot', active => jobname = '${name}') FROM cron.job`,
  );
  await query('TRUNCATE cron.job_run_details');
  await server.restart();
  let runs: RunOfJob[] = [];
  await waitUntil(
    async () => {
      runs = await query<RunOfJob & pg.QueryResultRow>(
        "SELECT status, return_message AS message FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')",
      );
      return runs.length > 0;
    },
    { what: `the job ${name} has run`, timeoutMs: 60_000 },
  );
  expect(runs).toHaveLength(1);
  return runs[0] ?? { status: 'none', message: '' };
}

test('the jobs of the strategy document are scheduled, and once only', async () => {
  await runScript('--pg-cron');
  await runScript('--pg-cron');
  expect(
    await query('SELECT jobname, schedule, command, database, username, active FROM cron.job ORDER BY jobid'),
  ).toEqual(
    [
      ['create-monthly-partitions', '0 2 1 * *', 'CALL partition_keeper.create_partitions();'],
      ['cleanup-old-partitions', '0 3 1 1,4,7,10 *', 'CALL partition_keeper.cleanup_partitions();'],
      ['partition-health-check', '0 1 * * *', 'SELECT partition_keeper.require_partition_health();'],
    ].map(([jobname, schedule, command]) => ({
      jobname,
      schedule,
      command,
      database: 'postgres',
      username: 'postgres',
      active: true,
    })),
  );
});

test('the doctor knows them, and says where others may be hidden', async () => {
  const doctor = async (url: string): Promise<string> => {
    const { stdout } = await runCli(['doctor', '--format', 'json'], { config: CONFIG, url });
    const { checks } = JSON.parse(stdout) as Report;
    return (checks ?? [])
      .filter(({ check }) => check === 'other-managers' || check === 'sql-functions')
      .map(({ check, status, message }) => `${check} ${status}: ${message}`)
      .join('\n');
  };
  expect(await doctor(server.url)).toMatch(
    /^other-managers ok: .*\nsql-functions ok: .*\nsql-functions ok: .*create-monthly-partitions .*cleanup-old-partitions .*partition-health-check .*$/,
  );
  await query("CREATE ROLE watcher LOGIN PASSWORD 'watcher'; GRANT USAGE ON SCHEMA cron TO watcher");
  const url = new URL(server.url);
  url.username = 'watcher';
  url.password = 'watcher';
  expect(await doctor(url.href)).toMatch(/^other-managers unknown: pg_cron .*row security/);
});

test('a job that has failed says so, and what it could do stays done', async () => {
  const created = await runJob('create-monthly-partitions');
  expect(created.status).toBe('failed');
  expect(created.message).toContain('app.orders');
  expect((await partitions('app.events')).length).toBeGreaterThan(4);
  const health = await runJob('partition-health-check');
  expect(health.status).toBe('failed');
  expect(health.message).toContain('app.orders');
});

test('the jobs create, remove and find that all is well', async () => {
  await query('CREATE TABLE app.orders (at timestamp NOT NULL) PARTITION BY RANGE (at)');
  expect(await runJob('create-monthly-partitions')).toMatchObject({ status: 'succeeded' });
  expect(await partitions('app.orders')).toHaveLength(3);
  expect(await partitions('app.events')).toContain('app.of_old');
  expect(await runJob('cleanup-old-partitions')).toMatchObject({ status: 'succeeded' });
  expect(await partitions('app.events')).not.toContain('app.of_old');
  expect(await runJob('partition-health-check')).toMatchObject({ status: 'succeeded' });
});

test('another schema has jobs of its own, and a job that does something else is not replaced', async () => {
  const jobs = 'SELECT jobname, schedule, command FROM cron.job ORDER BY jobid';
  const before = await query(jobs);
  await query('CREATE SCHEMA IF NOT EXISTS other');
  await runScript('--pg-cron', '--schema', 'other');
  expect((await query(jobs)).slice(0, 3)).toEqual(before);
  expect((await query(jobs)).slice(3).map((job) => Object.values(job))).toEqual([
    ['create-monthly-partitions.other', '0 2 1 * *', 'CALL "other".create_partitions();'],
    ['cleanup-old-partitions.other', '0 3 1 1,4,7,10 *', 'CALL "other".cleanup_partitions();'],
    ['partition-health-check.other', '0 1 * * *', 'SELECT "other".require_partition_health();'],
  ]);
  await runScript('--uninstall', '--schema', 'other');
  expect(await query(jobs)).toEqual(before);

  for (const [column, value] of [
    ['database', 'another'],
    ['command', 'SELECT create_future_partitions(3)'],
  ]) {
    await query(`CREATE TABLE public.kept AS SELECT * FROM cron.job;
      UPDATE cron.job SET ${column} = '${value}' WHERE jobname = 'create-monthly-partitions'`);
    const changed = await query(jobs);
    await expect(runScript('--pg-cron')).rejects.toThrow(
      'A job named create-monthly-partitions runs something else',
    );
    await runScript('--uninstall');
    expect((await query(jobs)).map(({ jobname }) => jobname)).toEqual(['create-monthly-partitions']);
    expect(await query(jobs)).toEqual(changed.slice(0, 1));
    await query('TRUNCATE cron.job; INSERT INTO cron.job SELECT * FROM public.kept; DROP TABLE public.kept');
  }
  await runScript('--pg-cron');
});

test('in another database, jobs run as the role that has installed the functions', async () => {
  await query('CREATE ROLE keeper LOGIN; GRANT USAGE ON SCHEMA cron TO keeper');
  await query('CREATE DATABASE elsewhere');
  const asKeeper = 'SET SESSION AUTHORIZATION keeper';
  const { stdout } = await runCli(['sql'], { config: CONFIG });
  await query(
    `CREATE SCHEMA app AUTHORIZATION keeper; GRANT CREATE ON DATABASE elsewhere TO keeper; ${asKeeper};
     CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
     CREATE TABLE app.orders (at timestamp NOT NULL) PARTITION BY RANGE (at)`,
    'elsewhere',
  );
  await query(`${asKeeper}; ${stdout}`, 'elsewhere');

  /** The calls that are printed at the head of a script, for this database and role. */
  const callsIn = (script: string, name: string): string =>
    [...script.matchAll(/^-- +(SELECT cron\..*;)$/gm)]
      .flatMap(([, call = '']) => (call.includes(`cron.${name}(`) ? [call] : []))
      .join('\n')
      .replaceAll('DATABASE', 'elsewhere')
      .replaceAll('ROLE', 'keeper');
  const scheduling = callsIn(stdout, 'schedule_in_database');
  const unscheduling = callsIn(
    (await runCli(['sql', '--uninstall'], { config: CONFIG })).stdout,
    'unschedule',
  );
  const jobs = () =>
    query("SELECT jobname, command, username FROM cron.job WHERE database = 'elsewhere' ORDER BY jobid");
  const wanted = [
    ['create-monthly-partitions@elsewhere', 'CALL partition_keeper.create_partitions();'],
    ['cleanup-old-partitions@elsewhere', 'CALL partition_keeper.cleanup_partitions();'],
    ['partition-health-check@elsewhere', 'SELECT partition_keeper.require_partition_health();'],
  ].map(([jobname, command]) => ({ jobname, command, username: 'keeper' }));

  await expect(query(`${asKeeper}; ${scheduling}`)).rejects.toMatchObject({ code: '42501' });
  await query(scheduling);
  expect(await jobs()).toEqual(wanted);
  expect(await runJob('create-monthly-partitions@elsewhere')).toMatchObject({ status: 'succeeded' });
  expect(await partitions('app.orders', 'elsewhere')).toHaveLength(3);
  await query(unscheduling);
  expect(await jobs()).toEqual([]);

  // Without a superuser, it takes the right on the function, and no name of a role.
  await query('GRANT EXECUTE ON FUNCTION cron.schedule_in_database TO keeper');
  await query(`${asKeeper}; ${scheduling.replaceAll(", 'keeper');", ');')}`);
  expect(await jobs()).toEqual(wanted);
  await query(`${asKeeper}; ${unscheduling}`);
  expect(await jobs()).toEqual([]);
});

test('uninstalling takes the jobs away, but no other job, and no partition', async () => {
  await query(`SELECT cron.schedule('somebody else', '0 0 1 1 *', 'SELECT 1')`);
  const before = await partitions('app.events');
  await runScript('--uninstall');
  expect(await query('SELECT jobname FROM cron.job')).toEqual([{ jobname: 'somebody else' }]);
  expect(await query("SELECT nspname FROM pg_namespace WHERE nspname = 'partition_keeper'")).toEqual([]);
  expect(await partitions('app.events')).toEqual(before);
});
