import { describe, expect, test } from 'vitest';
import { type CliOptions, runCli } from '../../support/cli.ts';
import { createTestDatabase } from '../../support/database.ts';
import { expectRecovery, known } from '../../support/faults/expectations.ts';
import { closeGate } from '../../support/faults/gate.ts';
import { resetHostile, setHostile, untilLate } from '../../support/faults/hostile.ts';
import {
  MOVES_ROWS,
  prepare,
  runJob,
  SCENARIOS,
  scenarioThat,
  stateOf,
} from '../../support/faults/scenarios.ts';
import { configFile, stepsOf, tableOf } from '../../support/keeper.ts';
import { runThatWaits } from '../../support/transactions.ts';

describe.each(SCENARIOS)('$name', (scenario) => {
  test('ends where it ends anyway, whatever is set for the database, and though it takes longer than allowed', async () => {
    await using database = await createTestDatabase();
    const all = await known(database, scenario);
    await prepare(database, scenario);
    const gate = await closeGate(database);
    await setHostile(database);
    const running = runJob(database.url, scenario);
    await untilLate(database, await gate.arrival());
    await gate.open();
    expect(stepsOf(await running).length).toBeGreaterThan(0);
    await resetHostile(database);
    expect(await stateOf(database)).toEqual(all.goal);
  });
});

test('a statement that keeps writers waiting too long is given up, and the next run completes it', async () => {
  await using database = await createTestDatabase();
  const all = await known(database, MOVES_ROWS);
  await prepare(database, MOVES_ROWS);
  const gate = await closeGate(database);
  const running = runJob(database.url, MOVES_ROWS);
  await gate.arrival();
  const { status, error } = tableOf(await running);
  expect([status, error?.code]).toEqual(['failed', '57014']);
  expect(error?.hint).toContain('run the command again');
  expect(await stateOf(database)).toEqual(all.before);
  await gate.open();
  await expectRecovery(database, all, 'a statement timeout');
});

describe('clocks that disagree', () => {
  /** This machine's clock is so many hours ahead of the server's. */
  const ahead = (hours: number): CliOptions => ({
    env: {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`const now = Date.now; Date.now = () => now() + ${hours * 3_600_000}`)}`,
    },
  });

  test.each([2, -2])('by %i hours: a cleanup is refused until approved, and create works', async (hours) => {
    await using database = await createTestDatabase();
    const scenario = scenarioThat('that drops');
    const all = await known(database, scenario);
    await prepare(database, scenario);
    const options = { ...ahead(hours), config: configFile(scenario.settings), url: database.url };

    const refused = await runCli(['cleanup', '--format', 'json'], options);
    expect([refused.code, refused.json()]).toMatchObject([
      4,
      { ok: false, tables: [{ status: 'refused', error: { code: 'clock-skew' } }] },
    ]);
    expect(await stateOf(database)).toEqual(all.before);

    const health = await runCli(['health', '--format', 'json'], options);
    expect(health.code).toBe(3);
    expect(tableOf(health.json() as Parameters<typeof tableOf>[0]).findings).toContainEqual(
      expect.objectContaining({ finding: 'clock-skew', severity: 'warning' }),
    );

    expect((await runCli(['cleanup', '--approve'], options)).code).toBe(0);
    expect(await stateOf(database)).toEqual(all.goal);
    expect((await runCli(['create'], options)).code).toBe(0);
  });
});

test('a password that is changed in mid-run ends nothing; the next connection says what is wrong', async () => {
  await using database = await createTestDatabase();
  const scenario = scenarioThat('create');
  await prepare(database, scenario);
  const role = await database.createRole();
  await database.query(
    `ALTER SCHEMA app OWNER TO ${role.name}; ALTER TABLE app.events OWNER TO ${role.name}; ALTER TABLE app.accounts OWNER TO ${role.name}`,
  );
  const options = { config: configFile(scenario.settings), url: role.url };
  const holder = await database.connect();
  await holder.query('BEGIN; LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE');
  const running = runCli(['create'], options);
  await runThatWaits(database);
  await database.query(`ALTER ROLE ${role.name} PASSWORD 'another-word'`);
  await holder.end();
  expect((await running).code).toBe(0);

  const refused = await runCli(['create', '--format', 'json'], options);
  expect([refused.code, refused.json()]).toMatchObject([
    1,
    { ok: false, tables: [], error: { code: '28P01' } },
  ]);
  expect(refused.stderr).toContain('passwords may have been rotated');
  expect(refused.stdout + refused.stderr).not.toContain(role.password);

  const url = new URL(role.url);
  url.password = 'another-word';
  expect((await runCli(['create'], { ...options, url: url.href })).code).toBe(0);
});
