import { expect } from 'vitest';
import type { TestDatabase } from '../database.ts';
import { runIsOver } from '../faults/expectations.ts';
import { type Blow, startProxy } from '../faults/proxy.ts';
import { describeSchema } from '../keeper.ts';
import { contents } from './contents.ts';
import { expectNothingLost } from './expectations.ts';
import { changeNames } from './work.ts';

/** A lock that is not to be had, a deadlock, a cancelled statement, a full disk, and what nobody has foreseen. */
const ERRORS = ['55P03', '40P01', '57014', '53100', 'XX000'];

const blow = (turn: number): Blow => {
  const all: readonly Blow[] = [
    { kind: 'cut before' },
    { kind: 'cut during' },
    { kind: 'cut after' },
    { kind: 'fail', sqlstate: ERRORS[turn % ERRORS.length] ?? '' },
  ];
  return all[turn % all.length] ?? { kind: 'cut before' };
};

/** With FAULTS=all everything at every statement; else each statement meets one thing, the next one another. */
const TURNS = process.env['FAULTS'] === 'all' ? [0, 1, 2, 3] : [0];

/** Something to break, and to do once more: it leads to where it leads undisturbed. */
export interface Scene {
  readonly prepare: () => Promise<unknown>;
  readonly run: (url: string) => Promise<unknown>;
}

/** What people would see of the schema, functions included. What a marker says, and oids in names, differ from run to run. */
async function describeEnd(database: TestDatabase): Promise<readonly unknown[]> {
  const relations = (await describeSchema(database)) as { readonly comment: string | null }[];
  const functions = await database.query(
    "SELECT p.oid::regprocedure::text AS function, p.proacl::text AS grants FROM pg_proc p WHERE p.pronamespace = 'app'::regnamespace ORDER BY 1",
  );
  const seen = [
    ...relations.map((one) =>
      one.comment?.startsWith('{"partition-keeper-') ? { ...one, comment: 'a marker' } : one,
    ),
    ...functions,
  ];
  return JSON.parse(JSON.stringify(seen).replaceAll(/partition_keeper_\d+/g, 'partition_keeper_#'));
}

/**
 * A run to its end, or to a statement that has not been struck before; tells which. It may get over an error, and meets
 * the next one then.
 */
async function runUntilStruck(
  database: TestDatabase,
  scene: Scene,
  struck: Map<string, Blow>,
  first: number,
): Promise<string | null> {
  const nameOf = changeNames();
  let told: string | null = null;
  const strike = (statement: string): Blow | undefined => {
    const name = nameOf(statement);
    if (name === null || struck.has(name)) return;
    const next = blow(first + struck.size);
    struck.set(name, next);
    told = `${JSON.stringify(next)} at ${name}`;
    return next;
  };
  await using server = await startProxy(database.url, { strike });
  await scene.run(server.url).catch((error: unknown) => {
    if (told === null) throw error;
  });
  await runIsOver(database);
  return told;
}

/** What an undisturbed run leads to, and how many of its statements change something. */
async function undisturbed(
  database: TestDatabase,
  { prepare, run }: Scene,
): Promise<{ readonly goal: readonly unknown[]; readonly changes: number }> {
  await prepare();
  const nameOf = changeNames();
  const names = new Set<string>();
  const strike = (statement: string): undefined => {
    const name = nameOf(statement);
    if (name !== null) names.add(name);
  };
  await using server = await startProxy(database.url, { strike });
  await run(server.url);
  await runIsOver(database);
  return { goal: await describeEnd(database), changes: names.size };
}

/**
 * Breaks a run at the first statement that changes something, the next at the first that has not been broken yet, and
 * so on, until one comes to its end: whatever has been broken on the way, that is where an undisturbed run leads to,
 * and in between the application works and every row is as it was.
 */
export async function breakEverywhere(database: TestDatabase, scene: Scene): Promise<void> {
  const { goal, changes } = await undisturbed(database, scene);
  for (const turn of TURNS) {
    const struck = new Map<string, Blow>();
    await scene.prepare();
    const before = await contents(database, 'app.events');
    for (;;) {
      const told = await runUntilStruck(database, scene, struck, turn);
      await expectNothingLost(database, before, told ?? 'all of it');
      if (told === null) break;
    }
    expect(struck.size).toBeGreaterThanOrEqual(changes);
    expect(await describeEnd(database)).toEqual(goal);
  }
}
