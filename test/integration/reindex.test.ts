import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../lib/index.ts';
import { runCli } from '../support/cli.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { at, catalogState, configFile, keeper, stepsOf, tableOf } from '../support/keeper.ts';
import { beforeStatement } from '../support/statements.ts';
import { waitUntil } from '../support/wait.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  await database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE INDEX events_note ON app.events (lower(note)) WHERE id > 0;
    CREATE TABLE app.e1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
    CREATE TABLE app.e2 PARTITION OF app.events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
    INSERT INTO app.events SELECT n, '2026-01-20 00:00+00'::timestamptz + n % 20 * interval '1 day', 'note ' || n FROM generate_series(1, 2000) AS n;
    COMMENT ON INDEX app.e2_lower_idx IS 'the user''s own';
    ANALYZE app.events`);
});
afterEach(() => database.drop());

const ALL = ['e1_lower_idx', 'e1_pkey', 'e2_lower_idx', 'e2_pkey'];

interface IndexState {
  readonly oid: number;
  readonly valid: boolean;
  readonly comment: string | null;
}

async function indexes(): Promise<Record<string, IndexState>> {
  const rows = await database.query<IndexState & { name: string }>(
    `SELECT c.relname AS name, c.oid::int AS oid, x.indisvalid AS valid, obj_description(c.oid, 'pg_class') AS comment
     FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
     WHERE c.relnamespace = 'app'::regnamespace AND t.relkind = 'r' ORDER BY c.relname`,
  );
  return Object.fromEntries(rows.map(({ name, ...row }) => [name, row]));
}

/** Which of the indexes have been built anew since. */
const rebuiltSince = async (before: Record<string, IndexState>): Promise<string[]> =>
  Object.entries(await indexes()).flatMap(([name, { oid }]) =>
    before[name] !== undefined && before[name].oid !== oid ? [name] : [],
  );

const told = (report: Report): string[] =>
  tableOf(report).steps.map(
    ({ kind, partition, reason, status }) => `${kind} ${partition} ${reason.split(',')[0]} ${status}`,
  );

/** Keeps every rebuild from its end, without being old enough to be waited for beforehand. */
async function snapshot(): Promise<pg.Client> {
  const client = await database.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1');
  return client;
}

/** Sessions of ours that wait for the end of a transaction in the midst of a rebuild, and the table. */
const waiting = (): Promise<{ pid: number; table: string }[]> =>
  database.query(
    `SELECT p.pid, p.relid::regclass::text AS table FROM pg_stat_progress_create_index p JOIN pg_locks l ON l.pid = p.pid AND NOT l.granted
     WHERE p.datname = current_database() ORDER BY 2`,
  );

async function waitForWaiting(count: number): Promise<{ pid: number; table: string }[]> {
  let found: { pid: number; table: string }[] = [];
  await waitUntil(
    async () => {
      found = await waiting();
      return found.length === count;
    },
    { what: `${count} rebuilds wait` },
  );
  return found;
}

/** A rebuild that was broken off by the server, and left its index behind. */
async function breakOff(index: string): Promise<void> {
  const other = await snapshot();
  const client = await database.connect();
  await client.query("SET lock_timeout = '100ms'");
  await expect(client.query(`REINDEX INDEX CONCURRENTLY ${index}`)).rejects.toMatchObject({ code: '55P03' });
  await client.end();
  await other.end();
}

/** A run that was stopped at its first index, and has left its note. */
async function interrupt(): Promise<void> {
  const other = await snapshot();
  const stop = new AbortController();
  const run = keeper(database).reindex({ signal: stop.signal });
  await waitForWaiting(1);
  stop.abort();
  await run;
  await other.end();
}

describe('a rebuild', () => {
  test('gives every index another file, in the order of the partitions, and keeps what belongs to it', async () => {
    const before = await indexes();
    const report = await keeper(database).reindex();
    expect(stepsOf(report).map(({ kind, partition }) => `${kind} ${partition}`)).toEqual([
      'prepare app.e2',
      'reindex app.e1',
      'reindex app.e1',
      'reindex app.e2',
      'reindex app.e2',
      'discard app.e2',
    ]);
    expect(await rebuiltSince(before)).toEqual(ALL);
    const after = await indexes();
    expect(Object.keys(after)).toEqual(ALL);
    expect(Object.values(after).every(({ valid }) => valid)).toBe(true);
    for (const name of ALL) expect(after[name]?.comment).toBe(before[name]?.comment);
  });

  test('of one index, of one partition, or of the invalid ones', async () => {
    await database.query(
      "INSERT INTO app.e1 VALUES (1, '2026-01-03', 'twice'); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.e1_pkey'::regclass",
    );
    const run = keeper(database).reindex;
    let before = await indexes();
    stepsOf(await run({ invalid: true }));
    expect(await rebuiltSince(before)).toEqual(['e1_pkey']);
    expect((await indexes())['e1_pkey']?.valid).toBe(true);
    before = await indexes();
    stepsOf(await run({ target: 'app.events_note' }));
    expect(await rebuiltSince(before)).toEqual(['e1_lower_idx', 'e2_lower_idx']);
    before = await indexes();
    stepsOf(await run({ target: 'app.e2_pkey' }));
    expect(await rebuiltSince(before)).toEqual(['e2_pkey']);
    before = await indexes();
    stepsOf(await run({ indexes: ['events_note'], partitions: ['app.e1'] }));
    expect(await rebuiltSince(before)).toEqual(['e1_lower_idx']);
    expect(Object.keys(await indexes())).toEqual(ALL);
  });

  test.each([
    [{ target: 'app.nothing' }, 'target-unknown'],
    [{ indexes: ['nothing'] }, 'index-unknown'],
    [{ partitions: ['app.nothing'] }, 'partition-unknown'],
    [{ target: 'app.events_note', indexes: ['events_pkey'] }, 'index-twice'],
  ])('of what is not there is refused: %j', async (options, code) => {
    const before = await catalogState(database);
    await expect(keeper(database).reindex(options)).rejects.toMatchObject({ code, exitCode: 2 });
    expect(await catalogState(database)).toEqual(before);
  });

  test('is shown beforehand, statement by statement', async () => {
    const before = await catalogState(database);
    const report = await keeper(database).reindex({ dryRun: true, jobs: 2 });
    expect(stepsOf(report).every(({ status }) => status === 'planned')).toBe(true);
    expect(
      stepsOf(report).flatMap(({ statements }) => statements.filter((sql) => sql.startsWith('REINDEX'))),
    ).toEqual([
      'REINDEX INDEX CONCURRENTLY "app"."e1_pkey"',
      'REINDEX INDEX CONCURRENTLY "app"."e1_lower_idx"',
      'REINDEX INDEX CONCURRENTLY "app"."e2_pkey"',
      'REINDEX INDEX CONCURRENTLY "app"."e2_lower_idx"',
    ]);
    const [finding] = tableOf(report).findings;
    expect(finding).toMatchObject({ finding: 'reindex', severity: 'info', facts: { indexes: 4, jobs: 2 } });
    expect(Number(finding?.facts['bytes'])).toBeGreaterThan(Number(finding?.facts['freeBytesNeeded']));
    expect(await catalogState(database)).toEqual(before);
  });

  test('leaves out what cannot be rebuilt concurrently, and says so', async () => {
    await database.query(
      'ALTER TABLE app.e1 ADD CONSTRAINT e1_apart EXCLUDE USING btree (id WITH =, at WITH =, note WITH =)',
    );
    const before = await indexes();
    const report = await keeper(database).reindex({ partitions: ['app.e1'] });
    stepsOf(report);
    expect(await rebuiltSince(before)).toEqual(['e1_lower_idx', 'e1_pkey']);
    expect(
      tableOf(report)
        .findings.map(({ message }) => message)
        .join(),
    ).toContain('app.e1_apart');
  });

  test('goes on with the others where one fails', async () => {
    const other = await database.createRole();
    const owner = await database.createRole();
    await database.query(`
      ALTER TABLE app.events OWNER TO ${owner.name}; ALTER TABLE app.e1 OWNER TO ${other.name}; ALTER TABLE app.e2 OWNER TO ${owner.name};
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name}`);
    const before = await indexes();
    const report = await keeper(owner).reindex();
    expect(report.ok).toBe(false);
    expect(tableOf(report).error).toMatchObject({ code: '42501' });
    expect(told(report).filter((step) => step.startsWith('reindex'))).toEqual([
      'reindex app.e1 index e1_pkey failed',
      'reindex app.e1 index e1_lower_idx failed',
      'reindex app.e2 index e2_pkey done',
      'reindex app.e2 index e2_lower_idx done',
    ]);
    expect(await rebuiltSince(before)).toEqual(['e2_lower_idx', 'e2_pkey']);
    // What failed is tried again, and only that.
    await database.query(`ALTER TABLE app.e1 OWNER TO ${owner.name}`);
    const between = await indexes();
    stepsOf(await keeper(owner).reindex());
    expect(await rebuiltSince(between)).toEqual(['e1_lower_idx', 'e1_pkey']);
    expect((await indexes())['e2_lower_idx']?.comment).toBe("the user's own");
  });
});

describe('what an interruption left behind', () => {
  test('is removed, and nothing of anybody else', async () => {
    await breakOff('app.e1_pkey');
    await breakOff('app.e1_lower_idx');
    // By name and definition, each of them alone, these two might be taken for such.
    await database.query(`
      CREATE INDEX e1_pkey_ccnew1 ON app.e1 (note); CREATE INDEX mine ON app.e1 (id, at); CREATE UNIQUE INDEX e1_pkey_ccold ON app.e1 (id, at);
      UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('app.e1_pkey_ccnew1'::regclass, 'app.mine'::regclass)`);
    expect(Object.keys(await indexes())).toContain('e1_pkey_ccnew');
    expect(Object.keys(await indexes())).toContain('e1_lower_idx_ccnew');
    const report = await keeper(database).reindex({ target: 'app.e1_pkey' });
    expect(told(report)).toEqual([
      'discard app.e1 app.e1_pkey_ccnew done',
      'reindex app.e1 index e1_pkey done',
    ]);
    const rest = await keeper(database).reindex({ target: 'app.events_note', partitions: ['e1'] });
    expect(told(rest)).toEqual([
      'discard app.e1 app.e1_lower_idx_ccnew done',
      'reindex app.e1 index e1_lower_idx done',
    ]);
    expect(Object.keys(await indexes())).toEqual([
      ...['e1_lower_idx', 'e1_pkey', 'e1_pkey_ccnew1', 'e1_pkey_ccold', 'e2_lower_idx', 'e2_pkey', 'mine'],
    ]);
  });

  test('is recognised by names that are cut off, and odd', async () => {
    const names = [`${'n'.repeat(63)}`, `${'ü'.repeat(31)}`, `it's "so" \\ %s; --`];
    const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
    for (const name of names) {
      await database.query(`CREATE INDEX ${quoted(name)} ON app.e1 (note)`);
      await breakOff(`app.${quoted(name)}`);
    }
    expect(Object.keys(await indexes())).toHaveLength(ALL.length + 2 * names.length);
    const report = await keeper(database).reindex({ partitions: ['e1'] });
    expect(
      stepsOf(report).filter(({ kind, reason }) => kind === 'discard' && reason.includes('left behind')),
    ).toHaveLength(names.length);
    expect(Object.keys(await indexes()).toSorted()).toEqual([...ALL, ...names].toSorted());
  });

  test('is told by health, and removed by the remedy of that', async () => {
    await breakOff('app.e1_pkey');
    const remedies = async () =>
      tableOf(await keeper(database).health()).findings.flatMap(({ finding, remedy }) =>
        finding === 'index-invalid' ? [remedy] : [],
      );
    const [remedy = '', ...others] = await remedies();
    expect(others).toEqual([]);
    const before = await indexes();
    const { code } = await runCli(remedy.split(' ').slice(2), { config: configFile({}), url: database.url });
    expect(code).toBe(0);
    expect(Object.keys(await indexes())).toEqual(ALL);
    expect(await rebuiltSince(before)).toEqual([]);
    expect(await remedies()).toEqual([]);
  });

  test('by the end of its connection: the next run removes it, and rebuilds only what is left', async () => {
    const before = await indexes();
    let other: pg.Client | undefined;
    using _ = beforeStatement(/REINDEX INDEX CONCURRENTLY "app"."e2_pkey"/, async () => {
      other = await snapshot();
    });
    const run = keeper(database).reindex();
    const [one] = await waitForWaiting(1);
    await database.query('SELECT pg_terminate_backend($1, 5000)', [one?.pid]);
    await other?.end();
    const report = await run;
    expect(report.ok).toBe(false);
    expect(told(report).filter((step) => step.startsWith('reindex'))).toEqual([
      'reindex app.e1 index e1_pkey done',
      'reindex app.e1 index e1_lower_idx done',
      'reindex app.e2 index e2_pkey failed',
      'reindex app.e2 index e2_lower_idx not-run',
    ]);
    const broken = await indexes();
    expect(Object.keys(broken).filter((name) => name.includes('_cc'))).toHaveLength(1);
    expect(await rebuiltSince(before)).toEqual(['e1_lower_idx', 'e1_pkey']);

    const next = await keeper(database).reindex();
    stepsOf(next);
    expect(tableOf(next).findings[0]?.message).toContain('was interrupted');
    expect(await rebuiltSince(broken)).toEqual(['e2_lower_idx', 'e2_pkey']);
    const after = await indexes();
    expect(Object.keys(after)).toEqual(ALL);
    expect(after['e2_lower_idx']?.comment).toBe("the user's own");
    // That run came to its end: the next one begins anew.
    stepsOf(await keeper(database).reindex());
    expect(await rebuiltSince(after)).toEqual(ALL);
  });

  test('by the death of the process', async () => {
    const other = await snapshot();
    const config = configFile({});
    const kill = new AbortController();
    const run = runCli(['reindex', 'app.events'], {
      config,
      url: database.url,
      signal: kill.signal,
      endBy: 'SIGKILL',
    });
    const [one] = await waitForWaiting(1);
    kill.abort();
    expect((await run).code).toBe(null);
    // Nobody has told the server; the session lasts until it notices, or is ended.
    await database.query('SELECT pg_terminate_backend($1, 5000)', [one?.pid]);
    await other.end();
    const broken = await indexes();
    expect(Object.keys(broken).some((name) => name.endsWith('_ccnew'))).toBe(true);
    const { code, stdout } = await runCli(['reindex', 'app.events'], { config, url: database.url });
    expect(stdout).toContain('left behind by an interrupted rebuild');
    expect(code).toBe(0);
    expect(Object.keys(await indexes())).toEqual(ALL);
  });

  test('by Ctrl-C: what is half built is removed at once', async () => {
    const other = await snapshot();
    const config = configFile({});
    const stop = new AbortController();
    const run = runCli(['reindex', 'app.events', '--format', 'json'], {
      config,
      url: database.url,
      signal: stop.signal,
    });
    await waitForWaiting(1);
    stop.abort();
    const result = await run;
    const report = result.json() as Report;
    expect(result.code).toBe(1);
    expect(tableOf(report).error).toMatchObject({ code: 'stopped' });
    expect(told(report)).toContainEqual(expect.stringMatching(/^discard app\.e1 app\.e1_\w+_ccnew done$/));
    expect(Object.keys(await indexes())).toEqual(ALL);
    await other.end();
    expect(tableOf(await keeper(database).reindex()).findings[0]?.message).toContain('was interrupted');
  });

  test('another choice of indexes begins anew, and so does --restart', async () => {
    await interrupt();
    const before = await indexes();
    const report = await keeper(database).reindex({ partitions: ['e1'] });
    expect(tableOf(report).findings[0]?.message).toContain('with another choice of indexes is given up');
    expect(await rebuiltSince(before)).toEqual(['e1_lower_idx', 'e1_pkey']);
    expect((await indexes())['e2_lower_idx']?.comment).toBe("the user's own");
  });
});

describe('a comment', () => {
  const OWN = "the user's own";
  const commentOf = async (index: string): Promise<string> => (await indexes())[index]?.comment ?? '';
  const noteOn = async (index: string): Promise<string> => {
    const note = await commentOf(index);
    expect(note).toMatch(/^\{"partition-keeper-reindex":\{"tableOid":\d+,/);
    return note;
  };
  /** The note as a dump takes it to another database, where the table has another oid: of nothing there. */
  const restored = (note: string): string => note.replace(/"tableOid":\d+/, '"tableOid":1');
  const setComment = (index: string, text: string) =>
    database.query(`COMMENT ON INDEX ${index} IS '${text.replaceAll("'", "''")}'`);

  test('that is written on the index with the note while the others are rebuilt is kept', async () => {
    using _ = beforeStatement(/REINDEX INDEX CONCURRENTLY "app"."e2_lower_idx"/, () =>
      setComment('app.e2_lower_idx', 'new words'),
    );
    stepsOf(await keeper(database).reindex());
    expect(await commentOf('e2_lower_idx')).toBe('new words');
  });

  test.each([
    ['noted', /DO .* IS NOT DISTINCT FROM 'the user''s own'/s],
    ['taken back', /DO .* x\.indrelid = /s],
  ])('that is being written when the note is %s is waited for, and kept', async (_name, pattern) => {
    const other = await database.connect();
    let written: Promise<unknown> | undefined;
    using _ = beforeStatement(pattern, async () => {
      await other.query("BEGIN; COMMENT ON INDEX app.e2_lower_idx IS 'new words'");
      written = waitUntil(
        async () =>
          (
            await database.query(
              "SELECT FROM pg_stat_activity WHERE application_name = 'partition-keeper/reindex' AND datname = current_database() AND state <> 'idle'",
            )
          ).length === 0,
        { what: 'the run pauses' },
      ).then(() => other.query('COMMIT'));
    });
    stepsOf(await keeper(database).reindex());
    expect(written).toBeDefined();
    await written;
    expect(await commentOf('e2_lower_idx')).toBe('new words');
  });

  test('goes with its index, not with the name of it', async () => {
    using _ = beforeStatement(/REINDEX INDEX CONCURRENTLY "app"."e1_pkey"/, () =>
      database.query(`
        ALTER INDEX app.e2_lower_idx RENAME TO renamed; CREATE INDEX e2_lower_idx ON app.e2 (note);
        COMMENT ON INDEX app.e2_lower_idx IS 'another'`),
    );
    stepsOf(await keeper(database).reindex());
    expect(await commentOf('renamed')).toBe(OWN);
    expect(await commentOf('e2_lower_idx')).toBe('another');
  });

  test('is put back by the next run where the partition was detached and kept', async () => {
    await interrupt();
    await noteOn('e2_lower_idx');
    await database.query('ALTER TABLE app.events DETACH PARTITION app.e2');
    const before = await indexes();
    stepsOf(await keeper(database).reindex());
    expect(await commentOf('e2_lower_idx')).toBe(OWN);
    expect(await rebuiltSince(before)).toEqual(['e1_lower_idx', 'e1_pkey']);
  });

  test('is put back where the partition is detached while the run is at it', async () => {
    using _ = beforeStatement(/REINDEX INDEX CONCURRENTLY "app"."e1_pkey"/, () =>
      database.query('ALTER TABLE app.events DETACH PARTITION app.e2'),
    );
    stepsOf(await keeper(database).reindex());
    expect(await commentOf('e2_lower_idx')).toBe(OWN);
  });

  test.each([{}, { partitions: ['e1'] }])(
    'is put back where the note was restored from a dump, and never is a note taken for one: %j',
    async (choice) => {
      await interrupt();
      // As an earlier version saved it, too: one note in the other.
      const note = restored(await noteOn('e2_lower_idx'));
      await setComment(
        'app.e2_lower_idx',
        JSON.stringify({
          'partition-keeper-reindex': { ...JSON.parse(note)['partition-keeper-reindex'], comment: note },
        }),
      );
      const before = await indexes();
      stepsOf(await keeper(database).reindex(choice));
      expect(await commentOf('e2_lower_idx')).toBe(OWN);
      expect(await rebuiltSince(before)).toEqual('partitions' in choice ? ['e1_lower_idx', 'e1_pkey'] : ALL);
    },
  );

  test("is left alone in another table's note, and put back from that of none", async () => {
    await interrupt();
    const note = await noteOn('e2_lower_idx');
    await database.query(`
      ALTER TABLE app.events DETACH PARTITION app.e2;
      CREATE TABLE app.others (at timestamptz NOT NULL PRIMARY KEY) PARTITION BY RANGE (at);
      CREATE TABLE app.o1 PARTITION OF app.others DEFAULT`);
    const [others] = await database.query<{ oid: number }>("SELECT 'app.others'::regclass::oid::int AS oid");
    const theirs = note.replace(/"tableOid":\d+/, `"tableOid":${others?.oid}`);
    await setComment('app.o1_pkey', theirs);
    await setComment('app.e2_lower_idx', restored(note));
    stepsOf(await keeper(database).reindex());
    expect(await commentOf('o1_pkey')).toBe(theirs);
    expect(await commentOf('e2_lower_idx')).toBe(OWN);
  });

  test('on an index of somebody else, whatever it claims, is neither touched nor in the way', async () => {
    const other = await database.createRole();
    const owner = await database.createRole();
    await interrupt();
    const note = await noteOn('e2_lower_idx');
    await database.query(`
      ALTER TABLE app.e2 OWNER TO ${other.name};
      ALTER TABLE app.events OWNER TO ${owner.name}; ALTER TABLE app.e1 OWNER TO ${owner.name};
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name}`);
    stepsOf(await keeper(owner).reindex({ partitions: ['e1'] }));
    expect(await commentOf('e2_lower_idx')).toBe(note);
    await database.query('ALTER TABLE app.events DETACH PARTITION app.e2');
    const steps = stepsOf(await keeper(owner).reindex());
    expect(steps.some(({ partition }) => partition === 'app.e2')).toBe(false);
    expect(await commentOf('e2_lower_idx')).toBe(note);
  });
});

describe('others', () => {
  test('who come in the way are named when the time is up, and nothing is left behind', async () => {
    const other = await database.connect();
    await other.query("SET application_name = 'a long report'; BEGIN; SELECT FROM app.e1 LIMIT 1");
    const report = await keeper(database).reindex({ target: 'app.e1_pkey', maxWaitMs: 300 });
    const { error, steps } = tableOf(report);
    // The rebuild itself was over; the old index is what somebody still uses.
    expect(steps[0]).toMatchObject({ kind: 'reindex', status: 'done' });
    expect(error).toMatchObject({ code: 'lock-not-available' });
    expect(error?.message).toContain('a long report');
    expect(error?.hint).toMatch(/SELECT pg_terminate_backend\(\d+\);/);
    await other.end();
    stepsOf(await keeper(database).reindex({ target: 'app.e1_pkey' }));
    expect(Object.keys(await indexes())).toEqual(ALL);
  });

  test('create partitions meanwhile; a second rebuild leaves the table to the first', async () => {
    const other = await snapshot();
    const run = keeper(database).reindex();
    await waitForWaiting(1);
    const created = await keeper(database).create({
      from: at('2026-03-01T00:00:00Z'),
      to: at('2026-04-01T00:00:00Z'),
    });
    expect(stepsOf(created)).toHaveLength(1);
    expect(tableOf(await keeper(database).reindex()).status).toBe('skipped');
    await other.end();
    stepsOf(await run);
    // The note of the run was on no index that a new partition is made after.
    expect(Object.values(await indexes()).flatMap(({ comment }) => comment ?? [])).toEqual([
      "the user's own",
    ]);
  });

  test('that clean up fail on the partition at hand, and remove it afterwards', async () => {
    const retaining = keeper(database, { retention: { months: 1 }, maxExpiredShare: 1 });
    stepsOf(await retaining.create());
    const other = await snapshot();
    const run = keeper(database).reindex({ target: 'app.e1_pkey' });
    await waitForWaiting(1);
    const { status, error, steps } = tableOf(await retaining.cleanup({ maxWaitMs: 1000 }));
    expect(status).toBe('failed');
    expect(error?.message).toContain('partition-keeper/reindex');
    expect(steps.some(({ partition, status: state }) => partition === 'app.e2' && state === 'failed')).toBe(
      false,
    );
    await other.end();
    stepsOf(await run);
    stepsOf(await retaining.cleanup());
    expect(await database.query("SELECT FROM pg_class WHERE relname IN ('e1', 'e2')")).toEqual([]);
  });

  test('drop a partition meanwhile: what was to be rebuilt there is gone', async () => {
    using _ = beforeStatement(/REINDEX INDEX CONCURRENTLY "app"."e1_pkey"/, () =>
      database.query('DROP TABLE app.e1'),
    );
    const report = await keeper(database).reindex();
    stepsOf(report);
    expect(told(report).filter((step) => step.startsWith('reindex'))).toEqual([
      'reindex app.e1 index e1_pkey not-run',
      'reindex app.e1 index e1_lower_idx not-run',
      'reindex app.e2 index e2_pkey done',
      'reindex app.e2 index e2_lower_idx done',
    ]);
  });

  test('of ours work beside each other, never two on one partition', async () => {
    const other = await snapshot();
    const run = keeper(database).reindex({ jobs: 4 });
    expect((await waitForWaiting(2)).map(({ table }) => table)).toEqual(['app.e1', 'app.e2']);
    await other.end();
    stepsOf(await run);
    expect(Object.keys(await indexes())).toEqual(ALL);
  });

  test('need no more than membership in the owner', async () => {
    const owner = await database.createRole();
    const role = await database.createRole({ inherit: false });
    await database.query(`
      GRANT ${owner.name} TO ${role.name};
      ALTER TABLE app.events OWNER TO ${owner.name}; ALTER TABLE app.e1 OWNER TO ${owner.name}; ALTER TABLE app.e2 OWNER TO ${owner.name};
      GRANT USAGE ON SCHEMA app TO ${owner.name}`);
    const before = await indexes();
    const report = await keeper(role).reindex();
    stepsOf(report);
    expect(await rebuiltSince(before)).toEqual(ALL);
  });
});
