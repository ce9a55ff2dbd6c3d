import { describe, expect, inject, test } from 'vitest';
import type { Report } from '../../../lib/index.ts';
import { convert, SETTINGS } from '../../support/convert/attach-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, keeper, partitionsOf, stepsOf, tableOf } from '../../support/keeper.ts';

const version = inject('serverVersion');

const makeTable = (database: TestDatabase, statements: string): Promise<unknown> =>
  database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int NOT NULL, at timestamptz NOT NULL DEFAULT now(), reference text NOT NULL, note text);
    INSERT INTO app.events (id, reference) SELECT n, 'number ' || n FROM generate_series(1, 10) AS n;
    ${statements}`);

/** Of a relation: how it is identified, and the columns of the index by which, if it is one. */
const identityOf = async (database: TestDatabase, table: string) =>
  (
    await database.query(
      `SELECT c.relreplident AS identity, (SELECT pg_get_indexdef(x.indexrelid) FROM pg_index x WHERE x.indrelid = c.oid AND x.indisreplident) AS index
       FROM pg_class c WHERE c.oid = $1::regclass`,
      [table],
    )
  )[0];

const messagesOf = (report: Report, kind: string): string[] =>
  tableOf(report).findings.flatMap(({ finding, message }) => (finding === kind ? [message] : []));

const KEY = 'ALTER TABLE app.events ADD PRIMARY KEY (id);';
const REFERENCE = 'CREATE UNIQUE INDEX by_reference ON app.events (reference);';
const identifiedBy = (index: string) => `ALTER TABLE app.events REPLICA IDENTITY USING INDEX ${index};`;

describe.each([
  {
    what: 'the primary key, which gains the partition key',
    made: `${KEY} ${identifiedBy('events_pkey')}`,
    identity: { identity: 'i', index: expect.stringMatching(/ \(id, at\)$/) },
    told: [],
    strategies: ['attach', 'copy'] as const,
  },
  {
    what: 'an index that is no longer unique, beside a primary key',
    made: `${KEY} ${REFERENCE} ${identifiedBy('by_reference')}`,
    identity: { identity: 'd', index: null },
    told: [expect.stringContaining('sent with the columns of the primary key of the old row')],
    strategies: ['attach', 'copy'] as const,
  },
  {
    what: 'an index that is no longer unique, beside a key that is deferrable',
    made: `ALTER TABLE app.events ADD PRIMARY KEY (id) DEFERRABLE; ${REFERENCE} ${identifiedBy('by_reference')}`,
    identity: { identity: 'f', index: null },
    told: [expect.stringContaining('sent with all columns of the old row')],
    strategies: ['attach'] as const,
  },
  {
    what: 'an index that is gone',
    made: `${REFERENCE} ${identifiedBy('by_reference')} DROP INDEX app.by_reference;`,
    identity: { identity: 'f', index: null },
    told: [expect.stringContaining('sent with all columns of the old row')],
    strategies: ['attach'] as const,
  },
])('a table that is identified by $what', ({ made, identity, told, strategies }) => {
  test.each(strategies)('is published after %s, and so are its partitions, old and new', async (strategy) => {
    await using database = await createTestDatabase();
    await makeTable(
      database,
      `${made} CREATE PUBLICATION changes FOR TABLE app.events WITH (publish_via_partition_root = true)`,
    );
    const report = await convert(database.url, { strategy, approve: true });
    stepsOf(report);
    expect(messagesOf(report, 'changes').filter((message) => message.includes('replica identity'))).toEqual(
      told,
    );

    expect(stepsOf(await keeper(database, { ...SETTINGS, premake: 5 }).create())).not.toEqual([]);
    for (const table of ['events', ...Object.keys(await partitionsOf(database))])
      expect(await identityOf(database, `app.${table}`), table).toEqual(identity);
    await database.query(`
      INSERT INTO app.events (id, at, reference) VALUES (11, now() + interval '70 days', 'number 11');
      UPDATE app.events SET note = 'changed' WHERE id > 5;
      DELETE FROM app.events WHERE id IN (10, 11)`);
    expect(await database.query('SELECT count(*)::int AS rows FROM app.events')).toEqual([{ rows: 9 }]);
  });
});

describe('a publication', () => {
  /** Each with the remedy that makes the conversion possible. */
  const PARTIAL: readonly [string, string, string][] =
    version < 15
      ? []
      : [
          [
            'of some rows, under the names of partitions',
            'CREATE PUBLICATION changes FOR TABLE app.events WHERE (id > 5)',
            'ALTER PUBLICATION "changes" SET (publish_via_partition_root = true);',
          ],
          [
            'of some columns, under the names of partitions',
            'CREATE PUBLICATION changes FOR TABLE app.events (id, at)',
            'ALTER PUBLICATION "changes" SET (publish_via_partition_root = true);',
          ],
          [
            'of columns without the partition key',
            'CREATE PUBLICATION changes FOR TABLE app.events (id, note) WITH (publish_via_partition_root = true)',
            'ALTER PUBLICATION "changes" DROP TABLE "app"."events"; ALTER PUBLICATION "changes" ADD TABLE "app"."events" ("id", "note", "at") ...;',
          ],
        ];

  test.each(PARTIAL)(
    '%s keeps a table from being converted, until it is changed',
    async (_, made, remedy) => {
      await using database = await createTestDatabase();
      await makeTable(database, `${KEY} ${made}`);
      const before = await catalogState(database);
      for (const strategy of ['attach', 'copy'] as const) {
        const refused = tableOf(await convert(database.url, { strategy }));
        expect(refused.status, strategy).toBe('refused');
        expect(refused.findings).toContainEqual(
          expect.objectContaining({
            facts: { code: 'publication' },
            remedy: expect.stringContaining(remedy),
          }),
        );
      }
      expect(await catalogState(database)).toEqual(before);

      await database.query(remedy.replace(' ...', ''));
      stepsOf(await convert(database.url));
      await database.query("UPDATE app.events SET note = 'changed'");
      expect(
        await database.query("SELECT tablename AS name FROM pg_publication_tables WHERE pubname = 'changes'"),
      ).toEqual([{ name: 'events' }]);
    },
  );

  test.each([
    'FOR TABLE app.events',
    'FOR ALL TABLES',
    ...(version < 15 ? [] : ['FOR TABLES IN SCHEMA app']),
  ])('%s is told to send under the names of partitions, if it does', async (what) => {
    await using database = await createTestDatabase();
    await makeTable(database, `${KEY} CREATE PUBLICATION changes ${what}`);
    const notes = async () =>
      messagesOf(await convert(database.url, { dryRun: true }), 'conversion').filter((message) =>
        message.startsWith('Publication changes sends changes under the names of partitions'),
      );
    expect(await notes()).toHaveLength(1);
    await database.query('ALTER PUBLICATION changes SET (publish_via_partition_root = true)');
    expect(await notes()).toEqual([]);
  });
});

test.each([
  ['attach', 'New indexes go through'],
  ['copy', 'What is copied goes through'],
] as const)('a plan of %s names the replication slots', async (strategy, told) => {
  await using database = await createTestDatabase();
  await makeTable(database, KEY);
  const slot = database.name;
  await database.query('SELECT pg_create_physical_replication_slot($1)', [slot]);
  try {
    const report = await convert(database.url, { strategy, dryRun: true });
    const [message, ...others] = messagesOf(report, 'conversion').filter((text) => text.includes('slot'));
    expect(others).toEqual([]);
    expect(message).toContain(told);
    expect(message).toContain(slot);
  } finally {
    await database.query('SELECT pg_drop_replication_slot($1)', [slot]);
  }
});
