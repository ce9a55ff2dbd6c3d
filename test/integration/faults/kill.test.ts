import { describe, expect, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { createTestDatabase } from '../../support/database.ts';
import { expectRecovery, type Known, known } from '../../support/faults/expectations.ts';
import { type Fault, startFaultyServer } from '../../support/faults/proxy.ts';
import {
  prepare,
  runJob,
  SCENARIOS,
  type Scenario,
  scenarioThat,
  USUAL,
} from '../../support/faults/scenarios.ts';
import { configFile } from '../../support/keeper.ts';
import { shareOf } from '../../support/share.ts';

/** A lock that is not to be had, a deadlock, a cancelled statement, a full disk, and what nobody has foreseen. */
const ERRORS = ['55P03', '40P01', '57014', '53100', 'XX000'];

/** What goes wrong at a statement: the connection breaks, at three moments, or the server refuses; each in its turn. */
const faultsAt = (at: number): readonly Fault[] => [
  { at, kind: 'cut before' },
  { at, kind: 'cut during' },
  { at, kind: 'cut after' },
  { at, kind: 'fail', sqlstate: ERRORS[at % ERRORS.length] ?? '' },
];

const all = ({ statements }: Known): number[] => [...statements.keys()];

/** The work itself: from the first transaction that writes to the last statement before the table is looked at again. */
const work = (known: Known): number[] => {
  const { statements } = known;
  const end = statements.findLastIndex((statement) => statement.startsWith('RESET ROLE'));
  return all(known).slice(statements.indexOf('BEGIN'), end + 1);
};

/**
 * Of the unusual runs only the work, as they begin and end like the others; and no cut before a statement, which leaves
 * the server as one after the statement before it does.
 */
const faultsOf = (known: Known): Fault[] =>
  USUAL.includes(known.scenario)
    ? all(known).flatMap(faultsAt)
    : work(known)
        .flatMap(faultsAt)
        .filter(({ kind }) => kind !== 'cut before');

describe.each(SCENARIOS)('$name', (scenario) => {
  test('may break at any statement: nothing is lost, and the next run completes it', async () => {
    await using database = await createTestDatabase();
    const undisturbed = await known(database, scenario);
    for (const fault of shareOf(faultsOf(undisturbed))) {
      const told = JSON.stringify(fault);
      await prepare(database, scenario);
      {
        await using server = await startFaultyServer(database.url, fault);
        // Whether it fails, has nothing left to do or tries again, is for the states to say; why, it must know itself.
        const report = await runJob(server.url, scenario).catch(() => undefined);
        const codes = report?.tables.map(({ error }) => error?.code) ?? [];
        expect(codes, told).not.toContain('internal');
        expect(server.statements.length, told).toBeGreaterThan(fault.at);
      }
      await expectRecovery(database, undisturbed, told);
    }
  }, 600_000);
});

/** What the server refuses, so that a run goes on by statements that an undisturbed one does not send. */
interface Detour {
  readonly scenario: Scenario;
  readonly refused: RegExp;
  readonly sqlstate: string;
  readonly maxWaitMs?: number;
  /** The last statement of the other way. */
  readonly end: (statements: readonly string[], refused: number) => number;
}

/** Goes the other way once as it is, and then breaks it at every statement. */
async function breakDetour({ scenario, refused, sqlstate, maxWaitMs, end }: Detour): Promise<void> {
  await using database = await createTestDatabase();
  const undisturbed = await known(database, scenario);
  const at = undisturbed.statements.findIndex((statement) => refused.test(statement));
  const refusal: Fault = { at, kind: 'fail', sqlstate };
  await prepare(database, scenario);
  let last: number;
  {
    await using server = await startFaultyServer(database.url, refusal);
    await runJob(server.url, scenario, maxWaitMs);
    last = end(server.statements, at);
    expect(last).toBeGreaterThan(at);
  }
  await expectRecovery(database, undisturbed, 'a refusal');
  const places = Array.from({ length: last - at }, (_, place) => at + 1 + place);
  for (const next of shareOf(places)) {
    const fault: Fault = { at: next, kind: next % 2 === 0 ? 'cut during' : 'cut after' };
    await prepare(database, scenario);
    {
      await using server = await startFaultyServer(database.url, refusal, fault);
      await runJob(server.url, scenario, maxWaitMs).catch(() => undefined);
      expect(server.statements.length).toBeGreaterThan(next);
    }
    await expectRecovery(database, undisturbed, `a refusal, and then ${JSON.stringify(fault)}`);
  }
}

describe.each(SCENARIOS)('$name', (scenario) => {
  test('may break at any statement of a second attempt as well', async () => {
    await breakDetour({
      scenario,
      // The first statement that may have to wait for a lock, and so be tried again.
      refused: /^(LOCK TABLE|DROP|ALTER TABLE .* (AT|DE)TACH) /,
      sqlstate: '55P03',
      end: (statements, refused) => {
        const second = statements.indexOf(statements[refused] ?? '', refused + 1);
        return statements.indexOf('COMMIT', second);
      },
    });
  }, 600_000);
});

const oneDrop: Scenario = { ...scenarioThat('that drops'), months: [-4, 0, 1] };

describe('the other way may break at any statement as well', () => {
  test.each<Omit<Detour, 'end'> & { readonly name: string }>([
    {
      name: 'a partition is detached first, because it cannot be dropped while attached',
      scenario: oneDrop,
      refused: /^LOCK TABLE /,
      sqlstate: '55P03',
      maxWaitMs: 1,
    },
    {
      name: 'a pending partition is dropped, because its detach cannot be finished',
      scenario: scenarioThat('in order to drop'),
      refused: / FINALIZE$/,
      sqlstate: '42804',
    },
    {
      name: 'rows are moved, because the default partition turns out to have some',
      scenario: scenarioThat('beside an empty default partition'),
      refused: / ATTACH PARTITION /,
      sqlstate: '23514',
    },
  ])(
    '$name',
    async (detour) => await breakDetour({ ...detour, end: (statements) => statements.lastIndexOf('COMMIT') }),
    600_000,
  );
});

/** Of the unusual ones only where something is at stake: a process takes long to start. */
const killedAt = (known: Known): number[] =>
  USUAL.includes(known.scenario)
    ? all(known).slice(known.statements.findIndex((statement) => statement.startsWith('BEGIN')))
    : work(known).filter((at) => /^(DROP|COMMIT|ALTER TABLE .* PARTITION)/.test(known.statements[at] ?? ''));

describe.each(SCENARIOS)('$name', (scenario) => {
  test('may be killed at any statement of its work', async () => {
    await using database = await createTestDatabase();
    const undisturbed = await known(database, scenario);
    for (const at of shareOf(killedAt(undisturbed))) {
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
      await expectRecovery(database, undisturbed, `being killed at ${undisturbed.statements[at]}`);
    }
  }, 600_000);
});
