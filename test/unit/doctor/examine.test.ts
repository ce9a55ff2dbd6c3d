import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Check, CheckName } from '../../../lib/contract.ts';
import { examine } from '../../../lib/doctor/examine.ts';
import type {
  CronJob,
  DoctorFacts,
  Installation,
  OldTransaction,
  TableFacts,
} from '../../../lib/doctor/facts.ts';
import { localMinutes, samplesOf } from '../../../lib/doctor/time-zones.ts';
import { bugsOf, endOfLife } from '../../../lib/doctor/versions.ts';
import type { PartitionedTable } from '../../../lib/partition/model.ts';
import type { TableConfig } from '../../../lib/partition/table-config.ts';
import { type ScriptTable, scriptTable } from '../../../lib/sql/tables.ts';
import { instant } from '../support/points.ts';
import { configOf, defaultPartition, gridPartitions, tableOf } from '../support/tables.ts';

const NOW = instant('2026-11-22T12:00Z');

const partitions = gridPartitions(configOf(), '2026-07-01', '2027-03-01').map((partition, index) => ({
  ...partition,
  bytes: index * 1_000_000,
}));

const table = (fields: Partial<PartitionedTable> = {}, facts: Partial<TableFacts> = {}): TableFacts => ({
  entry: { config: configOf(), table: { ...tableOf({ partitions }), ...fields } },
  leaves: partitions.length,
  leafIndexes: 2 * partitions.length,
  rows: 10,
  analyzed: true,
  withoutAutovacuum: [],
  refersToItself: false,
  ...facts,
});

const HEALTHY: DoctorFacts = {
  server: {
    database: 'app',
    version: '17.12',
    versionNumber: 170_012,
    role: 'keeper',
    clock: NOW,
    readOnly: false,
    inRecovery: false,
    deadlockTimeoutMs: 1000,
  },
  localClock: NOW,
  settings: {
    max_connections: '100',
    max_locks_per_transaction: '64',
    max_prepared_transactions: '0',
    enable_partition_pruning: 'on',
    autovacuum: 'on',
    track_counts: 'on',
    track_activities: 'on',
    default_transaction_read_only: 'off',
  },
  session: { pooled: false, tls: 'TLSv1.3, TLS_AES_256_GCM_SHA384', local: false, verified: true },
  seesOthers: true,
  transactions: [],
  prepared: [],
  slots: [],
  zones: [],
  partman: null,
  cron: null,
  hypertables: null,
  installations: [],
  eventTriggers: [],
  configured: [configOf()],
  asked: [configOf()],
  tables: [table()],
  unmanageable: [],
};

const checksOf = (facts: Partial<DoctorFacts>, name: CheckName): Check[] =>
  examine({ ...HEALTHY, ...facts }).filter(({ check }) => check === name);

/** Status, and what is told and advised. */
const told = (facts: Partial<DoctorFacts>, name: CheckName): string =>
  checksOf(facts, name)
    .map(({ status, message, remedy }) => `${status}: ${message} ${remedy ?? ''}`)
    .join('\n');

const server = (fields: Partial<DoctorFacts['server']>): Partial<DoctorFacts> => ({
  server: { ...HEALTHY.server, ...fields },
});

const job = (fields: Partial<CronJob>): CronJob => ({
  id: '7',
  database: 'app',
  name: 'nightly',
  schedule: '0 2 1 * *',
  command: 'VACUUM',
  ...fields,
});

const jobs = (...rows: readonly CronJob[]): DoctorFacts['cron'] => ({ rows, partial: false });

const installation = (fields: Partial<Installation> = {}): Installation => ({
  schema: 'partition_keeper',
  owner: 'keeper',
  tables: [scriptTable(configOf())],
  ...fields,
});

const session = (fields: Partial<OldTransaction>): OldTransaction => ({
  pid: 7,
  application: 'report',
  user: 'ann',
  state: 'active',
  ageSeconds: 3600,
  query: 'SELECT 1',
  tables: [],
  snapshot: true,
  ...fields,
});

test('where all is well, every check says what was looked at', () => {
  const checks = examine(HEALTHY);
  expect(checks.filter(({ status }) => status !== 'ok')).toEqual([]);
  expect(checks.length).toBeGreaterThan(15);
  expect(checks.every(({ message }) => message !== '')).toBe(true);
});

test('without tables, only what surrounds them is told', () => {
  const names = examine({ ...HEALTHY, tables: [] }).map(({ check }) => check);
  expect(names).toContain('version');
  expect(names).not.toContain('growth');
  expect(names).not.toContain('lock-table');
});

describe('the version', () => {
  test('has an end of support', () => {
    expect(endOfLife(180_004)).toBe('2030-11-14');
    expect(endOfLife(190_000)).toBeNull();
    expect(told(server({ version: '14.25', versionNumber: 140_025 }), 'version')).toMatch(
      /^warning: PostgreSQL 14\.25 has been without support since 2026-11-12/,
    );
    expect(
      told(
        { ...server({ version: '14.25', versionNumber: 140_025 }), localClock: instant('2026-11-11T12:00Z') },
        'version',
      ),
    ).toMatch(/^ok: PostgreSQL 14\.25, supported until 2026-11-12/);
    expect(told(server({ version: '19.0', versionNumber: 190_000 }), 'version')).toMatch(/^ok: .*newer/);
  });

  test.each([
    [140_003, '14.4', 'critical'],
    [140_004, '14.14', 'warning'],
    [150_008, '15.9', 'warning'],
    [160_004, '16.5', 'warning'],
    [170_000, '17.1', 'warning'],
  ] as const)('%i has bugs that concern everybody, mended in %s', (versionNumber, fixedIn, severity) => {
    const checks = checksOf(server({ versionNumber }), 'known-bugs');
    expect(checks.some(({ facts, status }) => facts['fixedIn'] === fixedIn && status === severity)).toBe(
      true,
    );
  });

  test.each([140_025, 150_020, 160_016, 170_012, 180_006, 190_000])('%i has none that is known', (number) => {
    expect(bugsOf(number)).toEqual([]);
  });

  test('has bugs that concern some tables only', () => {
    const old = server({ version: '17.10', versionNumber: 170_010 });
    expect(told(old, 'known-bugs')).toMatch(/^ok/);
    expect(told({ ...old, tables: [table({ defaultPartition: defaultPartition() })] }, 'known-bugs')).toMatch(
      /^warning: .*mended in 17\.11: .*default partition/,
    );
    const older = server({ versionNumber: 170_004 });
    expect(told({ ...older, tables: [table({}, { refersToItself: true })] }, 'known-bugs')).toContain('17.5');
  });
});

describe('the connection', () => {
  const connection = (fields: Partial<DoctorFacts['session']>) => ({
    session: { ...HEALTHY.session, ...fields },
  });
  test('in clear is a warning, unless it does not leave the machine', () => {
    expect(told(connection({ tls: null }), 'tls')).toMatch(/^warning/);
    expect(told(connection({ tls: null, local: true }), 'tls')).toMatch(/^ok/);
    expect(told(connection({ verified: false }), 'tls')).toMatch(/^info: .*sslmode=verify-full/);
  });

  test('through a pooler is told', () => {
    expect(told(connection({ pooled: true }), 'pooler')).toMatch(/^info/);
  });

  test('to a standby, or one that takes no writes, is of no use', () => {
    expect(told(server({ inRecovery: true }), 'writable')).toMatch(/^critical: .*standby/);
    expect(
      told({ settings: { ...HEALTHY.settings, default_transaction_read_only: 'on' } }, 'writable'),
    ).toContain('ALTER ROLE keeper IN DATABASE app SET default_transaction_read_only = off;');
  });
});

describe('clocks and time zones', () => {
  test('a clock that is wrong', () => {
    expect(told({ localClock: NOW.add({ seconds: 59 }) }, 'clock')).toMatch(/^ok/);
    expect(told({ localClock: NOW.add({ minutes: 5 }) }, 'clock')).toMatch(/^warning: (?!.*refused)/);
    expect(told({ localClock: NOW.subtract({ hours: 2 }) }, 'clock')).toMatch(/^warning: .*refused/);
  });

  test('other rules there than here', () => {
    const sample = { zone: 'America/Vancouver', instant: NOW, localMinutes: -480 };
    expect(told({ zones: [{ ...sample, serverMinutes: -480 }] }, 'time-zone')).toMatch(/^ok/);
    expect(told({ zones: [{ ...sample, serverMinutes: -420 }] }, 'time-zone')).toMatch(
      /^warning: .*from 2026-11-22T12:00:00Z on it is -420 minutes/,
    );
    expect(told({ zones: [{ ...sample, serverMinutes: null }] }, 'time-zone')).toMatch(
      /^info: The server does not know/,
    );
  });

  test('samples show a change of offset on any day of the five years', () => {
    const samples = samplesOf('Europe/Berlin', NOW);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: samples.length - 2 }), (index) => {
        const sorted = samples.toSorted((a, b) => Number(a.epochNanoseconds - b.epochNanoseconds));
        const [before, after] = [sorted[index], sorted[index + 1]];
        if (before === undefined || after === undefined) return;
        // Never more than a month unseen, and each change with the minute before it.
        expect(after.since(before).total('hours')).toBeLessThanOrEqual(31 * 24 + 1);
        if (localMinutes('Europe/Berlin', before) !== localMinutes('Europe/Berlin', after))
          expect(after.since(before).total('minutes')).toBe(1);
      }),
    );
  });
});

describe('who is in the way', () => {
  test.each([
    [
      'a lock of an hour',
      session({ tables: ['logs.events'] }),
      /^warning: pid 7 .*60 minutes.*logs\.events.*pg_terminate_backend\(7\)/,
    ],
    ['a lock of half a minute', session({ tables: ['logs.events'], ageSeconds: 30 }), /^ok/],
    ['a snapshot of an hour', session({}), /^warning: pid 7 .*VACUUM/],
    ['a snapshot of five minutes', session({ ageSeconds: 300 }), /^ok/],
    [
      'a lock that cannot be dated',
      session({ tables: ['logs.events'], ageSeconds: null }),
      /^unknown: A session of other roles \(pid 7\)/,
    ],
    ['a snapshot that cannot be dated', session({ ageSeconds: null }), /^ok/],
  ] as const)('%s', (_, transaction, expected) => {
    expect(told({ transactions: [transaction] }, 'old-transactions')).toMatch(expected);
  });

  test('prepared transactions that nobody ends', () => {
    const one = { gid: "it's", owner: 'app', ageSeconds: 10, tables: [] };
    expect(told({ prepared: [one] }, 'prepared-transactions')).toMatch(/^ok/);
    expect(told({ prepared: [{ ...one, ageSeconds: 600 }] }, 'prepared-transactions')).toContain(
      "ROLLBACK PREPARED 'it''s';",
    );
    expect(told({ prepared: [{ ...one, tables: ['logs.events'] }] }, 'prepared-transactions')).toMatch(
      /^warning/,
    );
  });

  test('slots that nobody reads', () => {
    const slot = { name: 'old', active: false, holdsRows: true, keptBytes: 5_000_000_000 };
    expect(told({ slots: [{ ...slot, active: true }] }, 'replication-slots')).toMatch(/^ok: 1 in use/);
    expect(told({ slots: [slot] }, 'replication-slots')).toMatch(/^warning: .*5,000 MB.*dead rows/);
  });

  test('who does not see others is told the GRANT', () => {
    expect(told({ seesOthers: false }, 'visibility')).toMatch(
      /^info: .*GRANT pg_read_all_stats TO "keeper";/,
    );
  });
});

describe('who else manages the tables', () => {
  test.each([
    ["SELECT create_future_partitions('events')", true],
    ['CALL partman.run_maintenance_proc()', true],
    ['DROP TABLE logs.events_2020_01', true],
    ['DROP TABLE logs.events_old', false],
    ['ALTER TABLE logs.events DETACH PARTITION logs.events_2020_01', true],
    ['DROP TABLE logs.events_archive; ALTER TABLE logs.events DETACH PARTITION logs.events_2020_01', true],
    ['DROP TABLE logs.events_archive; DROP TABLE logs.my_events', false],
    ['CALL elsewhere.cleanup_partitions();', true],
    ['create table if not exists x partition of "logs"."events" default', true],
    ['DELETE FROM logs.events WHERE created_at < now()', false],
    ['TRUNCATE other.events', false],
    ['TRUNCATE my_events', false],
    ['VACUUM', false],
  ])('pg_cron: %s', (command, is) => {
    expect(told({ cron: jobs(job({ command })) }, 'other-managers')).toMatch(
      is ? /^warning: The job nightly of pg_cron.*SELECT cron\.unschedule\(7\);$/ : /^ok/,
    );
  });

  test.each([
    ['create-monthly-partitions', true],
    ['cleanup-old-partitions', true],
    ['partition-health-check', true],
    ['cleanup-old-partitions.other', true],
    ['cleanup-old-partitions@app', true],
    ['cleanup-old-partitions-of-mine', false],
    [null, false],
  ])('pg_cron: a job by the name of %s, whatever it runs', (name, is) => {
    expect(told({ cron: jobs(job({ name, command: 'CALL app.upkeep()' })) }, 'other-managers')).toMatch(
      is ? /^warning: The job .*CALL app\.upkeep\(\)/ : /^ok/,
    );
  });

  test('pg_cron: jobs for another database are not of this one', () => {
    const command = 'DROP TABLE logs.events_2020_01';
    expect(told({ cron: jobs(job({ command, database: 'other' })) }, 'other-managers')).toMatch(/^ok/);
    expect(told({ cron: jobs(job({ command, database: null })) }, 'other-managers')).toMatch(/^warning/);
  });

  test('pg_cron: jobs that are hidden are unknown, beside those that are seen', () => {
    expect(told({ cron: { rows: [], partial: true } }, 'other-managers')).toMatch(
      /^unknown: pg_cron .*row security shows role keeper only part.*BYPASSRLS\.$/,
    );
    const command = 'DROP TABLE logs.events_2020_01';
    expect(told({ cron: { rows: [job({ command })], partial: true } }, 'other-managers')).toMatch(
      /^warning: The job nightly .*\nunknown: pg_cron /,
    );
  });

  test('pg_partman and TimescaleDB', () => {
    const partman = (table: string) => ({ rows: [{ schema: 'Part man', table }], partial: false });
    expect(told({ partman: partman('logs.events') }, 'other-managers')).toMatch(
      /^warning: pg_partman .*DELETE FROM "Part man"\.part_config WHERE parent_table = 'logs\.events';$/,
    );
    expect(told({ partman: partman('logs.other') }, 'other-managers')).toMatch(/^ok/);
    expect(
      told({ hypertables: { rows: [{ table: 'logs.events' }], partial: false } }, 'other-managers'),
    ).toMatch(/^critical/);
    expect(told({ partman: { unreadable: 'no right' } }, 'other-managers')).toMatch(
      /^unknown: pg_partman .*no right/,
    );
  });

  test('event triggers on what is done to tables', () => {
    const trigger = { name: 'audit', event: 'ddl_command_end', function: 'public.audit', tags: null };
    expect(told({ eventTriggers: [trigger] }, 'event-triggers')).toMatch(/^info/);
    expect(told({ eventTriggers: [{ ...trigger, tags: ['CREATE FUNCTION'] }] }, 'event-triggers')).toMatch(
      /^ok/,
    );
    expect(told({ eventTriggers: [{ ...trigger, tags: ['DROP TABLE'] }] }, 'event-triggers')).toMatch(
      /^info/,
    );
  });
});

describe('functions of ours in the database', () => {
  const made = (fields: Partial<ScriptTable>): Partial<DoctorFacts> => ({
    installations: [installation({ tables: [{ ...scriptTable(configOf()), ...fields }] })],
  });
  /** With functions that were made from the first, and the second as the config now. */
  const changed = (then: Partial<TableConfig>, now: Partial<TableConfig>): string =>
    told(
      { ...made(scriptTable(configOf(then))), configured: [configOf(now)], asked: [configOf(now)] },
      'sql-functions',
    );

  test('are not there, or made from this config', () => {
    expect(told({}, 'sql-functions')).toMatch(/^ok: none are installed/);
    expect(told(made({}), 'sql-functions')).toMatch(/^ok: those in schema partition_keeper were made from/);
    expect(
      changed({ retention: { months: 12 }, timeZone: 'CET' }, { retention: { years: 1 }, timeZone: 'CET' }),
    ).toMatch(/^ok/);
  });

  test.each<[string, Partial<TableConfig>, Partial<TableConfig>, string]>([
    ['a shorter retention', { retention: { years: 2 } }, { retention: { years: 7 } }, 'critical'],
    ['a longer retention', { retention: { years: 7 } }, { retention: { years: 2 } }, 'warning'],
    ['a day for 25 hours', { retention: { days: 1 } }, { retention: { hours: 25 } }, 'critical'],
    ['a retention where there is none any more', { retention: { years: 2 } }, {}, 'critical'],
    ['none where there is one now', {}, { retention: { years: 2 } }, 'warning'],
    [
      'removal that is to detach now',
      { retention: { years: 2 } },
      { retention: { years: 2 }, expired: 'detach' },
      'critical',
    ],
    [
      'a shorter retention by which nothing is removed',
      { retention: { years: 2 }, grace: { days: 7 } },
      { retention: { years: 7 }, grace: { days: 7 } },
      'warning',
    ],
    ['another interval', { interval: 'day' }, {}, 'warning'],
    ['another time zone', { timeZone: 'Europe/Berlin' }, {}, 'warning'],
    ['another premake', { premake: 6 }, {}, 'warning'],
    ['another share', { maxExpiredShare: 0.9 }, {}, 'warning'],
    ['another key', { partitionKey: 'at' }, {}, 'warning'],
    ['another time to wait', { overdueAfter: { days: 1 } }, {}, 'warning'],
  ])('that have %s', (_, then, now, severity) => {
    expect(changed(then, now)).toMatch(new RegExp(`^${severity}: `));
  });

  test('that differ are told with both values and the remedy', () => {
    expect(changed({ retention: { years: 2 }, premake: 3 }, { retention: { years: 7 }, premake: 6 })).toBe(
      'critical: The functions of Partition Keeper in schema partition_keeper (owner keeper) were made from another config of logs.events: premake is 3 there, and 6 in the config; retention is 2 years there, and 7 years in the config. Their cleanup_partitions() drops what the config keeps. npx partition-keeper sql | psql -v ON_ERROR_STOP=1 -q "$DATABASE_URL"',
    );
    const elsewhere = installation({ schema: 'my jobs', tables: [scriptTable(configOf({ premake: 9 }))] });
    expect(told({ installations: [elsewhere] }, 'sql-functions')).toContain(
      "npx partition-keeper sql --schema 'my jobs' | psql",
    );
  });

  test('and tables that only they, or only the config know', () => {
    const more = scriptTable(configOf({ table: 'more', retention: { years: 1 } }));
    const both = [installation({ tables: [scriptTable(configOf()), more] })];
    expect(told({ installations: both }, 'sql-functions')).toMatch(
      /^warning: .*look after logs\.more, which is not in the config, and drop its partitions after 1 year\./,
    );
    // Of the config, though not looked at.
    const configured = [configOf(), configOf({ table: 'more', retention: { years: 1 } })];
    expect(told({ installations: both, configured }, 'sql-functions')).toMatch(/^ok/);
    expect(told({ ...made({}), configured, asked: configured }, 'sql-functions')).toMatch(
      /^warning: .* do not know logs\.more of the config\./,
    );
    const second = installation({ schema: 'second', tables: [more] });
    expect(
      told({ installations: [installation(), second], configured, asked: configured }, 'sql-functions'),
    ).toMatch(/^ok: those in schema partition_keeper, second/);
    // Of somebody else, who has a config of his own.
    expect(told({ installations: [second] }, 'sql-functions')).toMatch(/^info: .*second.*logs\.more/);
  });

  test('that somebody has written in another way', () => {
    expect(told({ installations: [installation({ tables: null })] }, 'sql-functions')).toMatch(
      /^unknown: .*SELECT \* FROM "partition_keeper"\."managed_tables"\(\);/,
    );
  });

  test('are called by jobs of pg_cron, which is as it should be', () => {
    const cron = jobs(
      job({ name: 'create-monthly-partitions', command: 'CALL partition_keeper.create_partitions();' }),
      job({ name: 'cleanup-old-partitions', command: 'call "partition_keeper" . x()' }),
      job({ name: null, command: 'SELECT * FROM Partition_Keeper.cleanup_old_partitions()' }),
    );
    const facts = { cron, installations: [installation()] };
    expect(told(facts, 'sql-functions')).toMatch(
      /\nok: jobs of pg_cron call them: create-monthly-partitions \(0 2 1 \* \*\), one without a name/,
    );
    expect(told(facts, 'other-managers')).toMatch(/^warning: The job cleanup-old-partitions[^\n]*$/);
    expect(
      told(
        {
          ...facts,
          cron: jobs(
            job({ command: 'CALL partition_keeper.create_partitions(); DROP TABLE logs.events_2020_01' }),
          ),
        },
        'other-managers',
      ),
    ).toMatch(/^warning/);
    expect(
      told(
        { ...facts, cron: jobs(job({ command: 'CALL partition_keeper.create_partitions()' })) },
        'other-managers',
      ),
    ).toMatch(/^ok: .*than those of Partition Keeper/);
  });
});

describe('tables', () => {
  test('that cannot be managed, and rights that are missing', () => {
    const error = { code: 'table-missing', message: 'There is no table.', hint: 'Create it.' };
    expect(told({ unmanageable: [{ table: 'logs.gone', error }] }, 'table')).toContain(
      'critical: There is no table.',
    );
    expect(told({ tables: [table({ mayManage: false, owner: 'boss' })] }, 'privileges')).toMatch(
      /^critical: .*GRANT "boss" TO "keeper" WITH SET TRUE;/,
    );
    expect(told({ tables: [table({ mayCreate: false })] }, 'privileges')).toMatch(
      /^critical: .*GRANT USAGE, CREATE ON SCHEMA/,
    );
  });

  test('whose queries take more locks than there is room for', () => {
    // 64 locks for each of 100 sessions.
    expect(told({ tables: [table({}, { leaves: 500, leafIndexes: 2500 })] }, 'lock-table')).toMatch(/^ok/);
    expect(told({ tables: [table({}, { leaves: 2000, leafIndexes: 10_000 })] }, 'lock-table')).toMatch(
      /^warning: .* 12006 locks, .* 6400.*max_locks_per_transaction = 256;/,
    );
  });

  test('without statistics of the whole', () => {
    expect(told({ tables: [table({}, { analyzed: false, rows: 0 })] }, 'statistics')).toMatch(/^ok/);
    expect(told({ tables: [table({}, { analyzed: false, rows: 500 })] }, 'statistics')).toMatch(/^info/);
    expect(told({ tables: [table({}, { analyzed: false, rows: 500_000 })] }, 'statistics')).toMatch(
      /^warning: .*ANALYZE "logs"."events";/,
    );
  });

  test('without autovacuum; settings that make partitions expensive', () => {
    expect(told({ tables: [table({}, { withoutAutovacuum: ['logs.a', 'logs.b'] })] }, 'autovacuum')).toMatch(
      /^warning: .*2 partitions of logs\.events \(logs\.a, logs\.b\)/,
    );
    expect(
      told(
        { settings: { ...HEALTHY.settings, enable_partition_pruning: 'off', track_activities: 'off' } },
        'settings',
      ),
    ).toMatch(/^warning: enable_partition_pruning is off[\s\S]*info: track_activities is off/);
  });

  test('and what a year adds, by the last three full partitions', () => {
    // July to October are over; the last three have 1, 2 and 3 MB.
    const [growth] = checksOf({}, 'growth');
    expect(growth).toMatchObject({
      status: 'ok',
      facts: { bytesPerPartition: 2_000_000, bytesPerYear: 24_000_000 },
    });
    expect(told({ tables: [table({ partitions: partitions.slice(4) })] }, 'growth')).toMatch(/^unknown/);
  });
});
