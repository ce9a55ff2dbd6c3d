/**
 * Goes the whole way on an empty database, and fails where something is not as the README says it is: migrations,
 * partitions, no drift, the client, a change of a model, a partition that is dropped and one that is detached.
 */
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runCleanup, runHealth } from 'partition-keeper';
import pg from 'pg';
import { connect } from './client.ts';
import { createInitialPartitions, options } from './createPartitions.ts';
import { engine, type Outcome, prisma } from './prisma.ts';
import { databaseUrl, ifStarted } from './surroundings.ts';
import { useClient } from './use-client.ts';

const SCHEMA = 'prisma/schema.prisma';
const DRIFT = ['migrate', 'diff', '--from-config-datasource', '--exit-code'];

const folder = fileURLToPath(new URL('..', import.meta.url));
const say = (line: string): void => console.log(line);

/** Runs Prisma and shows what it printed if it did not end as expected. */
function expectPrisma(args: readonly string[], status: number, text: string): Outcome {
  const outcome = prisma(...args);
  assert(
    outcome.status === status && outcome.output.includes(text),
    `prisma ${args.join(' ')} ended with ${outcome.status} instead of ${status} and "${text}":\n${outcome.output}`,
  );
  return outcome;
}

function expectNoDrift(when: string): void {
  expectPrisma([...DRIFT, '--to-schema', SCHEMA], 0, 'No difference detected');
  say(`ok  no drift ${when}`);
}

/** `migrate dev` applies all migrations to an empty database, compares, and would reset the database upon drift. */
function expectNothingToDo(): void {
  expectPrisma(['migrate', 'status'], 0, 'Database schema is up to date');
  expectPrisma(['migrate', 'dev'], 0, 'Already in sync');
  say('ok  nothing to do for prisma migrate status and dev');
}

/** With other content in a copy of a file, for as long as the work takes. */
async function withCopy(
  of: string,
  change: (text: string) => string,
  work: (copy: string) => void,
): Promise<void> {
  const copy = of.replace(/(\.[a-z]+)$/, '.check$1');
  const text = await readFile(`${folder}${of}`, 'utf8');
  const changed = change(text);
  assert.notEqual(changed, text, `${of} has nothing to change`);
  await writeFile(`${folder}${copy}`, changed);
  try {
    work(copy);
  } finally {
    await rm(`${folder}${copy}`);
  }
}

async function refuseUnlessEmpty(database: pg.Client): Promise<void> {
  const { rows } = await database.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_catalog.pg_class
     WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' LIMIT 1`,
  );
  if (rows[0] !== undefined)
    throw new Error(`The check needs an empty database, and this one has the table ${rows[0].name}.`);
}

async function check(database: pg.Client): Promise<void> {
  say(`ok  prisma migrate with ${engine().name}`);
  expectPrisma(['migrate', 'deploy'], 0, 'All migrations have been successfully applied');
  expectNoDrift('after the migrations');

  await createInitialPartitions();
  expectNoDrift('with partitions');
  expectNothingToDo();
  const pulled = expectPrisma(['db', 'pull', '--print'], 0, 'model');
  const models = (text: string): number => text.match(/^model /gm)?.length ?? 0;
  assert.equal(models(pulled.output), models(await readFile(`${folder}${SCHEMA}`, 'utf8')), pulled.output);
  say('ok  introspection sees the tables, and no partition');

  const client = connect();
  try {
    const { partition, ...seen } = await useClient(client);
    assert.match(partition ?? '', /^platform\.audit_logs_\d{4}_\d{2}$/);
    assert.deepEqual(seen, {
      found: true,
      changed: true,
      recent: 1,
      importedByDate: false,
      importedByMillisecond: true,
    });
    say(`ok  the client wrote to ${partition}`);
  } finally {
    await client.$disconnect();
  }

  await withCopy(
    SCHEMA,
    (text) => text.replace('model AuditLog {', 'model AuditLog {\n  severity String? @db.VarChar(20)'),
    (copy) => {
      const { output } = expectPrisma([...DRIFT, '--script', '--to-schema', copy], 2, 'ALTER TABLE');
      const statements = output
        .split('\n')
        .filter((line) => /^[A-Z]/.test(line) && !line.startsWith('Loaded'));
      assert.deepEqual(statements, [
        'ALTER TABLE "platform"."audit_logs" ADD COLUMN     "severity" VARCHAR(20);',
      ]);
    },
  );
  say('ok  a new field of a model is one ALTER TABLE of the partitioned table');

  await database.query(`
    CREATE TABLE platform.audit_logs_2001_01 PARTITION OF platform.audit_logs
      FOR VALUES FROM ('2001-01-01 00:00:00+00') TO ('2001-02-01 00:00:00+00');
    CREATE TABLE platform.audit_logs_2001_02 PARTITION OF platform.audit_logs
      FOR VALUES FROM ('2001-02-01 00:00:00+00') TO ('2001-03-01 00:00:00+00')`);
  const removed = await runCleanup({ ...(await options()), partitions: ['platform.audit_logs_2001_01'] });
  assert(removed.ok, JSON.stringify(removed));
  const left = await database.query("SELECT to_regclass('platform.audit_logs_2001_01') AS left");
  assert.deepEqual(left.rows, [{ left: null }]);
  expectNoDrift('after a partition was dropped');

  await database.query('ALTER TABLE platform.audit_logs DETACH PARTITION platform.audit_logs_2001_02');
  expectPrisma([...DRIFT, '--to-schema', SCHEMA], 2, 'audit_logs_2001_02');
  await withCopy(
    'prisma.config.ts',
    (text) => text.replace(/(detached: string\[\] = )\[\]/, "$1['platform.audit_logs_2001_02']"),
    (copy) => expectPrisma([...DRIFT, '--to-schema', SCHEMA, '--config', copy], 0, 'No difference detected'),
  );
  await database.query('DROP TABLE platform.audit_logs_2001_02');
  expectNoDrift('when the detached one is gone; until then, with its name in tables.external');

  const health = await runHealth(await options());
  assert(health.ok, JSON.stringify(health));
  say('ok  health');
}

await ifStarted(import.meta.url, async () => {
  const database = new pg.Client({ connectionString: databaseUrl() });
  await database.connect();
  try {
    await refuseUnlessEmpty(database);
    await check(database);
  } finally {
    await database.end();
  }
});
