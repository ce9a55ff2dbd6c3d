import { expect, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import {
  convertUntil,
  prepared,
  preparePlainTable,
  SETTINGS,
} from '../../support/convert/attach-scenario.ts';
import { copyUntil, YEARS } from '../../support/convert/copy-scenario.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { catalogState, configFile, describeSchema, keeper, type Settings } from '../../support/keeper.ts';

const cli = (database: TestDatabase, ...args: string[]) =>
  runCli(['convert', ...args], { config: configFile(SETTINGS), url: database.url });

/** The beginnings of lines of two columns, as people see steps. */
const lines = (text: string, ...beginnings: string[]): string[] =>
  text
    .split('\n')
    .map((line) => line.trim().replaceAll(/ {2,}/g, '  '))
    .filter((line) => beginnings.some((beginning) => line.startsWith(beginning)));

test('a plan shows every step and does nothing', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  const before = await catalogState(database);
  const { code, stdout } = await cli(database, 'app.events', '--plan');
  expect(code).toBe(0);
  const steps = lines(stdout, 'prepare', 'index', 'constrain', 'switch');
  expect(steps[0]).toBe(
    'prepare  app.events_partitioned  the partitioned table to be, made after app.events',
  );
  expect(steps.at(-1)).toMatch(
    /^switch {2}app\.events_legacy {2}MINVALUE \.\. \S+ {2}becomes the first partition/,
  );
  expect(steps.map((step) => step.split(' ')[0])).toEqual([
    'prepare',
    'index',
    'constrain',
    'constrain',
    'constrain',
    'constrain',
    'constrain',
    'switch',
  ]);
  expect(stdout).toContain('locks and hazards: a SHARE ROW EXCLUSIVE lock on app.accounts for a moment');
  expect(stdout).toContain('The primary key events_pkey becomes (id, at)');
  expect(await catalogState(database)).toEqual(before);
});

test('a plan as a script does what the command does', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  expect((await cli(database, 'app.events')).code).toBe(0);
  const goal = await describeSchema(database);

  await preparePlainTable(database);
  await convertUntil(database.url, prepared);
  const { code, stdout } = await cli(database, 'app.events', '--plan', '--format', 'sql');
  expect(code).toBe(0);
  const script = await database.connect();
  await script.query(stdout.replace('\\set ON_ERROR_STOP on', ''));
  await script.end();
  // The statistics come after the switch, in a plan of their own.
  expect(await describeSchema(database)).toEqual(goal);
});

test('the status tells how far it is, and does nothing', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  const status = async () => {
    const before = await catalogState(database);
    const { code, json } = await cli(database, 'app.events', '--status', '--format', 'json');
    expect(await catalogState(database)).toEqual(before);
    return [code, json()];
  };
  const report = (severity: string, facts: object) => [
    0,
    {
      job: 'convert',
      dryRun: true,
      tables: [
        {
          status: 'ok',
          steps: [],
          findings: expect.arrayContaining([
            expect.objectContaining({
              finding: 'conversion',
              severity,
              facts: expect.objectContaining(facts),
            }),
          ]),
        },
      ],
    },
  ];
  expect(await status()).toMatchObject(report('info', { phase: 'not begun', rows: null }));
  await convertUntil(database.url, ({ step }) => step.kind === 'prepare');
  expect(await status()).toMatchObject(report('info', { phase: 'prepared' }));
  await convertUntil(database.url, prepared);
  expect(await status()).toMatchObject(report('warning', { phase: 'bounded', stepsLeft: 1, rows: 200 }));
  const { stdout } = await cli(database, 'app.events', '--status');
  expect(stdout).toMatch(/\nok: nothing done; /);
  expect(stdout).toMatch(/1 step is left.* app\.events takes no rows from \S+ on: do either before then/);
});

test('every other command tells of a conversion that is not at its end, and of what it does meanwhile', async () => {
  await using database = await createTestDatabase();
  const error = async (settings: Settings) => {
    const [table] = (await keeper({ url: database.url }, settings).health()).tables;
    expect(table).toMatchObject({ status: 'failed', error: { code: 'not-partitioned' } });
    return `${table?.error?.message} ${table?.error?.hint}`;
  };
  await preparePlainTable(database);
  expect(await error(SETTINGS)).not.toContain('is not at its end');
  await convertUntil(database.url, prepared);
  expect(await error(SETTINGS)).toMatch(/takes no rows from a certain time on\. .* app\.events --status/);

  await preparePlainTable(database);
  await copyUntil(database.url, 'capture');
  const told = await error(YEARS);
  expect(told).toContain('its conversion is not at its end');
  expect(told).not.toContain('takes no rows');
});

test('what was done is told, and what it changes; it cannot be undone after the switch', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await convertUntil(database.url, prepared);
  const { code, stdout } = await cli(database, 'app.events');
  expect(code).toBe(0);
  expect(lines(stdout, 'switch', 'analyze').map((step) => step.split(/ {2,}/).at(-1))).toEqual([
    expect.stringMatching(/^done in /),
    expect.stringMatching(/^done in /),
  ]);
  expect(stdout).toContain('app.events is a partitioned table.');
  expect(stdout).toContain('The primary key events_pkey becomes (id, at)');
  expect(stdout).not.toContain('left');
  expect(stdout).toMatch(/\nok: 1 switched, 1 analyzed; /);

  const before = await catalogState(database);
  expect(await cli(database, 'app.events', '--undo')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is partitioned already'),
  });
  expect(await catalogState(database)).toEqual(before);
});

test.each<[string, readonly string[], string]>([
  ['--table', ['app.events', '--table', 'app.events'], 'convert takes one table, as its argument.'],
  ['a table that is not in the config', ['app.nothing'], 'Known are app.events.'],
  ['no table', [], "missing required argument 'table'"],
  ['a script of what is to be done at once', ['app.events', '--format', 'sql'], 'Add --plan.'],
  [
    'undoing and finishing at once',
    ['app.events', '--undo', '--finish'],
    "'--finish' cannot be used with option '--undo'",
  ],
  [
    'a plan and a state at once',
    ['app.events', '--plan', '--status'],
    "'--plan' cannot be used with option '--status'",
  ],
  ['a table that is not in the database', ['app.events'], 'There is no table app.events'],
])('%s is an error of usage', async (_, args, told) => {
  await using database = await createTestDatabase();
  const { code, stdout, stderr } = await cli(database, ...args);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain(told);
});
