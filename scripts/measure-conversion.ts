/**
 * Converts a table of the strategy's audit log, of 5 million rows unless another number is given, and measures beside
 * it a plain INSERT .. SELECT into the finished partitioned table, all in one run on one server. Writes the table in
 * docs/converting.md anew; with --dry, only prints it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { Temporal } from 'temporal-polyfill';
import { connectionSettings, parseConfig, type ReportStep, runConvert, runCreate } from '../lib/index.ts';
import { startEmbeddedServer, stopOnSignals } from '../support/embedded-server.ts';
import { replaceSection } from './sections.ts';

const GUIDE = fileURLToPath(new URL('../docs/converting.md', import.meta.url));

const { values, positionals } = parseArgs({ options: { dry: { type: 'boolean' } }, allowPositionals: true });
const ROWS = Number(positionals[0] ?? 5_000_000);
const MONTHS = 36;

const COLUMNS = `
  id uuid NOT NULL DEFAULT gen_random_uuid(), user_id uuid REFERENCES auth.users (id), action varchar(100) NOT NULL,
  resource_type varchar(100) NOT NULL, resource_id uuid, previous_state jsonb, new_state jsonb, ip_address inet,
  user_agent text, session_id uuid, created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid REFERENCES auth.users (id), updated_by uuid REFERENCES auth.users (id), deleted_by uuid REFERENCES auth.users (id)`;

const INDEXES = (table: string): string =>
  ['user_id', 'resource_type, resource_id', 'action', 'session_id']
    .map((columns) => `CREATE INDEX ON ${table} (${columns}, created_at);`)
    .join('\n');

const server = await startEmbeddedServer({
  settings: { shared_buffers: '1GB', maintenance_work_mem: '256MB', max_wal_size: '16GB' },
});
stopOnSignals(server);
const client = new pg.Client(server.url);
await client.connect();

const config = (table: string) =>
  parseConfig(
    { tables: [{ schema: 'platform', table, partitionKey: 'created_at', interval: 'month', premake: 3 }] },
    'the measurement',
  );
const connection = connectionSettings(server.url, {});

async function timed<Result>(work: () => Promise<Result>): Promise<{ seconds: number; result: Result }> {
  const began = performance.now();
  const result = await work();
  return { seconds: (performance.now() - began) / 1000, result };
}

/** A client that reads and writes all the while, and notes its longest statement. */
function startClient(table: string) {
  const writer = new pg.Client(server.url);
  const state = { longest: 0, statements: 0, failed: 0, running: true };
  const run = async (sql: string): Promise<void> => {
    const began = performance.now();
    await writer.query(sql).catch(() => state.failed++);
    state.longest = Math.max(state.longest, performance.now() - began);
    state.statements++;
  };
  const ended = (async () => {
    await writer.connect();
    while (state.running) {
      await run(
        `INSERT INTO ${table} (action, resource_type, user_id) SELECT 'login', 'session', id FROM auth.users LIMIT 1`,
      );
      await run(
        `SELECT action FROM ${table} WHERE user_id = (SELECT id FROM auth.users LIMIT 1) AND created_at > now() - interval '1 hour' LIMIT 1`,
      );
      await run('UPDATE auth.users SET seen = seen + 1 WHERE id = (SELECT id FROM auth.users LIMIT 1)');
    }
    await writer.end();
  })();
  return {
    state,
    stop: async () => {
      state.running = false;
      await ended;
    },
  };
}

/** How long the step held its locks: its time without the wait for them. */
const held = (steps: readonly ReportStep[], kind: ReportStep['kind']): number =>
  steps
    .filter((step) => step.kind === kind)
    .reduce((most, step) => Math.max(most, step.durationMs - step.waitedMs), 0);

async function convert(table: string, options: Partial<Parameters<typeof runConvert>[0]>) {
  const application = startClient(`platform.${table}`);
  const { seconds, result } = await timed(() =>
    runConvert({ config: config(table), connection, table: `platform.${table}`, ...options }),
  );
  await application.stop();
  const [report] = result.tables;
  const kinds = Map.groupBy(report?.steps ?? [], ({ kind }) => kind);
  console.log(
    [...kinds]
      .map(([kind, steps]) => `${kind} ${steps.reduce((sum, { durationMs }) => sum + durationMs, 0)} ms`)
      .join(', '),
  );
  if (!result.ok || report === undefined) throw new Error(JSON.stringify(report?.error ?? result.error));
  const { longest, statements, failed } = application.state;
  return { seconds, steps: report.steps, longest, statements, failed };
}

const rows: string[] = [];
const note = (
  way: string,
  seconds: number,
  moved: number,
  switched: number | null,
  longest: number | null,
): void => {
  const rate = moved === 0 ? '' : Math.round(moved / seconds).toLocaleString('en-US');
  const cells = [way, seconds.toFixed(1), rate, switched ?? '', longest === null ? '' : Math.round(longest)];
  console.log(cells.join(' | '));
  rows.push(`| ${cells.join(' | ')} |`);
};

try {
  await client.query('CREATE SCHEMA auth; CREATE SCHEMA platform');
  await client.query(
    'CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), seen int NOT NULL DEFAULT 0)',
  );
  await client.query('INSERT INTO auth.users SELECT FROM generate_series(1, 10000)');
  await client.query(`CREATE TABLE platform.audit_logs (${COLUMNS}, PRIMARY KEY (id))`);
  await client.query(`
    WITH u AS (SELECT array_agg(id) AS ids FROM auth.users)
    INSERT INTO platform.audit_logs (user_id, action, resource_type, resource_id, new_state, ip_address, user_agent, session_id, created_at, created_by)
    SELECT u.ids[n % 10000 + 1], 'action ' || n % 20, 'type ' || n % 50, gen_random_uuid(), jsonb_build_object('n', n, 'text', repeat('x', 60)),
           '10.0.0.1', 'Mozilla/5.0 (X11; Linux x86_64)', gen_random_uuid(), now() - interval '${MONTHS} months' + n * (interval '${MONTHS} months' / ${ROWS}), u.ids[n % 10000 + 1]
    FROM u, generate_series(1, ${ROWS}) AS n`);
  await client.query(INDEXES('platform.audit_logs'));
  await client.query('VACUUM (ANALYZE) platform.audit_logs');

  await client.query(
    `CREATE TABLE platform.finished (${COLUMNS}, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)`,
  );
  await client.query(INDEXES('platform.finished'));
  const from = await client.query<{ from: string }>(
    'SELECT min(created_at)::text AS from FROM platform.audit_logs',
  );
  await runCreate({
    config: config('finished'),
    connection,
    from: Temporal.Instant.from(from.rows[0]?.from.replace(' ', 'T') ?? ''),
  });
  const meanwhile = startClient('platform.audit_logs');
  const plain = await timed(() =>
    client.query('INSERT INTO platform.finished SELECT * FROM platform.audit_logs'),
  );
  await meanwhile.stop();
  note(
    '`INSERT .. SELECT` into the finished partitioned table',
    plain.seconds,
    ROWS,
    null,
    meanwhile.state.longest,
  );
  await client.query('DROP TABLE platform.finished; CHECKPOINT');

  const copy = await convert('audit_logs', { strategy: 'copy', until: 'copy' });
  note(
    '`convert --strategy copy --until copy`: rows, indexes, foreign keys',
    copy.seconds,
    ROWS,
    null,
    copy.longest,
  );
  const rest = await convert('audit_logs', {});
  note('the rest of it: comparison and switch', rest.seconds, 0, held(rest.steps, 'switch'), rest.longest);
  const undo = await convert('audit_logs', { undo: true });
  note(
    '`convert --undo` of it: comparison, switch back, removal',
    undo.seconds,
    0,
    held(undo.steps, 'switch'),
    undo.longest,
  );
  const attach = await convert('audit_logs', { strategy: 'attach' });
  note('`convert --strategy attach`', attach.seconds, 0, held(attach.steps, 'switch'), attach.longest);
  const split = await convert('audit_logs', { strategy: 'split' });
  note(
    '`convert --strategy split` of its first partition',
    split.seconds,
    ROWS,
    held(split.steps, 'switch'),
    split.longest,
  );
  const failed = [copy, rest, undo, attach, split].reduce((sum, one) => sum + one.failed, 0);
  const statements = [copy, rest, undo, attach, split].reduce((sum, one) => sum + one.statements, 0);
  const size = await client.query<{ size: string }>(
    "SELECT pg_size_pretty(sum(pg_total_relation_size(relid))) AS size FROM pg_partition_tree('platform.audit_logs')",
  );
  const version = await client.query<{ version: string }>(
    "SELECT current_setting('server_version') AS version",
  );
  const text = [
    `${ROWS.toLocaleString('en-US')} rows, ${size.rows[0]?.size} with 5 indexes, ${MONTHS} months, 4 foreign keys; PostgreSQL ${version.rows[0]?.version} on ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}.`,
    `${statements.toLocaleString('en-US')} statements of an application at work meanwhile, ${failed} of which failed.`,
    `Copying was ${(plain.seconds / copy.seconds).toFixed(1)} times as fast as the INSERT.`,
    '',
    '| what | seconds | rows/s | locks of the switch held, ms | longest statement of the application, ms |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
  console.log(text);
  if (values.dry !== true)
    writeFileSync(GUIDE, replaceSection(readFileSync(GUIDE, 'utf8'), 'measured', text));
} finally {
  await client.end();
  await server.stop();
}
