import { expect, test } from 'vitest';
import { KeeperError } from '../../../lib/errors.ts';
import { runCli } from '../../support/cli.ts';
import { preparePlainTable } from '../../support/convert/attach-scenario.ts';
import { breakEverywhere, type Scene } from '../../support/convert/breaks.ts';
import { contents, contentsDifference } from '../../support/convert/contents.ts';
import { convertByYears, YEARS } from '../../support/convert/copy-scenario.ts';
import { expectNothingLost } from '../../support/convert/expectations.ts';
import { isChange, withoutRun } from '../../support/convert/work.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { runIsOver } from '../../support/faults/expectations.ts';
import { type Blow, startProxy } from '../../support/faults/proxy.ts';
import { configFile, stepsOf, tableOf } from '../../support/keeper.ts';

type Options = Parameters<typeof convertByYears>[1];

/** A table on which conversions have been carried out, one after the other. */
const after =
  (database: TestDatabase, ...options: Options[]) =>
  async () => {
    await preparePlainTable(database);
    for (const one of options) stepsOf(await convertByYears(database.url, one));
  };

/** Runs with the options; that there is nothing left to finish is what they are to lead to. */
const running = (options: Options) => async (url: string) => {
  try {
    return stepsOf(await convertByYears(url, options));
  } catch (error) {
    if (error instanceof KeeperError && error.code === 'nothing-to-finish') return [];
    throw error;
  }
};

test.each<{ readonly what: string; readonly before: Options[]; readonly options: Options }>([
  { what: 'a copy', before: [], options: { strategy: 'copy' } },
  { what: 'its undoing', before: [{ strategy: 'copy' }], options: { undo: true } },
  { what: 'its end', before: [{ strategy: 'copy' }], options: { finish: true } },
  { what: 'a split', before: [{}], options: { strategy: 'split' } },
  {
    what: 'the undoing of a split',
    before: [{}, { strategy: 'split' }],
    options: { strategy: 'split', undo: true },
  },
  { what: 'a way back to a plain table', before: [{}], options: { strategy: 'unconvert' } },
])(
  '$what may break wherever it changes something: the same again goes on, to the same end',
  async ({ before, options }) => {
    await using database = await createTestDatabase();
    const scene: Scene = { prepare: after(database, ...before), run: running(options) };
    await breakEverywhere(database, scene);
  },
  900_000,
);

/** Kills the command in the midst of a step of each kind that it has; the last time, it comes to its end. */
async function killInEachKind(
  database: TestDatabase,
  args: readonly string[],
  options: Options,
): Promise<string[]> {
  const before = await contents(database, 'app.events');
  const killed = new Set<string>();
  for (;;) {
    const plan = tableOf(await convertByYears(database.url, { ...options, dryRun: true })).steps;
    const step = plan.find(({ kind }) => !killed.has(kind));
    const changes = step?.statements.filter(isChange).map(withoutRun) ?? [];
    const middle = changes[changes.length >> 1];
    const end = new AbortController();
    const strike = (statement: string): Blow | undefined =>
      withoutRun(statement) === middle ? { kind: 'call', call: () => end.abort() } : undefined;
    await using server = await startProxy(database.url, { strike });
    const { code, stderr } = await runCli(['convert', 'app.events', ...args], {
      config: configFile(YEARS),
      url: server.url,
      signal: end.signal,
      endBy: 'SIGKILL',
    });
    expect(code, stderr).toBe(step === undefined ? 0 : null);
    await expectNothingLost(database, before, `being killed at ${middle}`);
    if (step === undefined) return [...killed];
    killed.add(step.kind);
  }
}

test('the process may be killed in a step of any kind: the same command goes on', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  expect(await killInEachKind(database, ['--strategy', 'copy'], { strategy: 'copy' })).toEqual([
    'prepare',
    'create',
    'constrain',
    'capture',
    'copy',
    'catch-up',
    'index',
    'mirror',
    'analyze',
    'verify',
    'switch',
  ]);
  expect(await killInEachKind(database, ['--finish'], { finish: true })).toEqual([
    'verify',
    'discard',
    'drop',
  ]);
}, 300_000);

/** One block for the next batch, 16 for the one after it. */
const smallBatches = (database: TestDatabase): Promise<unknown> =>
  database.query(`
    DO $$ BEGIN
      EXECUTE (SELECT format('COMMENT ON TABLE app.events_changes IS %L', jsonb_set(obj_description('app.events_changes'::regclass)::jsonb, '{partition-keeper-copy,size}', '1')));
    END $$`);

const BLOWS: readonly Blow[] = [
  { kind: 'cut before' },
  { kind: 'cut during' },
  { kind: 'cut after' },
  { kind: 'fail', sqlstate: '57014' },
];

test('batches may break, while rows before and behind are changed: none is lost, none is doubled', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await database.query(`
    ALTER TABLE app.events SET (fillfactor = 10);
    INSERT INTO app.events (at, account) SELECT now() - n * interval '1 hour', 1 FROM generate_series(1, 4000) AS n`);
  await convertByYears(database.url, { strategy: 'copy', until: 'prepare' });
  /** In a block that has been copied, in one that has not, and moved by the change to the end of the table. */
  const changeRows = (round: number) =>
    database.query(`
      UPDATE app.events SET note = 'changed ${round}' WHERE id % 100 = ${round};
      UPDATE app.events SET at = at - interval '1 year' WHERE id % 100 = ${10 + round};
      DELETE FROM app.events WHERE id % 100 = ${20 + round};
      INSERT INTO app.events (at, account, note) SELECT now(), 1, 'new' FROM generate_series(1, 20)`);
  const strokes = BLOWS.flatMap((blow) => [
    { blow, at: 'batch' },
    { blow, at: 'COMMIT' },
  ]);
  for (const [round, { blow, at }] of strokes.entries()) {
    await smallBatches(database);
    let met = 0;
    const strike = (statement: string): Blow | undefined => {
      const batch = statement.includes('GET DIAGNOSTICS copied');
      if (batch) met++;
      // The first batch passes, the second is struck, or the COMMIT that follows it.
      return met === 2 && (at === 'batch' ? batch : statement === 'COMMIT') ? blow : undefined;
    };
    await using server = await startProxy(database.url, { strike });
    expect(tableOf(await convertByYears(server.url, { strategy: 'copy' })).status).toBe('failed');
    expect(met, JSON.stringify({ blow, at })).toBe(2);
    await runIsOver(database);
    await changeRows(round);
  }
  const before = await contents(database, 'app.events', { rows: true });
  const report = await convertByYears(database.url, { strategy: 'copy' });
  expect(stepsOf(report).map(({ kind }) => kind)).toContain('copy');
  // Nothing had to be put right after the comparison.
  expect(tableOf(report).findings).not.toContainEqual(
    expect.objectContaining({ finding: 'conversion', severity: 'warning' }),
  );
  expect(contentsDifference(before, await contents(database, 'app.events', { rows: true }))).toEqual([]);
});
