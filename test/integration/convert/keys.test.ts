import { describe, expect, inject, test } from 'vitest';
import { convert } from '../../support/convert/attach-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, partitionsOf, stepsOf, tableOf } from '../../support/keeper.ts';
import { withTablespace } from '../../support/tablespace.ts';

const version = inject('serverVersion');

const makeTable = (database: TestDatabase, statements: string): Promise<unknown> =>
  database.query(`
    CREATE SCHEMA app;
    CREATE TABLE app.events (id int NOT NULL, at timestamptz NOT NULL DEFAULT now(), note text, place int);
    INSERT INTO app.events (id, note, place) VALUES (1, 'one', 1), (2, 'two', 2);
    ${statements}`);

/** The indexes of a relation in all but their names, which differ between partitions. */
const indexesOf = (database: TestDatabase, table: string) =>
  database.query<{ readonly columns: string }>(
    `SELECT (SELECT string_agg(pg_get_indexdef(i.oid, n, true), ', ' ORDER BY n) FROM generate_series(1, x.indnatts) AS n) AS columns,
       x.indnkeyatts::int AS keys, k.contype AS constraint, x.indisunique AS unique, to_jsonb(x) ->> 'indnullsnotdistinct' AS nulls,
       pg_get_expr(x.indpred, x.indrelid) AS condition, i.reloptions AS storage, s.spcname AS tablespace
     FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid LEFT JOIN pg_tablespace s ON s.oid = i.reltablespace
     LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = x.indrelid
     WHERE x.indrelid = $1::regclass ORDER BY columns, keys`,
    [table],
  );

describe('what is said of keys and indexes', () => {
  test.each(['attach', 'copy'] as const)(
    'is so after %s, in all partitions, old and new',
    async (strategy) => {
      await using database = await createTestDatabase();
      const nulls = version >= 15 ? 'NULLS NOT DISTINCT' : '';
      await withTablespace(database, async (space) => {
        await makeTable(
          database,
          `ALTER TABLE app.events
           ADD PRIMARY KEY (id) INCLUDE (place) WITH (fillfactor = 80) USING INDEX TABLESPACE ${space},
           ADD UNIQUE ${nulls} (note, at) INCLUDE (place) WITH (fillfactor = 60, deduplicate_items = off),
           ADD UNIQUE ${nulls} (at, place) USING INDEX TABLESPACE ${space};
         CREATE UNIQUE INDEX ON app.events (place, note) ${nulls} WITH (fillfactor = 70) TABLESPACE ${space};
         CREATE INDEX ON app.events (note) WITH (fillfactor = 50) TABLESPACE ${space} WHERE note <> ' WHERE ' AND place > 0`,
        );
        const before = await indexesOf(database, 'app.events');
        stepsOf(await convert(database.url, { strategy, approve: true }));
        const expected = before.map((index) =>
          index.columns === 'id, place'
            ? { ...index, columns: 'id, at, place', keys: 2 }
            : index.columns === 'place, note'
              ? { ...index, unique: false }
              : index,
        );
        for (const table of ['events', ...Object.keys(await partitionsOf(database))])
          expect(await indexesOf(database, `app.${table}`), table).toEqual(expected);
        await database.query('DROP SCHEMA app CASCADE');
      });
    },
  );

  test('takes a right of the owner in a tablespace, without which nothing is done', async () => {
    await using database = await createTestDatabase();
    const owner = await database.createRole();
    await withTablespace(database, async (space) => {
      await makeTable(
        database,
        `ALTER TABLE app.events ADD PRIMARY KEY (id) USING INDEX TABLESPACE ${space};
         GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
         ALTER TABLE app.events OWNER TO ${owner.name}`,
      );
      const before = await catalogState(database);
      const refused = tableOf(await convert(owner.url));
      expect(refused.findings).toContainEqual(
        expect.objectContaining({
          facts: { code: 'permission' },
          message: expect.stringContaining('The index events_pkey has to be made anew'),
          remedy: `GRANT CREATE ON TABLESPACE ${space} TO ${owner.name};`,
        }),
      );
      expect(await catalogState(database)).toEqual(before);
      await database.query(`GRANT CREATE ON TABLESPACE ${space} TO ${owner.name}`);
      stepsOf(await convert(owner.url));
      await database.query('DROP SCHEMA app CASCADE');
    });
  });
});

const GROUPS = 'SELECT id, note, count(*) AS many FROM app.events GROUP BY id';

/** Each with what the finding says. */
const IN_THE_WAY: readonly [string, string, object][] = [
  [
    'a view that groups by it',
    `CREATE VIEW app.per_id AS ${GROUPS}`,
    {
      facts: { code: 'dependent' },
      message: expect.stringMatching(/^The view app\.per_id depends on the key events_pkey/),
    },
  ],
  [
    'a function that groups by it',
    `CREATE FUNCTION app.many() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(f.many) FROM (${GROUPS}) AS f; END`,
    {
      facts: { code: 'dependent' },
      message: expect.stringMatching(/^The function app\.many\(\) depends on the key events_pkey/),
    },
  ],
  [
    'a function that names it',
    `CREATE FUNCTION app.add() RETURNS void LANGUAGE sql
     BEGIN ATOMIC INSERT INTO app.events (id) VALUES (3) ON CONFLICT ON CONSTRAINT events_pkey DO NOTHING; END`,
    {
      facts: { code: 'dependent' },
      message: expect.stringMatching(/^The function app\.add\(\) depends on the key events_pkey/),
    },
  ],
  ...(version < 18
    ? []
    : [
        [
          'another one without overlaps',
          `ALTER TABLE app.events ADD room int4range, ADD during tstzrange;
           ALTER TABLE app.events ADD CONSTRAINT one_at_a_time UNIQUE (room, during WITHOUT OVERLAPS)`,
          {
            facts: { code: 'without-overlaps' },
            message: expect.stringMatching(/^The key one_at_a_time is WITHOUT OVERLAPS/),
            remedy: 'ALTER TABLE "app"."events" DROP CONSTRAINT "one_at_a_time";',
          },
        ] satisfies [string, string, object],
      ]),
];

test.each(IN_THE_WAY)('a key is not changed beside %s', async (_, statement, told) => {
  await using database = await createTestDatabase();
  await makeTable(database, `ALTER TABLE app.events ADD PRIMARY KEY (id); ${statement}`);
  const before = await catalogState(database);
  for (const strategy of ['attach', 'copy'] as const) {
    const refused = tableOf(await convert(database.url, { strategy, approve: true }));
    expect(refused, strategy).toMatchObject({ status: 'refused', error: { code: 'not-convertible' } });
    expect(refused.findings).toContainEqual(expect.objectContaining(told));
  }
  expect(await catalogState(database)).toEqual(before);
});

test('a view that groups by a key may stay where the key does, or once it groups by all columns', async () => {
  await using database = await createTestDatabase();
  await makeTable(
    database,
    `ALTER TABLE app.events ADD PRIMARY KEY (id);
     CREATE VIEW app.per_id AS ${GROUPS};
     CREATE OR REPLACE VIEW app.per_id AS ${GROUPS}, note`,
  );
  stepsOf(await convert(database.url));
  expect(await database.query('SELECT id, many::int FROM app.per_id ORDER BY 1')).toEqual([
    { id: 1, many: 1 },
    { id: 2, many: 1 },
  ]);

  await database.query('DROP SCHEMA app CASCADE');
  await makeTable(
    database,
    `ALTER TABLE app.events ADD PRIMARY KEY (id, at); CREATE VIEW app.per_id AS ${GROUPS}, at`,
  );
  stepsOf(await convert(database.url));
  await database.query('INSERT INTO app.events (id) VALUES (3)');
  expect(await database.query('SELECT count(*)::int AS rows FROM app.per_id')).toEqual([{ rows: 3 }]);
});
