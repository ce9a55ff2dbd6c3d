import { expect, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import {
  convert,
  convertUntil,
  prepared,
  preparePlainTable,
  SETTINGS,
} from '../../support/convert/attach-scenario.ts';
import { contents } from '../../support/convert/contents.ts';
import { expectNothingLost } from '../../support/convert/expectations.ts';
import { workOf } from '../../support/convert/work.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { runIsOver } from '../../support/faults/expectations.ts';
import { type Fault, startFaultyServer } from '../../support/faults/proxy.ts';
import { configFile, describeSchema, stepsOf } from '../../support/keeper.ts';
import { shareOf } from '../../support/share.ts';

/** A lock that is not to be had, a deadlock, a cancelled statement, a full disk, and what nobody has foreseen. */
const ERRORS = ['55P03', '40P01', '57014', '53100', 'XX000'];

/** With FAULTS=all everything at every statement; else enough to meet every kind of fault and every statement. */
const THOROUGH = process.env['FAULTS'] === 'all';

/** Where what has been done begins to count: these meet every fault at any rate. */
const DECISIVE = /^COMMIT$| ATTACH PARTITION /;

const faultsAt = (at: number, statement = ''): readonly Fault[] => {
  const all: readonly Fault[] = [
    { at, kind: 'cut before' },
    { at, kind: 'cut during' },
    { at, kind: 'cut after' },
    { at, kind: 'fail', sqlstate: ERRORS[at % ERRORS.length] ?? '' },
  ];
  return THOROUGH || DECISIVE.test(statement) ? all : all.slice(at % all.length, (at % all.length) + 1);
};

/** Where a process is killed: in the middle of a step, and when it is about to end. */
const killedAt = (step: readonly number[]): number[] =>
  THOROUGH ? [...step] : step.filter((_, index) => index === step.length >> 1 || index === step.length - 1);

/** Something to break, and to do once more: it leads to where it leads undisturbed. */
interface Scene {
  readonly prepare: () => Promise<unknown>;
  readonly run: (url: string) => Promise<unknown>;
}

/** What an undisturbed run leaves behind, and what it sends for that. */
async function undisturbed(database: TestDatabase, { prepare, run }: Scene) {
  await prepare();
  await using server = await startFaultyServer(database.url);
  await run(server.url);
  await runIsOver(database);
  return { goal: await describeSchema(database), statements: server.statements };
}

/** Disturbs a run, lets another one follow, and expects that nobody can tell the difference. */
async function expectRecovery(
  database: TestDatabase,
  { prepare, run }: Scene,
  goal: readonly unknown[],
  fault: Fault,
  { disturb, told }: { readonly disturb: (url: string) => Promise<unknown>; readonly told: string },
): Promise<void> {
  await prepare();
  const before = await contents(database, 'app.events');
  {
    await using server = await startFaultyServer(database.url, fault);
    await disturb(server.url);
    expect(server.statements.length, told).toBeGreaterThan(fault.at);
  }
  await expectNothingLost(database, before, told);
  await run(database.url);
  await expectNothingLost(database, before, told);
  expect(await describeSchema(database), told).toEqual(goal);
}

/** Breaks the run at all its statements, one after the other. */
async function breakEverywhere(database: TestDatabase, scene: Scene): Promise<void> {
  const { goal, statements } = await undisturbed(database, scene);
  const faults = workOf(statements)
    .flat()
    .flatMap((at) => faultsAt(at, statements[at]));
  for (const fault of shareOf(faults)) {
    await expectRecovery(database, scene, goal, fault, {
      disturb: (url) => scene.run(url).catch(() => undefined),
      told: `${JSON.stringify(fault)} at ${statements[fault.at]}`,
    });
  }
}

const conversion = (database: TestDatabase): Scene => ({
  prepare: () => preparePlainTable(database),
  run: async (url) => stepsOf(await convert(url)),
});

test('the conversion has steps of all kinds, and all their statements are found', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  await using server = await startFaultyServer(database.url);
  const steps = stepsOf(await convert(server.url));
  expect(new Set(steps.map(({ kind }) => kind))).toEqual(
    new Set(['prepare', 'create', 'index', 'constrain', 'switch', 'analyze']),
  );
  expect(workOf(server.statements).map((places) => places.map((at) => server.statements[at]))).toEqual(
    steps.map(({ statements }) => statements),
  );
});

test('a conversion may break at any statement: the next run goes on, to the same end', async () => {
  await using database = await createTestDatabase();
  await breakEverywhere(database, conversion(database));
}, 900_000);

test('a conversion may be killed at any step: the next run goes on, to the same end', async () => {
  await using database = await createTestDatabase();
  const scene = conversion(database);
  const { goal, statements } = await undisturbed(database, scene);
  for (const at of shareOf(workOf(statements).flatMap(killedAt))) {
    const killed = new AbortController();
    await expectRecovery(
      database,
      scene,
      goal,
      { at, kind: 'call', call: () => killed.abort() },
      {
        disturb: async (url) => {
          const options = { config: configFile(SETTINGS), url, signal: killed.signal };
          const { code } = await runCli(['convert', 'app.events'], { ...options, endBy: 'SIGKILL' });
          expect(code).toBeNull();
        },
        told: `being killed at ${statements[at]}`,
      },
    );
  }
}, 900_000);

test('what was prepared may be taken back with any break in between: the table is as it was', async () => {
  await using database = await createTestDatabase();
  await preparePlainTable(database);
  const original = await describeSchema(database);
  const scene: Scene = {
    prepare: async () => {
      await preparePlainTable(database);
      await convertUntil(database.url, prepared);
    },
    run: async (url) => stepsOf(await convert(url, { undo: true })),
  };
  expect((await undisturbed(database, scene)).goal).toEqual(original);
  await breakEverywhere(database, scene);
}, 900_000);
