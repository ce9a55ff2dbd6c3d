import type { Check } from '../../contract.ts';
import { ownershipProblem } from '../../jobs/plan-table.ts';
import type { Interval } from '../../partition/calendar.ts';
import { environmentFindings } from '../../partition/health/environment.ts';
import { viewOf } from '../../partition/health/view.ts';
import { displayName, qualified } from '../../partition/identifiers.ts';
import { contains } from '../../partition/range.ts';
import { scheduleOf } from '../../partition/schedule.ts';
import { bytesInWords } from '../../partition/words.ts';
import type { DoctorFacts, TableFacts } from '../facts.ts';
import { fine, found, orFine, some } from './check.ts';

const nameOf = ({ entry }: TableFacts): string => displayName(entry.table.schema, entry.table.name);

export function tableChecks({ unmanageable, tables }: DoctorFacts): readonly Check[] {
  return [
    ...unmanageable.map(({ table, error }) =>
      found('table', 'critical', error.message, error.hint, { code: error.code }, table),
    ),
    ...tables.map((one) => {
      const { entry, leaves } = one;
      const { table } = entry;
      const children = table.partitions.length + (table.defaultPartition === null ? 0 : 1);
      return fine(
        'table',
        `${table.partitions.length} partitions by ${table.keyColumn} (${table.keyType})${table.defaultPartition === null ? '' : ' and a default one'}${leaves === children ? '' : `, ${leaves} tables in all`}`,
        { partitions: table.partitions.length },
        nameOf(one),
      );
    }),
  ];
}

export function privilegeChecks(facts: DoctorFacts): readonly Check[] {
  const { server, localClock } = facts;
  return facts.tables.flatMap((one) => {
    const { entry } = one;
    const name = nameOf(one);
    const problem = ownershipProblem(entry.table, server);
    const strange = environmentFindings(
      viewOf({ ...entry, now: server.clock, serverClock: server.clock, localClock }),
    ).filter(({ finding, severity }) => finding === 'permission' && severity === 'warning');
    return orFine(
      [
        ...(problem === null
          ? []
          : [
              found(
                'privileges',
                'critical',
                problem.message,
                problem.hint,
                { owner: entry.table.owner },
                name,
              ),
            ]),
        ...strange.map((finding) =>
          found('privileges', 'warning', finding.message, finding.remedy, finding.facts, name),
        ),
      ],
      fine(
        'privileges',
        `${server.role} may act as ${entry.table.owner}, who may create tables there`,
        {},
        name,
      ),
    );
  });
}

export function autovacuumCheck({ tables }: DoctorFacts): readonly Check[] {
  return orFine(
    tables
      .filter(({ withoutAutovacuum }) => withoutAutovacuum.length > 0)
      .map((one) =>
        found(
          'autovacuum',
          'warning',
          `Autovacuum is turned off for ${one.withoutAutovacuum.length} partitions of ${nameOf(one)} (${some(one.withoutAutovacuum)}), and new ones take that over.`,
          one.withoutAutovacuum
            .slice(-1)
            .map((partition) => `ALTER TABLE ${partition} RESET (autovacuum_enabled); and so for the others`)
            .join(''),
          { partitions: one.withoutAutovacuum },
          nameOf(one),
        ),
      ),
    fine('autovacuum', 'turned off for no partition'),
  );
}

/** Below that, a wrong guess costs nobody anything. */
const MANY_ROWS = 100_000;

export function statisticsCheck({ tables }: DoctorFacts): readonly Check[] {
  return orFine(
    tables
      .filter(({ analyzed, rows }) => !analyzed && (rows ?? 0) > 0)
      .map((one) => {
        const { table } = one.entry;
        return found(
          'statistics',
          (one.rows ?? 0) >= MANY_ROWS ? 'warning' : 'info',
          `${nameOf(one)} as a whole has never been analyzed, and autovacuum never does it: queries over several partitions are planned by guesses.`,
          `ANALYZE ${qualified(table.schema, table.name)}; once a week or after large changes, by your scheduler.`,
          { rows: one.rows },
          nameOf(one),
        );
      }),
    fine('statistics', 'tables with rows have been analyzed as a whole'),
  );
}

const PER_YEAR: Record<Interval, number> = {
  hour: 8766,
  day: 365.25,
  week: 52.18,
  month: 12,
  quarter: 4,
  year: 1,
};

/** So many full partitions tell what the next ones will be like. */
const RECENT = 3;

export function growthChecks({ tables, server }: DoctorFacts): readonly Check[] {
  return tables.map((one): Check => {
    const { table, config } = one.entry;
    const schedule = scheduleOf(config, table.keyType, server.clock);
    const full = table.partitions.filter(
      ({ range, kind }) =>
        kind === 'table' && range.to <= schedule.nowPoint && !contains(range, schedule.nowPoint),
    );
    const bytes = [...table.partitions, ...(table.defaultPartition === null ? [] : [table.defaultPartition])]
      .map((partition) => partition.bytes)
      .reduce((a, b) => a + b, 0);
    // A partition that is longer than the interval, as a conversion leaves one, would tell of another rate.
    const recent = full.slice(-RECENT).filter(({ range }) => {
      const cell = schedule.calendar.containing(range.from);
      return cell.from === range.from && cell.to === range.to;
    });
    const size = `about ${bytesInWords(bytes)} with indexes, by the catalog's estimate`;
    if (recent.length === 0 || recent.every((partition) => partition.bytes === 0)) {
      return {
        check: 'growth',
        status: 'unknown',
        table: nameOf(one),
        message: `${size}; how fast it grows cannot be told before a full ${config.interval} has been vacuumed or analyzed.`,
        remedy: null,
        facts: { bytes },
      };
    }
    const each = recent.map((partition) => partition.bytes).reduce((a, b) => a + b, 0) / recent.length;
    const yearly = Math.round(each * PER_YEAR[config.interval]);
    return fine(
      'growth',
      `${size}; the last ${recent.length === 1 ? `full ${config.interval} has` : `${recent.length} full ${config.interval}s have`} ${bytesInWords(each)} each, so a year adds about ${bytesInWords(yearly)}. SQL does not see free disk: compare it with your monitoring.`,
      { bytes, bytesPerPartition: Math.round(each), bytesPerYear: yearly },
      nameOf(one),
    );
  });
}
