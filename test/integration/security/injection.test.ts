import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { logger } from '../../../functions/log.ts';
import { handlerFor } from '../../../functions/runtime.ts';
import { parsePayload } from '../../../lib/config/payload.ts';
import { conversionText } from '../../../lib/convert/marker.ts';
import { KeeperError } from '../../../lib/index.ts';
import { quoteIdentifier as quote, quoteLiteral } from '../../../lib/partition/identifiers.ts';
import { markerText } from '../../../lib/partition/marker.ts';
import { runCli } from '../../support/cli.ts';
import {
  convert as convertPlain,
  convertUntil,
  preparePlainTable,
} from '../../support/convert/attach-scenario.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { describeTable, descriptionDifference } from '../../support/convert/describe.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import {
  catalogState,
  configFile,
  describeSchema,
  done,
  keeper,
  type Settings,
  stepsOf,
  tableOf,
} from '../../support/keeper.ts';
import { monthStart } from '../../support/traffic.ts';

/** What would end a literal, an identifier, a comment, a block or a format, and then do harm. */
const PIECES = [
  "'",
  '"',
  "''",
  '""',
  '\\',
  '$$',
  '$check$',
  '$1',
  '%I',
  '%s',
  ';',
  '--',
  '/*',
  '*/',
  '\n',
  '\r',
  '\u001b[2K',
  '\u0085',
  '\u2028',
  '\u202e',
  'ß',
  '“',
  '.',
  ' ',
  'x',
  '; DROP TABLE canary.bird; --',
  "'; DELETE FROM canary.bird; --",
  '"; DROP SCHEMA canary CASCADE; --',
];

/** Such a text that is short enough for a name, with its partitions' and indexes' endings. */
const hostile = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 })
  .map((pieces) => pieces.join(''))
  .filter((text) => Buffer.byteLength(text) <= 36);

const names = fc
  .record({
    schema: hostile.map((text) => `s${text}`),
    table: hostile,
    key: hostile,
    other: hostile,
    rest: hostile.map((text) => `r${text}`),
    old: hostile.map((text) => `o${text}`),
    index: hostile.map((text) => `i${text}`),
    trigger: hostile,
    comment: fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join('')),
  })
  .filter(({ key, other }) => key !== other);

async function withCanary(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.query('CREATE SCHEMA canary; CREATE TABLE canary.bird AS SELECT 1 AS sings');
  return database;
}

const expectCanary = async (database: TestDatabase): Promise<void> =>
  expect(await database.query('SELECT sings FROM canary.bird')).toEqual([{ sings: 1 }]);

test('no name or comment in the catalog becomes a statement', async () => {
  await using database = await withCanary();
  await fc.assert(
    fc.asyncProperty(names, async ({ schema, table, key, other, rest, old, index, trigger, comment }) => {
      const parent = `${quote(schema)}.${quote(table)}`;
      await database.query(`
        DROP SCHEMA IF EXISTS ${quote(schema)} CASCADE;
        CREATE SCHEMA ${quote(schema)};
        CREATE TABLE ${parent} (${quote(key)} timestamptz NOT NULL, ${quote(other)} text DEFAULT ${quoteLiteral(comment)} CHECK (${quote(other)} <> ''))
          PARTITION BY RANGE (${quote(key)});
        COMMENT ON TABLE ${parent} IS ${quoteLiteral(comment)};
        CREATE INDEX ${quote(index)} ON ${parent} (${quote(other)});
        CREATE FUNCTION ${quote(schema)}.${quote(trigger)}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NEW; END $f$;
        CREATE TRIGGER ${quote(trigger)} BEFORE INSERT ON ${parent} FOR EACH ROW EXECUTE FUNCTION ${quote(schema)}.${quote(trigger)}();
        CREATE TABLE ${quote(schema)}.${quote(old)} PARTITION OF ${parent} FOR VALUES FROM ('2001-01-01') TO ('2001-02-01');
        COMMENT ON TABLE ${quote(schema)}.${quote(old)} IS ${quoteLiteral(comment)};
        CREATE TABLE ${quote(schema)}.${quote(rest)} PARTITION OF ${parent} DEFAULT;
        INSERT INTO ${parent} (${quote(key)}, ${quote(other)}) VALUES ('${monthStart(1)}', 'kept')`);
      const settings: Settings = {
        schema,
        table,
        partitionKey: key,
        premake: 1,
        retention: { months: 1 },
        maxExpiredShare: 1,
      };
      const kinds = (steps: readonly string[]) => steps.map((step) => step.split(' ')[0]);
      expect(kinds(done(await keeper(database, settings).create()))).toEqual([
        'create',
        'move-rows',
        'create',
      ]);
      const grace: Settings = { ...settings, grace: { hours: 1 } };
      expect(kinds(done(await keeper(database, grace).cleanup()))).toEqual(['detach']);
      expect(kinds(done(await keeper(database, settings).cleanup()))).toEqual(['drop']);
      expect(await database.query(`SELECT ${quote(other)} AS other FROM ${parent}`)).toEqual([
        { other: 'kept' },
      ]);
      await expectCanary(database);
    }),
    { numRuns: 20 },
  );
});

describe('what is shown to people', () => {
  const FORGED = 'x\u001b[2K\u202e\nall well: 0 critical\r\n  remedy: DROP TABLE canary.bird';
  const settings: Settings = { retention: { months: 1 }, maxExpiredShare: 1, premake: 1 };

  async function scene(): Promise<TestDatabase> {
    const database = await withCanary();
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE INDEX ${quote(FORGED.slice(0, 30))} ON app.events (at);
      CREATE TABLE app.${quote(FORGED)} PARTITION OF app.events FOR VALUES FROM ('2001-01-01') TO ('2001-01-02');
      CREATE TABLE app.present PARTITION OF app.events FOR VALUES FROM ('${monthStart(0)}') TO ('${monthStart(1)}');
      CREATE TABLE app.${quote(`rest ${FORGED.slice(0, 40)}`)} PARTITION OF app.events DEFAULT;
      INSERT INTO app.events VALUES ('2001-06-01')`);
    return database;
  }

  /** Nothing but our own line breaks moves the cursor, and no line is anybody else's. */
  function expectLegible(text: string): void {
    expect(text).toContain('\\u000a');
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
    expect(text).not.toMatch(/^\s*(all well|remedy: DROP)/m);
  }

  test('names neither move the cursor nor forge a line, and what is to be pasted has them right', async () => {
    await using database = await scene();
    const cli = (...args: string[]) => runCli(args, { config: configFile(settings), url: database.url });
    for (const args of [
      ['health'],
      ['status', '--table', 'app.events'],
      ['plan', 'cleanup'],
      ['explain', 'SELECT * FROM app.events'],
    ]) {
      const { stdout } = await cli(...args);
      expectLegible(stdout.replaceAll('\\000a', '\\u000a'));
    }
    const planned = await cli('plan', 'cleanup', '--format', 'sql');
    const comments = planned.stdout.split('\n').filter((line) => line.startsWith('--'));
    expectLegible(comments.join('\n').replaceAll('\\000a', '\\u000a'));

    const [step] = stepsOf(await keeper(database, settings).cleanup({ dryRun: true }));
    await database.query(`DROP TABLE ${step?.partition}`);
    expect(await database.query('SELECT relname FROM pg_class WHERE relname = $1', [FORGED])).toEqual([]);
    await expectCanary(database);
  });

  test('nor do the queries and roles of other sessions, which keep to one line', async () => {
    await using database = await scene();
    const client = await database.connect();
    await client.query(`BEGIN; LOCK TABLE app.events /* ${FORGED} */`);
    const { code, stdout } = await runCli(['create', '--max-wait', '1'], {
      config: configFile(settings),
      url: database.url,
    });
    expect(code).toBe(1);
    expect(stdout).toContain('LOCK TABLE app.events /* x\\u001b[2K\\u202e all well: 0 critical remedy: DROP');
    expectLegible(`${stdout}\\u000a`);
    await client.end();
  });
});

/** What a table to be converted is called, and all that is called something in it. */
interface Named {
  readonly schema: string;
  readonly table: string;
  readonly key: string;
  readonly column: string;
  readonly index: string;
  readonly constraint: string;
  readonly foreignKey: string;
  readonly check: string;
  readonly trigger: string;
  readonly sequence: string;
  readonly serial: string;
  readonly view: string;
  readonly policy: string;
  readonly statistics: string;
  readonly comment: string;
}

async function makePlainTable(database: TestDatabase, named: Named): Promise<void> {
  const { schema, comment } = named;
  const [table, serial, view, statistics, trigger] = (
    ['table', 'serial', 'view', 'statistics', 'trigger'] as const
  ).map((what) => `${quote(schema)}.${quote(named[what])}`);
  const [key, column] = [quote(named.key), quote(named.column)];
  await database.query(`
    DROP SCHEMA IF EXISTS ${quote(schema)} CASCADE;
    CREATE SCHEMA ${quote(schema)};
    CREATE TABLE ${quote(schema)}.other (id int PRIMARY KEY);
    CREATE TABLE ${table} (
      id int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME ${quote(schema)}.${quote(named.sequence)}),
      ${key} timestamptz NOT NULL,
      ${column} text DEFAULT ${quoteLiteral(comment)},
      other int CONSTRAINT ${quote(named.foreignKey)} REFERENCES ${quote(schema)}.other,
      number int,
      CONSTRAINT ${quote(named.constraint)} PRIMARY KEY (id),
      CONSTRAINT ${quote(named.check)} CHECK (${column} <> ${quoteLiteral(`not ${comment}`)}));
    CREATE SEQUENCE ${serial} OWNED BY ${table}.number;
    ALTER TABLE ${table} ALTER COLUMN number SET DEFAULT nextval(${quoteLiteral(serial ?? '')});
    CREATE INDEX ${quote(named.index)} ON ${table} (${column}) WHERE ${column} <> ${quoteLiteral(comment)};
    CREATE STATISTICS ${statistics} ON ${key}, ${column} FROM ${table};
    CREATE VIEW ${view} AS SELECT ${key}, ${column} FROM ${table};
    ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;
    CREATE POLICY ${quote(named.policy)} ON ${table} USING (${column} <> ${quoteLiteral(comment)});
    CREATE FUNCTION ${trigger}() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NEW; END $f$;
    CREATE TRIGGER ${quote(named.trigger)} BEFORE UPDATE OF ${column} ON ${table} FOR EACH ROW
      WHEN (NEW.${column} <> ${quoteLiteral(comment)}) EXECUTE FUNCTION ${trigger}(${quoteLiteral(comment)});
    COMMENT ON TABLE ${table} IS ${quoteLiteral(comment)};
    COMMENT ON COLUMN ${table}.${column} IS ${quoteLiteral(comment)};
    COMMENT ON TRIGGER ${quote(named.trigger)} ON ${table} IS ${quoteLiteral(comment)};
    COMMENT ON INDEX ${quote(schema)}.${quote(named.index)} IS ${quoteLiteral(comment)};
    INSERT INTO ${table} (${key}, ${column}) VALUES (now(), 'kept')`);
}

/** Converts the table, and expects it to be the same afterwards in all that belongs to it, and all else to be as it was. */
async function expectConversion(database: TestDatabase, named: Named): Promise<void> {
  const { schema, table, key } = named;
  const before = await describeTable(database, schema, table);
  const elsewhere = await describeSchema(database, 'canary');
  const keep = keeper(database, { schema, table, partitionKey: key, premake: 1 });
  stepsOf(await keep.convert({ table: `${schema}.${table}` }));
  const after = await describeTable(database, schema, table);
  expect(after.kind).not.toBe(before.kind);
  expect(descriptionDifference(before.kept, after.kept)).toEqual([]);
  expect(await describeSchema(database, 'canary')).toEqual(elsewhere);
  await expectCanary(database);
}

/** The same of a copy, and of its undoing, after which the table is as it was; changes are followed in between. */
async function expectCopy(database: TestDatabase, named: Named): Promise<void> {
  const { schema, table, key } = named;
  const name = `${quote(schema)}.${quote(table)}`;
  const before = await describeTable(database, schema, table);
  const elsewhere = await describeSchema(database, 'canary');
  const keep = keeper(database, { schema, table, partitionKey: key, premake: 1 });
  const convertTable = (options: Parameters<typeof keep.convert>[0]) =>
    keep.convert({ table: `${schema}.${table}`, ...options });
  const change = () =>
    database.query(
      `INSERT INTO ${name} (${quote(key)}, ${quote(named.column)}) VALUES (now(), ${quoteLiteral(named.comment)}); UPDATE ${name} SET ${quote(key)} = now()`,
    );
  stepsOf(await convertTable({ strategy: 'copy', until: 'verify' }));
  await change();
  stepsOf(await convertTable({ strategy: 'copy' }));
  await change();
  expect((await describeTable(database, schema, table)).kind).not.toBe(before.kind);
  const rows = await contents(database, name);
  expect(rows.count).toBe(3);
  stepsOf(await convertTable({ undo: true }));
  expect(contentsDifference(rows, await contents(database, name))).toEqual([]);
  expect(descriptionDifference(before, await describeTable(database, schema, table))).toEqual([]);
  expect(await describeSchema(database, 'canary')).toEqual(elsewhere);
  await expectCanary(database);
}

const namesInTable: fc.Arbitrary<Named> = fc
  .record({
    schema: hostile.map((text) => `s${text}`),
    table: hostile,
    key: hostile,
    column: hostile,
    index: hostile.map((text) => `i${text}`),
    constraint: hostile.map((text) => `p${text}`),
    foreignKey: hostile.map((text) => `f${text}`),
    check: hostile.map((text) => `c${text}`),
    trigger: hostile,
    sequence: hostile.map((text) => `q${text}`),
    serial: hostile.map((text) => `r${text}`),
    view: hostile.map((text) => `v${text}`),
    policy: hostile,
    statistics: hostile.map((text) => `t${text}`),
    comment: fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join('')),
  })
  .filter(({ key, column }) => key !== column);

test('no name or comment of a table that is converted becomes a statement', async () => {
  await using database = await withCanary();
  await fc.assert(
    fc.asyncProperty(namesInTable, async (named) => {
      await makePlainTable(database, named);
      await expectConversion(database, named);
    }),
    { numRuns: 12 },
  );
});

test('no name or comment of a table that is copied becomes a statement', async () => {
  await using database = await withCanary();
  await fc.assert(
    fc.asyncProperty(namesInTable, async (named) => {
      await makePlainTable(database, named);
      await expectCopy(database, named);
    }),
    { numRuns: 8 },
  );
});

test('no name of a table that is converted is taken for the place where its definition names another table', async () => {
  await using database = await withCanary();
  const misleading = (prefix: string): string => `${prefix} ON app.events USING x (y) ON app.events `;
  const named: Named = {
    schema: 'app',
    table: 'events',
    key: misleading('k'),
    column: misleading('c'),
    index: misleading('i'),
    constraint: misleading('p'),
    foreignKey: misleading('f'),
    check: misleading('h'),
    trigger: misleading('g'),
    sequence: misleading('q'),
    serial: misleading('r'),
    view: misleading('v'),
    policy: misleading('l'),
    statistics: misleading('t'),
    comment: misleading('"'),
  };
  await makePlainTable(database, named);
  await expectConversion(database, named);
  await makePlainTable(database, named);
  await expectCopy(database, named);
});

test('no word of a config or on the command line becomes a statement', async () => {
  await using database = await withCanary();
  const before = await catalogState(database);
  await fc.assert(
    fc.asyncProperty(hostile, hostile, hostile, async (schema, table, partitionKey) => {
      const report = await keeper(database, { schema, table, partitionKey }).create();
      expect(report.ok).toBe(false);
      expect(report.tables[0]?.error?.code).toBe('table-missing');
    }),
    { numRuns: 30 },
  );
  const word = `'; DROP SCHEMA canary CASCADE; --`;
  for (const args of [
    ['create', '--table', word],
    ['create', '--from', word],
    ['plan', 'create', '--now', word],
    ['create', '--premake', word],
    ['cleanup', '--max-wait', word],
    ['health', '--format', word],
    [word],
  ])
    expect((await runCli(args, { config: configFile({}), url: database.url })).code, args.join(' ')).toBe(2);
  expect(await catalogState(database)).toEqual(before);
  await expectCanary(database);
});

/** Texts that are only hostile, and those that begin like what belongs there. */
const afterUsual = (usual: string) =>
  fc.oneof(
    hostile,
    hostile.map((text) => usual + text),
  );

test('no value of a config that is more than a name gets as far as the database', () => {
  const anyWrong = fc.oneof(
    afterUsual('UTC').map((timeZone) => ({ timeZone })),
    afterUsual('month').map((interval) => ({ interval })),
    afterUsual('drop').map((expired) => ({ expired })),
    afterUsual('1').map((premake) => ({ premake })),
    afterUsual('3 months').map((retention) => ({ retention })),
    afterUsual('months').map((unit) => ({ retention: { [unit]: 1 } })),
    afterUsual('1').map((months) => ({ retention: { months } })),
    afterUsual('1').map((hours) => ({ grace: { hours } })),
  );
  fc.assert(
    fc.property(anyWrong, (settings) => {
      expect(() => keeper({ url: 'postgresql://nowhere' }, settings as Settings)).toThrow(KeeperError);
    }),
  );
});

describe('a payload', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'partition-keeper-injection-'));
    const settings: Settings = { retention: { months: 1 }, maxExpiredShare: 1, premake: 1 };
    await writeFile(join(folder, 'partitions.config.json'), JSON.stringify(configFile(settings)));
    logger.setLogLevel('SILENT');
    vi.stubEnv('LAMBDA_TASK_ROOT', folder);
    vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'true');
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  const table = afterUsual('app.events');
  const partition = afterUsual('app.old');
  const moment = afterUsual('2026-11-22T00:00:00Z');
  const anyHostile = fc.oneof(
    fc.record({
      job: fc.constantFrom('create' as const, 'cleanup' as const, 'health' as const),
      payload: table.map((text) => ({ tables: [text] })),
    }),
    // One that may be removed does not take the other along.
    fc.record({
      job: fc.constant('cleanup' as const),
      payload: partition.map((text) => ({ partitions: ['app.old', text], approve: true })),
    }),
    fc.record({
      job: fc.constant('create' as const),
      payload: fc.tuple(fc.constantFrom('from', 'to'), moment).map(([key, text]) => ({ [key]: text })),
    }),
  );

  test('whose words are hostile does nothing', async () => {
    await using database = await withCanary();
    vi.stubEnv('DATABASE_URL', database.url);
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.old PARTITION OF app.events FOR VALUES FROM ('2001-01-01') TO ('2001-02-01');
      CREATE TABLE app.present PARTITION OF app.events FOR VALUES FROM ('${monthStart(0)}') TO ('${monthStart(1)}')`);
    const before = await catalogState(database);
    const context = { awsRequestId: 'request', getRemainingTimeInMillis: () => 600_000 };
    await fc.assert(
      fc.asyncProperty(anyHostile, async ({ job, payload }) => {
        await expect(handlerFor(job)(payload, context)).rejects.toThrow();
        expect(await catalogState(database)).toEqual(before);
      }),
      { numRuns: 60 },
    );
    await expectCanary(database);
    // What those words are added to is what the job would obey.
    const { tables } = await handlerFor('create')(
      { tables: ['app.events'], from: '2026-11-22T00:00:00Z' },
      context,
    );
    expect(tables[0]?.steps.length).toBeGreaterThan(0);
    const cleaned = await handlerFor('cleanup')({ partitions: ['app.old'], approve: true }, context);
    expect(done(cleaned)).toEqual(['drop app.old']);
  });
});

test('a payload is taken by its form before anything is done', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('create', 'cleanup', 'health'),
      fc.dictionary(
        fc.oneof(hostile, fc.constantFrom('__proto__', 'constructor', 'sql', 'cascade')),
        hostile,
        {
          minKeys: 1,
        },
      ),
      (job, payload) => {
        expect(() => parsePayload(job as 'create', payload)).toThrow(KeeperError);
      },
    ),
  );
});

describe('a marker that somebody has forged', () => {
  const settings: Settings = { retention: { years: 3 }, maxExpiredShare: 1 };

  async function scene(): Promise<{ database: TestDatabase; marker: (changes?: object) => string }> {
    const database = await withCanary();
    await database.query(`
      CREATE SCHEMA app;
      CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE app.present PARTITION OF app.events FOR VALUES FROM ('${monthStart(0)}') TO ('${monthStart(1)}');
      CREATE TABLE app.loot AS SELECT now() AS at`);
    const [row] = await database.query<{ oid: number }>("SELECT 'app.events'::regclass::oid::int AS oid");
    const marker = (changes: object = {}): string =>
      markerText({
        parentOid: row?.oid ?? 0,
        parent: 'app.events',
        bounds: "FOR VALUES FROM ('2001-01-01 00:00:00+00') TO ('2001-02-01 00:00:00+00')",
        detachedAt: '2002-01-01T00:00:00Z',
        by: 'postgres',
        runId: 'x',
        comment: null,
        ...changes,
      });
    return { database, marker };
  }

  const plannedBy = async (database: TestDatabase): Promise<string[]> =>
    done(await keeper(database, settings).cleanup());

  test('has no power over tables of other owners than that of the partitioned table', async () => {
    const { database, marker } = await scene();
    await using _ = database;
    const attacker = await database.createRole();
    await database.query(`
      ALTER TABLE app.loot OWNER TO ${attacker.name};
      COMMENT ON TABLE app.loot IS ${quoteLiteral(marker())}`);
    expect(await plannedBy(database)).toEqual([]);
    // It is the owner that counts: the same marker on a table of the right one is what a detach leaves.
    await database.query('ALTER TABLE app.loot OWNER TO CURRENT_USER');
    expect(await plannedBy(database)).toEqual(['drop app.loot']);
  });

  test.each<[string, (marker: (changes?: object) => string) => string]>([
    ['of another parent', (marker) => marker({ parentOid: 1 })],
    ['with bounds that say nothing', (marker) => marker({ bounds: 'FOR VALUES' })],
    ['with SQL for bounds', (marker) => marker({ bounds: "') ; DROP TABLE canary.bird; --" })],
    [
      'with bounds inside retention',
      (marker) =>
        marker({
          bounds: `FOR VALUES FROM ('${monthStart(-1)} 00:00:00+00') TO ('${monthStart(0)} 00:00:00+00')`,
        }),
    ],
    ['with more than belongs there', (marker) => marker({ retention: 'none' })],
    [
      'with a prototype',
      (marker) => marker().replace('"comment":null', '"comment":null,"__proto__":{"expired":true}'),
    ],
    ['that is no JSON', (marker) => marker().slice(0, -1)],
    ['of a megabyte', (marker) => marker({ comment: 'x'.repeat(1_000_000) }).replace('"by"', '"and"')],
  ])('%s removes nothing', async (_, forge) => {
    const { database, marker } = await scene();
    await using __ = database;
    await database.query(`COMMENT ON TABLE app.loot IS ${quoteLiteral(forge(marker))}`);
    expect(await plannedBy(database)).toEqual([]);
    expect(await database.query('SELECT count(*)::int AS rows FROM app.loot')).toEqual([{ rows: 1 }]);
    await expectCanary(database);
  });

  test('removes no partition, view or sequence that carries it', async () => {
    const { database, marker } = await scene();
    await using _ = database;
    await database.query(`
      CREATE VIEW app.view AS SELECT 1 AS one;
      CREATE SEQUENCE app.sequence;
      COMMENT ON TABLE app.present IS ${quoteLiteral(marker())};
      COMMENT ON VIEW app.view IS ${quoteLiteral(marker())};
      COMMENT ON SEQUENCE app.sequence IS ${quoteLiteral(marker())}`);
    expect(await plannedBy(database)).toEqual([]);
  });

  test('has the comment it claims put back as a comment and nothing else', async () => {
    const { database, marker } = await scene();
    await using _ = database;
    const claimed = "'; DROP TABLE canary.bird; --";
    await database.query(`
      CREATE TABLE app.old PARTITION OF app.events FOR VALUES FROM ('2001-01-01') TO ('2001-02-01');
      COMMENT ON TABLE app.old IS ${quoteLiteral(marker({ comment: claimed }))}`);
    expect(done(await keeper(database, { ...settings, expired: 'detach' }).cleanup())).toEqual([
      'detach app.old',
    ]);
    const [row] = await database.query<{ comment: string }>(
      "SELECT obj_description('app.old'::regclass) AS comment",
    );
    expect(JSON.parse(row?.comment ?? '')).toMatchObject({ 'partition-keeper': { comment: claimed } });
    await expectCanary(database);
  });
});

describe('a conversion marker that somebody has forged', () => {
  /** A table that a conversion has begun with, and the comment of what that has prepared. */
  async function scene() {
    const database = await withCanary();
    await preparePlainTable(database);
    const [owner, attacker] = [await database.createRole(), await database.createRole()];
    await database.query(`
      GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name}, ${attacker.name};
      GRANT ALL ON app.accounts TO ${owner.name};
      ALTER TABLE app.events OWNER TO ${owner.name}; ALTER VIEW app.newest OWNER TO ${owner.name};
      ALTER FUNCTION app.stamp OWNER TO ${owner.name}`);
    await convertUntil(database.url, ({ step }) => step.kind === 'constrain');
    const [row] = await database.query<{ text: string }>(
      "SELECT obj_description('app.events_partitioned'::regclass) AS text",
    );
    return { database, owner, attacker, text: row?.text ?? '' };
  }

  test('on a table of another owner has no power', async () => {
    const { database, owner, attacker, text } = await scene();
    await using _ = database;
    stepsOf(await convertPlain(database.url, { undo: true }));
    await database.query(`
      SET ROLE ${attacker.name};
      CREATE TABLE app.events_partitioned (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      COMMENT ON TABLE app.events_partitioned IS ${quoteLiteral(text)};
      RESET ROLE`);
    const before = await catalogState(database);
    const converted = tableOf(await convertPlain(database.url));
    expect(converted.status).toBe('refused');
    expect(converted.findings).toContainEqual(expect.objectContaining({ facts: { code: 'name-taken' } }));
    expect(tableOf(await convertPlain(database.url, { undo: true }))).toMatchObject({
      status: 'refused',
      error: { code: 'name-taken' },
    });
    expect(await catalogState(database)).toEqual(before);
    // It is the owner that counts: the same marker on a table of the right one is what a conversion leaves.
    await database.query(`ALTER TABLE app.events_partitioned OWNER TO ${owner.name}`);
    expect(done(await convertPlain(database.url, { undo: true }))).toContain(
      'discard app.events_partitioned',
    );
  });

  test('nor has one that speaks of a copy, and what comes with it', async () => {
    const { database, owner, attacker } = await scene();
    await using _ = database;
    stepsOf(await convertPlain(database.url, { undo: true }));
    const [table] = await database.query<{ oid: number }>("SELECT 'app.events'::regclass::oid::int AS oid");
    const forged = conversionText({
      tableOid: table?.oid ?? 0,
      strategy: 'copy',
      boundary: null,
      identity: ['id', 'at'],
      fingerprint: '',
      startedAt: '2026-01-01T00:00:00Z',
      by: owner.name,
      runId: 'forged',
    });
    await database.query(`
      SET ROLE ${attacker.name};
      CREATE TABLE app.events_replaced (id int, at timestamptz NOT NULL);
      COMMENT ON TABLE app.events_replaced IS ${quoteLiteral(forged)};
      CREATE TABLE app.events_changes (partition_keeper_change bigint, id int, at timestamptz);
      COMMENT ON TABLE app.events_changes IS '{"partition-keeper-copy": {"leaf": 1, "block": 1, "size": 1, "rows": 1, "copied": true, "settled": true}}';
      CREATE FUNCTION app.events_mirror() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DROP SCHEMA canary CASCADE; RETURN NULL; END';
      RESET ROLE`);
    const before = await catalogState(database);
    await expect(convertPlain(database.url, { finish: true })).rejects.toMatchObject({
      code: 'nothing-to-finish',
    });
    expect(stepsOf(await convertPlain(database.url, { undo: true }))).toEqual([]);
    const refused = tableOf(await convertPlain(database.url, { strategy: 'copy' }));
    expect(refused).toMatchObject({ status: 'refused', error: { code: 'not-convertible' } });
    for (const name of ['app.events_replaced', 'app.events_changes'])
      expect(refused.findings.map(({ message }) => message).join()).toContain(`The name ${name},`);
    expect(await catalogState(database)).toEqual(before);

    // A function that is somebody else's is not made one's own, nor called, even where a superuser might do so.
    await database.query('DROP TABLE app.events_replaced, app.events_changes');
    for (const role of [owner.name, 'CURRENT_USER']) {
      await database.query(`ALTER TABLE app.events OWNER TO ${role}; ALTER VIEW app.newest OWNER TO ${role}`);
      const failed = tableOf(await convertPlain(database.url, { strategy: 'copy' }));
      expect(failed).toMatchObject({ status: 'failed', error: { code: '42723' } });
      expect(failed.error?.message).toContain('events_mirror');
    }
    await expectCanary(database);
  });

  test('has none either once it was planned to switch to the table', async () => {
    const { database, attacker } = await scene();
    await using __ = database;
    const planned = await keeper(database, { premake: 2 }).convert({ dryRun: true });
    const step = tableOf(planned).steps.find(({ kind }) => kind === 'switch');
    await database.query(`ALTER TABLE app.events_partitioned OWNER TO ${attacker.name}`);
    const before = await catalogState(database);
    const client = await database.connect();
    await expect(async () => {
      for (const statement of step?.statements ?? []) await client.query(statement);
    }).rejects.toMatchObject({ code: 'PKCHG' });
    await client.end();
    expect(await catalogState(database)).toEqual(before);
  });
});
