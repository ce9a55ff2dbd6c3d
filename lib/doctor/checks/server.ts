import type { Check } from '../../contract.ts';
import { displayIdentifier } from '../../partition/identifiers.ts';
import { apartByAnHour } from '../../partition/plan-cleanup.ts';
import type { DoctorFacts, TableFacts } from '../facts.ts';
import { bugsOf, type Concern, endOfLife } from '../versions.ts';
import { fine, found, orFine, some } from './check.ts';

export function versionCheck({ server, localClock }: DoctorFacts): readonly Check[] {
  const end = endOfLife(server.versionNumber);
  const today = localClock.toString().slice(0, 10);
  const facts = { version: server.version, endOfLife: end };
  if (end !== null && end <= today) {
    return [
      found(
        'version',
        'warning',
        `PostgreSQL ${server.version} has been without support since ${end}: its bugs are not mended any more.`,
        'Upgrade to a newer major version; some clouds sell longer support.',
        facts,
      ),
    ];
  }
  return [
    fine(
      'version',
      `PostgreSQL ${server.version}${end === null ? ', newer than this program knows' : `, supported until ${end}`}`,
      facts,
    ),
  ];
}

const CONCERNS: Readonly<Record<Concern, (table: TableFacts) => boolean>> = {
  any: () => true,
  'default partition': ({ entry }) => entry.table.defaultPartition !== null,
  'foreign key': ({ entry }) => entry.table.foreignKeys.length > 0,
  'foreign key to itself': ({ refersToItself }) => refersToItself,
};

/** Those that concern no table of the config are not worth a night's update. */
export function bugsCheck({ server, tables }: DoctorFacts): readonly Check[] {
  const bugs = bugsOf(server.versionNumber).filter(
    ({ concerns }) => concerns === 'any' || tables.some(CONCERNS[concerns]),
  );
  return orFine(
    bugs.map(({ severity, what, updateTo, afterwards, concerns }) =>
      found(
        'known-bugs',
        severity,
        `PostgreSQL ${server.version} has a bug that is mended in ${updateTo}: ${what}.`,
        `Update to ${updateTo} or newer${afterwards === null ? '' : `; ${afterwards}`}.`,
        { fixedIn: updateTo, concerns },
      ),
    ),
    fine('known-bugs', `none known of ${server.version} that matters to these tables`),
  );
}

export function writableCheck({ server, settings }: DoctorFacts): readonly Check[] {
  if (server.inRecovery) {
    return [
      found(
        'writable',
        'critical',
        'The server is a standby (in recovery): nothing can be created or removed there.',
        'Connect to the primary (on RDS: the writer endpoint).',
      ),
    ];
  }
  if (settings['default_transaction_read_only'] === 'on') {
    const role = displayIdentifier(server.role);
    const database = displayIdentifier(server.database);
    return [
      found(
        'writable',
        'critical',
        `Transactions of role ${server.role} in database ${server.database} are read-only (default_transaction_read_only).`,
        `ALTER ROLE ${role} IN DATABASE ${database} SET default_transaction_read_only = off;`,
      ),
    ];
  }
  return [fine('writable', 'a primary that takes writes')];
}

/** More is noticed by an application that compares the two. */
const CLOCK_SECONDS = 60;

export function clockCheck({ server, localClock }: DoctorFacts): readonly Check[] {
  const seconds = Math.round((server.clock.epochMilliseconds - localClock.epochMilliseconds) / 1000);
  const facts = { server: server.clock.toString(), local: localClock.toString(), seconds };
  if (Math.abs(seconds) <= CLOCK_SECONDS)
    return [fine('clock', 'server and this machine agree within a minute', facts)];
  return [
    found(
      'clock',
      'warning',
      `The server's clock says ${facts.server}, this machine's ${facts.local}${apartByAnHour(server.clock, localClock) ? ': a cleanup would be refused' : ''}.`,
      'Correct the clock that is wrong, by time synchronisation.',
      facts,
    ),
  ];
}

/** By which, or because of the lack of which, partitions cost more than they should. */
const SETTINGS: readonly {
  readonly name: string;
  readonly bad: string;
  readonly severity: 'warning' | 'info';
  readonly why: string;
}[] = [
  {
    name: 'enable_partition_pruning',
    bad: 'off',
    severity: 'warning',
    why: 'every query reads all partitions, whatever its condition says',
  },
  {
    name: 'track_counts',
    bad: 'off',
    severity: 'warning',
    why: 'autovacuum does not run, and partitions are never analyzed',
  },
  {
    name: 'autovacuum',
    bad: 'off',
    severity: 'warning',
    why: 'partitions are neither vacuumed nor analyzed by themselves',
  },
  {
    name: 'track_activities',
    bad: 'off',
    severity: 'info',
    why: 'reports cannot tell what the sessions in the way are doing',
  },
];

export function settingsCheck({ settings }: DoctorFacts): readonly Check[] {
  return orFine(
    SETTINGS.filter(({ name, bad }) => settings[name] === bad).map(({ name, bad, severity, why }) =>
      found(
        'settings',
        severity,
        `${name} is ${bad}: ${why}.`,
        `ALTER SYSTEM SET ${name} = on; SELECT pg_reload_conf(); or where it was set for this role or database.`,
        {
          setting: name,
          value: bad,
        },
      ),
    ),
    fine('settings', `${SETTINGS.map(({ name }) => name).join(', ')} are on`),
  );
}

/** What may act when partitions are made and removed. */
const TAGS = ['CREATE TABLE', 'ALTER TABLE', 'DROP TABLE', 'CREATE INDEX', 'COMMENT'];

export function eventTriggersCheck({ eventTriggers }: DoctorFacts): readonly Check[] {
  const acting = eventTriggers.filter(({ tags }) => tags === null || tags.some((tag) => TAGS.includes(tag)));
  return orFine(
    acting.map(({ name, event, function: called }) =>
      found(
        'event-triggers',
        'info',
        `The event trigger ${name} calls ${called} on ${event}: what it refuses or does there happens to new and removed partitions, too.`,
        `If it gets in the way: ALTER EVENT TRIGGER ${displayIdentifier(name)} DISABLE;`,
        { trigger: name, event, function: called },
      ),
    ),
    fine(
      'event-triggers',
      eventTriggers.length === 0
        ? 'none'
        : `none that acts on tables, of ${some(eventTriggers.map(({ name }) => name))}`,
    ),
  );
}
