import { describe, expect, test } from 'vitest';
import { type Application, startApplication } from '../../support/convert/application.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { describeTable, descriptionDifference } from '../../support/convert/describe.ts';
import { createRichTable, type RichOptions } from '../../support/convert/rich-table.ts';
import { fill } from '../../support/convert/rows.ts';
import { createTestDatabase } from '../../support/database.ts';
import { waitUntil } from '../../support/wait.ts';

const period = { from: '2026-01-01T00:00:00Z', to: '2026-07-01T00:00:00Z' } as const;

const everything: RichOptions = {
  noInheritCheck: true,
  uniqueWithoutKey: true,
  exclusionConstraint: true,
  notValidForeignKey: true,
  constraintTrigger: true,
  keyTrigger: true,
  forceRowSecurity: true,
  publicationForAllTables: true,
  chainedGrant: true,
  materializedView: true,
  setReturningFunction: true,
  incomingForeignKey: true,
  rule: true,
  inheritanceChild: true,
};

describe('rich table and its rows', () => {
  test.for<[string, RichOptions]>([
    ['a common one', {}],
    ['with everything', everything],
    ['with odd names', { schema: 'My "app"', table: "It's $1 table", key: 'When "it" was' }],
    ['with a long name', { table: 'e'.repeat(63), ids: 'always' }],
    ['by timestamp', { keyType: 'timestamp', ids: 'serial', replicaIdentity: 'full' }],
    ['by date', { keyType: 'date', replicaIdentity: 'index' }],
    ['by uuid', { keyType: 'uuid', nullableKey: true, publicationOfPartitions: true }],
  ])('%s can be made, filled, changed and described', async ([, options]) => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database, options);
    await fill(database, table, { rows: 300, ...period });
    await database.query(`UPDATE ${table.names.table} SET note = 'changed' WHERE revision = 1`);
    expect(await contents(database, table.names.table)).toMatchObject({ count: 300 });
    const is = await describeTable(database, table.schema, table.table);
    expect(is.kind).toBe('plain');
    expect(Object.keys(is.kept.columns)).toContain(table.key);
    expect(Object.keys(is.kept.views)).not.toEqual([]);
    expect(descriptionDifference(is, await describeTable(database, table.schema, table.table))).toEqual([]);
  });

  test('the same seed gives the same rows, another one others', async () => {
    const filled = async (seed: number) => {
      await using database = await createTestDatabase();
      const table = await createRichTable(database, { keyType: 'uuid' });
      await fill(database, table, { rows: 6000, ...period, seed });
      return await contents(database, table.names.table);
    };
    const [first, again, other] = [await filled(1), await filled(1), await filled(2)];
    expect(contentsDifference(first, again)).toEqual([]);
    expect(contentsDifference(first, other)).toHaveLength(1);
  });

  test('rows are inside the period, some right at the starts of months', async () => {
    await using database = await createTestDatabase();
    const { names } = await createRichTable(database).then(async (table) => {
      await fill(database, table, { rows: 2000, ...period });
      return table;
    });
    const [row] = await database.query(
      `SELECT min(at) >= '2026-01-01 00:00+00' AND max(at) < '2026-07-01 00:00+00' AS inside,
         count(*) FILTER (WHERE at = date_trunc('month', at)) > 50 AS at_starts,
         count(*) FILTER (WHERE at + interval '1 microsecond' = date_trunc('month', at) + interval '1 month') > 40 AS before_starts,
         max(length(body)) AS longest
       FROM ${names.table}`,
    );
    expect(row).toEqual({ inside: true, at_starts: true, before_starts: true, longest: 102_400 });
  });
});

describe('contents', () => {
  test.for<[string, string, RegExp[]]>([
    ['a lost row', "DELETE FROM app.events WHERE external_ref = 'row 1-7'", [/^id \d+: lost$/]],
    [
      'a doubled row',
      `ALTER TABLE app.events DROP CONSTRAINT "Events ""PK""";
       INSERT INTO app.events (id, at, tenant, external_ref)
       SELECT id, at + interval '1 day', tenant, external_ref FROM app.events WHERE external_ref = 'row 1-7'`,
      [/^id \d+: 2 times instead of 1$/],
    ],
    [
      'a row under another id',
      "UPDATE app.events SET id = id + 5000 WHERE external_ref = 'row 1-7'",
      [/^id \d+: lost$/, /^id \d+: not expected \(1 times\)$/],
    ],
    [
      'a changed byte in a value out of line',
      'UPDATE app.events SET body = set_byte(body, 50000, (get_byte(body, 50000) + 1) % 256) WHERE body_length > 100000',
      [/^id \d+: body: .* 204802 long, md5 (\w+) -> .* 204802 long, md5 (?!\1)\w+$/],
    ],
    [
      'a minus before a zero',
      "UPDATE app.events SET ratio = 0 WHERE external_ref = 'row 1-1'",
      [/^id \d+: ratio: -0 -> 0$/],
    ],
    [
      'the scale of a number',
      "UPDATE app.events SET amount = 1.1 WHERE external_ref = 'row 1-6'",
      [/^id \d+: amount: 1.1000 -> 1.1$/],
    ],
    [
      'a null of jsonb',
      "UPDATE app.events SET payload = NULL WHERE external_ref = 'row 1-1'",
      [/^id \d+: payload: null -> NULL$/],
    ],
  ])('%s is noticed', async ([, change, expected]) => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database);
    await fill(database, table, { rows: 100, ...period });
    const before = await contents(database, table.names.table, { rows: true });
    await database.query(`SET session_replication_role = replica; ${change}`);
    const after = await contents(database, table.names.table, { rows: true });
    const [summary, ...lines] = contentsDifference(before, after);
    expect(summary).toMatch(/^100 rows, digest/);
    expect(lines).toEqual(expected.map((line) => expect.stringMatching(line)));
  });

  test('many differences are a few lines', async () => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database);
    await fill(database, table, { rows: 1000, ...period });
    const options = { rows: true, columns: ['id', 'note'], where: 'revision > 0' };
    const before = await contents(database, table.names.table, options);
    await database.query("UPDATE app.events SET note = 'x'");
    const after = await contents(database, table.names.table, options);
    expect(contentsDifference(before, after).at(-1)).toMatch(/^and \d+ more$/);
  });
});

describe('description', () => {
  test('a table that was made as a partitioned one is the same but for its keys', async () => {
    await using database = await createTestDatabase();
    await using other = await createTestDatabase();
    const options = { constraintTrigger: true, chainedGrant: true };
    const table = await createRichTable(database, options);
    await createRichTable(other, { ...options, partitioned: true }, table);
    const plain = await describeTable(database, 'app', 'events');
    const partitioned = await describeTable(other, 'app', 'events');
    expect(descriptionDifference(plain.kept, partitioned.kept)).toEqual([]);
    expect([plain.kind, partitioned.kind]).toEqual(['plain', 'partitioned']);
    expect(descriptionDifference(plain.keys, partitioned.keys)).toEqual([
      'Events "PK".columns: ["id"] -> ["id","at"]',
    ]);
    expect(partitioned.storage).toHaveLength(1);
    expect(descriptionDifference(plain.storage[0], partitioned.storage[0])).toEqual([
      'clusteredOn: "latest_first" -> null',
    ]);
  });

  test('a copy by LIKE is not the same', async () => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database);
    await fill(database, table, { rows: 10, ...period });
    const before = await describeTable(database, 'app', 'events');
    await database.query(`
      ALTER TABLE app.events RENAME TO events_legacy;
      CREATE TABLE app.events (LIKE app.events_legacy INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (at);
      ALTER TABLE app.events ADD PRIMARY KEY (id, at);
      CREATE TABLE app.rest PARTITION OF app.events DEFAULT;
      INSERT INTO app.events (id, at, tenant) SELECT id, at, tenant FROM app.events_legacy`);
    const after = await describeTable(database, 'app', 'events');
    const lines = descriptionDifference(before, after, { most: Number.POSITIVE_INFINITY });
    const fields = new Set(lines.map((line) => line.replace(/^(kept\.\w+|\w+).*/, '$1')));
    const different =
      'owner comment rowSecurity grants columns sequences indexes constraints triggers policies publications statistics views functions';
    expect([...fields].toSorted()).toEqual(
      [
        ...different.split(' ').map((field) => `kept.${field}`),
        'kind',
        'partitionKey',
        'keys',
        'storage',
      ].toSorted(),
    );
    expect(lines).toContain('kept.columns.tenant.statistics: 500 -> null');
    expect(lines).toContain('kept.sequences.id.nextIsAboveAll: true -> false');
    expect(descriptionDifference(before, after, { except: ['kept.', 'keys', 'storage'] })).toEqual([
      'kind: "plain" -> "partitioned"',
      'partitionKey: null -> "RANGE (at)"',
    ]);
  });

  test.for<[string, string, string]>([
    [
      'a trigger that is enabled',
      'ALTER TABLE app.events ENABLE TRIGGER disabled',
      'triggers.disabled.enabled: "D" -> "O"',
    ],
    ['a grant', 'GRANT UPDATE (amount) ON app.events TO PUBLIC', 'columns.amount.grants: '],
    [
      'a grant of the sequence',
      'GRANT USAGE ON SEQUENCE app.events_id_seq TO PUBLIC',
      'sequences.id.grants: ',
    ],
    ['an option of a view', 'ALTER VIEW app.careful RESET (security_barrier)', 'views.app.careful.options: '],
    [
      'another table in a policy',
      'ALTER TABLE app.tenants RENAME TO renamed',
      'constraints.of tenant.definition: ',
    ],
    [
      'an option of an index',
      `ALTER INDEX app."by ""odd"" column" RESET (fillfactor)`,
      'indexes.by "odd" column.',
    ],
    [
      'statistics of an index',
      'ALTER INDEX app.by_tenant_in_lower_case ALTER COLUMN 1 SET STATISTICS -1',
      'indexes.by_tenant_in_lower_case.statistics: ',
    ],
    ['storage', 'ALTER TABLE app.events ALTER body SET STORAGE MAIN', 'columns.body.storage: "e" -> "m"'],
    [
      'a validation',
      'ALTER TABLE app.events VALIDATE CONSTRAINT "tenant is short"',
      'constraints.tenant is short.',
    ],
    [
      'parameters of the toast table',
      'ALTER TABLE app.events RESET (toast.autovacuum_vacuum_threshold)',
      'storage: ',
    ],
    ['what it is clustered on', 'ALTER TABLE app.events SET WITHOUT CLUSTER', 'storage: '],
    [
      'a sequence behind',
      "SELECT setval('app.events_id_seq', 1000, false)",
      'sequences.id.nextIsAboveAll: true -> false',
    ],
  ])('%s is noticed', async ([, change, expected]) => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database);
    await fill(database, table, { rows: 10, ...period });
    const before = await describeTable(database, 'app', 'events');
    await database.query(change);
    const lines = descriptionDifference(before, await describeTable(database, 'app', 'events'));
    expect(lines[0]?.replace('kept.', '').slice(0, expected.length)).toBe(expected);
  });
});

describe('application', () => {
  test.for<[string, RichOptions]>([
    ['timestamptz', {}],
    ['timestamp', { keyType: 'timestamp', ids: 'serial', replicaIdentity: 'full' }],
    ['date', { keyType: 'date', ids: 'always', constraintTrigger: true }],
    ['uuid', { keyType: 'uuid', schema: 'My "app"', table: "It's", key: 'When "it" was' }],
  ])('nothing is lost on a plain table by %s', async ([, options]) => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database, options);
    await fill(database, table, { rows: 200, ...period });
    const application = await startApplication(database, table);
    await untilBusy(application);
    await application.expectNothingLost();
    expect(application.longest().milliseconds).toBeGreaterThan(0);
  });

  test('nothing is lost on a partitioned table, where updates move rows between partitions', async () => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database, { partitioned: true });
    const [late] = await database.query<{ text: string }>(
      "SELECT (now() - interval '12 hours')::text AS text",
    );
    await database.query(
      `CREATE TABLE app.late PARTITION OF app.events FOR VALUES FROM (MINVALUE) TO ('${late?.text}')`,
    );
    const application = await startApplication(database, table);
    await untilBusy(application);
    await application.expectNothingLost();
    expect(await contents(database, 'app.late')).not.toMatchObject({ count: 0 });
  });

  test('a new table in its place, without rows and grants, is noticed', async () => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database);
    const application = await startApplication(database, table);
    await database.query(`BEGIN;
      LOCK TABLE app.events;
      ALTER TABLE app.events RENAME TO legacy;
      CREATE TABLE app.events (LIKE app.legacy INCLUDING ALL);
      COMMIT`);
    await waitUntil(() => application.failures.length > 0, { what: 'a client has failed' });
    await expect(application.expectNothingLost()).rejects.toThrow();
    expect(application.failures.join()).toMatch(/42501 permission denied/);
    expect(await application.damage()).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^inserter: id \d+: lost$/),
        expect.stringMatching(/^and \d+ more$/),
      ]),
    );
    // The former table still has what was acknowledged: an undo would find it there.
    expect(await application.damage('app.legacy')).toEqual([]);
  });

  test.for<[string, string, RegExp]>([
    [
      'a lost row',
      "DELETE FROM app.events WHERE id = (SELECT min(id) FROM app.events WHERE tenant = 'client updater')",
      /^updater: id \d+: lost$/,
    ],
    [
      'a deleted row that is back',
      "INSERT INTO app.events (tenant) VALUES ('client deleter')",
      /^deleter: id \d+: not expected \(1 times\)$/,
    ],
    [
      'a doubled row',
      `INSERT INTO app.events (id, at, tenant) SELECT id, at - interval '1 month', tenant FROM app.events
       WHERE tenant = 'client copier' ORDER BY id LIMIT 1`,
      /^copier: id \d+: 2 times instead of 1$/,
    ],
    [
      'a changed byte out of line',
      `UPDATE app.events SET body = set_byte(body, 10000, 0)
       WHERE id = (SELECT min(id) FROM app.events WHERE tenant = 'client inserter' AND body_length = 20000)`,
      /^inserter: id \d+: body: .* 40002 long, md5/,
    ],
    [
      'a trigger that fired twice',
      `INSERT INTO app.audit (operation, event) SELECT 'row INSERT', min(id) FROM app.events WHERE tenant = 'client inserter'`,
      /^id \d+: the trigger of its insert fired 2 times$/,
    ],
  ])('%s is noticed', async ([, change, expected]) => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database, { partitioned: true });
    const application = await startApplication(database, table);
    await untilBusy(application);
    await application.expectNothingLost();
    await database.query(`SET session_replication_role = replica; ${change}`);
    const [damage] = await application.damage();
    expect(damage).toMatch(expected);
    await expect(application.expectNothingLost()).rejects.toThrow();
  });

  test.for<[string, string, RegExp]>([
    [
      'a failing statement',
      'REVOKE DELETE ON app.events FROM PUBLIC, %writer',
      /^deleter: 42501 permission denied/,
    ],
    [
      'a trigger that fires twice',
      'CREATE TRIGGER again BEFORE UPDATE ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch()',
      /^updater: revision \d+ of id \d+ follows \d+$/,
    ],
    [
      'a view that lags behind',
      `CREATE OR REPLACE VIEW app."recent events" AS SELECT id, at, tenant, amount, kind FROM app.events WHERE id < 0`,
      /^reader: 0 rows seen of \d+ acknowledged$/,
    ],
    [
      'a missing unique index',
      'DROP INDEX app."once per moment"',
      /^conflicts: there are two of conflicts \d+$/,
    ],
  ])('%s is a failure', async ([, change, expected]) => {
    await using database = await createTestDatabase();
    const table = await createRichTable(database);
    const application = await startApplication(database, table);
    await database.query(change.replace('%writer', table.writer.name));
    await waitUntil(() => application.failures.length > 0, { what: 'a client has failed' });
    await application.stop();
    expect(application.failures[0]).toMatch(expected);
  });
});

/** Waits until every way to write has come about. */
async function untilBusy({ journals, failures }: Application): Promise<void> {
  const { reader: _, ...writers } = journals;
  await waitUntil(() => failures.length > 0 || Object.values(writers).every(({ turns }) => turns() >= 12), {
    what: 'all clients have written',
    timeoutMs: 60_000,
  });
}
