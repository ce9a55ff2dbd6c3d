import type { Check } from '../../contract.ts';
import { quoteLiteral } from '../../partition/identifiers.ts';
import { bytesInWords } from '../../partition/words.ts';
import type { DoctorFacts } from '../facts.ts';
import { ageText, fine, found, orFine, some, unknown } from './check.ts';

/** So long does a run wait for a lock. */
const LONG_LOCK_SECONDS = 60;
/** What waits for snapshots has more time. */
const LONG_SNAPSHOT_SECONDS = 600;

export function transactionsCheck({ transactions, seesOthers }: DoctorFacts): readonly Check[] {
  const old = transactions.filter(
    ({ ageSeconds, tables }) =>
      (ageSeconds ?? 0) >= (tables.length > 0 ? LONG_LOCK_SECONDS : LONG_SNAPSHOT_SECONDS),
  );
  const hidden = transactions.filter(({ ageSeconds, tables }) => ageSeconds === null && tables.length > 0);
  const checks = old.map((one) => {
    const { pid, application, user, state, ageSeconds, query, tables } = one;
    const who = `pid ${pid} (${[application, user === null ? null : `role ${user}`, state].filter((part) => part !== null).join(', ')})`;
    const what = query === null ? '' : ` Its last statement: ${query.replace(/\s+/g, ' ').slice(0, 100)}`;
    return found(
      'old-transactions',
      'warning',
      tables.length > 0
        ? `${who} has been in a transaction for ${ageText(ageSeconds ?? 0)} and holds locks on ${some(tables)}: what needs them there waits, and gives up after --max-wait.${what}`
        : `${who} has been in a transaction for ${ageText(ageSeconds ?? 0)}: a concurrent detach, a rebuild of indexes and a conversion wait for its end, and VACUUM removes nothing younger.${what}`,
      `Wait for it to end, or have an administrator end it: SELECT pg_terminate_backend(${pid});`,
      { pid, ageSeconds, tables },
    );
  });
  return orFine(
    [
      ...checks,
      ...(hidden.length === 0
        ? []
        : [
            unknown(
              'old-transactions',
              `${hidden.length === 1 ? 'A session' : `${hidden.length} sessions`} of other roles (pid ${some(hidden.map(({ pid }) => String(pid)))}) ${hidden.length === 1 ? 'holds' : 'hold'} locks on the tables; since when is not shown to this role.`,
              seesOthers ? null : 'See visibility.',
            ),
          ]),
    ],
    fine('old-transactions', 'no long transaction is in the way'),
  );
}

/** One that is still there by then has been forgotten. */
const FORGOTTEN_SECONDS = 300;

export function preparedCheck({ prepared, settings }: DoctorFacts): readonly Check[] {
  const old = prepared.filter(
    ({ ageSeconds, tables }) => tables.length > 0 || ageSeconds >= FORGOTTEN_SECONDS,
  );
  return orFine(
    old.map(({ gid, owner, ageSeconds, tables }) =>
      found(
        'prepared-transactions',
        'warning',
        `The prepared transaction ${gid} of ${owner} has been waiting for its end for ${ageText(ageSeconds)}${tables.length === 0 ? '' : ` and holds locks on ${some(tables)}`}: nobody's disconnecting ends it.`,
        `COMMIT PREPARED ${quoteLiteral(gid)}; or ROLLBACK PREPARED ${quoteLiteral(gid)}; whichever its transaction manager decided.`,
        { gid, owner, ageSeconds, tables },
      ),
    ),
    fine(
      'prepared-transactions',
      settings['max_prepared_transactions'] === '0' ? 'turned off' : 'none that is in the way',
    ),
  );
}

export function slotsCheck({ slots }: DoctorFacts): readonly Check[] {
  const idle = slots.filter(({ active }) => !active);
  return orFine(
    idle.map(({ name, holdsRows, keptBytes }) =>
      found(
        'replication-slots',
        'warning',
        `Nobody reads the replication slot ${name}: the server keeps ${keptBytes === null ? 'its log' : `${bytesInWords(keptBytes)} of its log`} for it${holdsRows ? ', and VACUUM keeps dead rows' : ''}.`,
        `If it is no longer needed: SELECT pg_drop_replication_slot(${quoteLiteral(name)});`,
        { slot: name, holdsRows, keptBytes },
      ),
    ),
    fine('replication-slots', slots.length === 0 ? 'none' : `${slots.length} in use`),
  );
}

/** A query that takes so much of the lock table leaves others without. */
const MUCH = 0.5;

export function lockTableCheck({ settings, tables }: DoctorFacts): readonly Check[] {
  const perTransaction = Number(settings['max_locks_per_transaction']);
  const sessions = Number(settings['max_connections']) + Number(settings['max_prepared_transactions']);
  const room = perTransaction * sessions;
  const needs = tables.map(({ entry, leaves, leafIndexes }) => ({
    table: `${entry.config.schema}.${entry.config.table}`,
    // The parent with its indexes, and every partition with all of its own, as planning looks at each.
    locks: 1 + leaves + leafIndexes + (leaves === 0 ? 0 : Math.ceil(leafIndexes / leaves)),
  }));
  const enough = (locks: number): number => Math.ceil(locks / MUCH / sessions / 64) * 64;
  return orFine(
    needs
      .filter(({ locks }) => locks > room * MUCH)
      .map(({ table, locks }) =>
        found(
          'lock-table',
          'warning',
          `A query on ${table} that cannot leave partitions out takes ${locks} locks, and the server has room for about ${room}: with a few of them at once, any session may fail with "out of shared memory".`,
          `ALTER SYSTEM SET max_locks_per_transaction = ${enough(locks)}; and restart; or have fewer partitions, and the partition key in every condition.`,
          { locks, room },
          table,
        ),
      ),
    fine(
      'lock-table',
      `room for about ${room} locks; a query on all partitions of one table takes ${Math.max(0, ...needs.map(({ locks }) => locks))} at most`,
      { room },
    ),
  );
}
