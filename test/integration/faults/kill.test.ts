import { describe, expect, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { createTestDatabase } from '../../support/database.ts';
import { expectRecovery, known } from '../../support/faults/expectations.ts';
import { type Fault, startFaultyServer } from '../../support/faults/proxy.ts';
import { prepare, runJob, SCENARIOS } from '../../support/faults/scenarios.ts';
import { configFile } from '../../support/keeper.ts';

/** A lock that is not to be had, a deadlock, a cancelled statement, a full disk, and what nobody has foreseen. */
const ERRORS = ['55P03', '40P01', '57014', '53100', 'XX000'];

/** What goes wrong at a statement: the connection breaks, at three moments, or the server refuses; each in its turn. */
const faultsAt = (at: number): readonly Fault[] => [
  { at, kind: 'cut before' },
  { at, kind: 'cut during' },
  { at, kind: 'cut after' },
  { at, kind: 'fail', sqlstate: ERRORS[at % ERRORS.length] ?? '' },
];

describe.each(SCENARIOS)('$name', (scenario) => {
  test('may break at any statement: nothing is lost, and the next run completes it', async () => {
    await using database = await createTestDatabase();
    const all = await known(database, scenario);
    for (const fault of all.statements.flatMap((_, at) => faultsAt(at))) {
      const told = JSON.stringify(fault);
      await prepare(database, scenario);
      {
        await using server = await startFaultyServer(database.url, fault);
        // Whether it fails, has nothing left to do or tries again, is for the states to say.
        await runJob(server.url, scenario).catch(() => undefined);
        expect(server.statements.length, told).toBeGreaterThan(fault.at);
      }
      await expectRecovery(database, all, told);
    }
  }, 600_000);
});

/** The first statement that may have to wait for a lock, and so be tried again. */
const needsLock = (statement: string): boolean =>
  /^(LOCK TABLE|DROP|ALTER TABLE .* (AT|DE)TACH) /.test(statement);

describe.each(SCENARIOS)('$name', (scenario) => {
  test('may break at any statement of a second attempt as well', async () => {
    await using database = await createTestDatabase();
    const all = await known(database, scenario);
    const at = all.statements.findIndex(needsLock);
    const refusal: Fault = { at, kind: 'fail', sqlstate: '55P03' };
    await prepare(database, scenario);
    let second: number;
    {
      await using server = await startFaultyServer(database.url, refusal);
      await runJob(server.url, scenario);
      second = server.statements.findIndex(
        (statement, index) => index > at && statement === all.statements[at],
      );
      expect(second).toBeGreaterThan(at);
    }
    await expectRecovery(database, all, 'a refusal');
    for (let next = at + 1; next <= second + 2; next++) {
      const fault: Fault = { at: next, kind: next % 2 === 0 ? 'cut during' : 'cut after' };
      await prepare(database, scenario);
      {
        await using server = await startFaultyServer(database.url, refusal, fault);
        await runJob(server.url, scenario).catch(() => undefined);
        expect(server.statements.length).toBeGreaterThan(next);
      }
      await expectRecovery(database, all, `a refusal, and then ${JSON.stringify(fault)}`);
    }
  }, 600_000);
});

describe.each(SCENARIOS)('$name', (scenario) => {
  test('may be killed at any statement of its work', async () => {
    await using database = await createTestDatabase();
    const all = await known(database, scenario);
    const first = all.statements.findIndex((statement) => statement.startsWith('BEGIN'));
    for (let at = first; at < all.statements.length; at++) {
      await prepare(database, scenario);
      const killed = new AbortController();
      {
        const fault: Fault = { at, kind: 'call', call: () => killed.abort() };
        await using server = await startFaultyServer(database.url, fault);
        const config = configFile(scenario.settings);
        const { code } = await runCli([scenario.job], {
          config,
          url: server.url,
          signal: killed.signal,
          endBy: 'SIGKILL',
        });
        expect(code).toBeNull();
      }
      await expectRecovery(database, all, `being killed at ${all.statements[at]}`);
    }
  }, 600_000);
});
