import type { Check } from '../../contract.ts';
import { displayIdentifier, displayName, qualified, shellWord } from '../../partition/identifiers.ts';
import { type Span, spanText } from '../../partition/span.ts';
import { DEFAULT_SQL_SCHEMA } from '../../sql/schema.ts';
import { type ScriptTable, scriptTable } from '../../sql/tables.ts';
import type { DoctorFacts, Installation } from '../facts.ts';
import { fine, found, orFine, some, unknown } from './check.ts';
import { ownJobs } from './others.ts';

const nameOf = ({ schema, table }: Pick<ScriptTable, 'schema' | 'table'>): string =>
  displayName(schema, table);

/** Months, days and hours: what is the same whatever the calendar. */
function lengthOf({ years = 0, months = 0, weeks = 0, days = 0, hours = 0 }: Span): readonly number[] {
  return [12 * years + months, 7 * weeks + days, hours];
}

const HOURS_PER_MONTH = 730.485;

function hoursOf(span: Span): number {
  const [months = 0, days = 0, hours = 0] = lengthOf(span);
  return months * HOURS_PER_MONTH + days * 24 + hours;
}

const spanInWords = (span: Span | null): string => (span === null ? 'none' : spanText(span));
const sameSpan = (span: Span | null): string => JSON.stringify(span === null ? null : lengthOf(span));

/** What functions know of a table, by the names of the config; and what is compared, where that is not what is told. */
const SETTINGS: readonly {
  readonly name: string;
  readonly told: (table: ScriptTable) => string;
  readonly by?: (table: ScriptTable) => string;
}[] = [
  { name: 'partitionKey', told: ({ partitionKey }) => partitionKey },
  { name: 'interval', told: ({ interval }) => interval },
  { name: 'premake', told: ({ premake }) => String(premake) },
  {
    name: 'retention',
    told: ({ retention }) => spanInWords(retention),
    by: ({ retention }) => sameSpan(retention),
  },
  {
    name: 'overdueAfter',
    told: ({ overdueAfter }) => spanInWords(overdueAfter),
    by: ({ overdueAfter }) => sameSpan(overdueAfter),
  },
  { name: 'expired', told: ({ drops }) => (drops ? 'drop' : 'detach or grace') },
  { name: 'maxExpiredShare', told: ({ maxExpiredShare }) => String(maxExpiredShare) },
  { name: 'timeZone', told: ({ timeZone }) => timeZone },
];

/** Whether what is installed would drop what the config keeps. */
function dropsTooMuch(installed: ScriptTable, wanted: ScriptTable): boolean {
  if (!installed.drops || installed.retention === null) return false;
  return (
    !wanted.drops || wanted.retention === null || hoursOf(installed.retention) < hoursOf(wanted.retention)
  );
}

/** As docs/sql-functions.md has it. */
const install = (schema: string): string =>
  `npx partition-keeper sql${schema === DEFAULT_SQL_SCHEMA ? '' : ` --schema ${shellWord(schema)}`} | psql -v ON_ERROR_STOP=1 -q "$DATABASE_URL"`;

const placeOf = ({ schema, owner }: Installation): string =>
  `The functions of Partition Keeper in schema ${displayIdentifier(schema)} (owner ${displayIdentifier(owner)})`;

function compared(installation: Installation, installed: ScriptTable, wanted: ScriptTable): readonly Check[] {
  const differences = SETTINGS.filter(({ told, by = told }) => by(installed) !== by(wanted)).map(
    ({ name, told }) => ({ name, there: told(installed), here: told(wanted) }),
  );
  if (differences.length === 0) return [];
  const tooMuch = dropsTooMuch(installed, wanted);
  return [
    found(
      'sql-functions',
      tooMuch ? 'critical' : 'warning',
      `${placeOf(installation)} were made from another config of ${nameOf(wanted)}: ${differences.map(({ name, there, here }) => `${name} is ${there} there, and ${here} in the config`).join('; ')}.${tooMuch ? ' Their cleanup_partitions() drops what the config keeps.' : ''}`,
      install(installation.schema),
      {
        schema: installation.schema,
        settings: differences.map(({ name }) => name),
        installed: differences.map(({ there }) => there),
        config: differences.map(({ here }) => here),
      },
      nameOf(wanted),
    ),
  ];
}

const sameTable = (a: Pick<ScriptTable, 'schema' | 'table'>) => (b: Pick<ScriptTable, 'schema' | 'table'>) =>
  a.schema === b.schema && a.table === b.table;

/** Whether it has to do with the config: others may have functions of ours for other tables, from another config. */
const isOurs = ({ tables }: Installation, { configured }: DoctorFacts): boolean =>
  tables === null || tables.some((table) => configured.some(sameTable(table)));

/** What of an installation is not as the config has it, or not in it at all. */
function installationChecks(installation: Installation, facts: DoctorFacts): readonly Check[] {
  const { schema, tables } = installation;
  if (tables === null) {
    return [
      unknown(
        'sql-functions',
        `${placeOf(installation)} have a managed_tables() that was not written by this version of the program; whether it is as the config is cannot be told without calling it.`,
        `If you trust its owner, compare: SELECT * FROM ${qualified(schema, 'managed_tables')}(); or install it anew: ${install(schema)}`,
      ),
    ];
  }
  return [
    ...facts.asked.flatMap((config) =>
      tables.filter(sameTable(config)).flatMap((table) => compared(installation, table, scriptTable(config))),
    ),
    ...tables
      .filter((table) => !facts.configured.some(sameTable(table)))
      .map((table) =>
        found(
          'sql-functions',
          isOurs(installation, facts) ? 'warning' : 'info',
          `${placeOf(installation)} look after ${nameOf(table)}, which is not in the config${table.drops && table.retention !== null ? `, and drop its partitions after ${spanText(table.retention)}` : ''}.`,
          isOurs(installation, facts)
            ? install(schema)
            : 'Nothing to do if it is in the config of somebody else.',
          { schema },
          nameOf(table),
        ),
      ),
  ];
}

/** Installed functions keep the config that they were made from, whatever becomes of it. */
export function sqlFunctionsCheck(facts: DoctorFacts): readonly Check[] {
  const { installations, asked } = facts;
  const ours = installations.filter((installation) => isOurs(installation, facts));
  const [first] = ours;
  const known = ours.flatMap(({ tables }) => tables ?? []);
  const forgotten = ours.some(({ tables }) => tables === null)
    ? []
    : asked.filter((config) => !known.some(sameTable(config)));
  const schemas = some(ours.map(({ schema }) => displayIdentifier(schema)));
  const jobs = ownJobs(facts).map(({ name, schedule }) => `${name ?? 'one without a name'} (${schedule})`);
  return [
    ...orFine(
      [
        ...installations.flatMap((installation) => installationChecks(installation, facts)),
        ...(first === undefined
          ? []
          : forgotten.map((config) =>
              found(
                'sql-functions',
                'warning',
                `The functions of Partition Keeper in schema ${schemas} do not know ${nameOf(config)} of the config.`,
                `${install(first.schema)}; where it was left out on purpose, give doctor the same --table as sql.`,
                {},
                nameOf(config),
              ),
            )),
      ],
      fine(
        'sql-functions',
        first === undefined
          ? 'none are installed in this database'
          : `those in schema ${schemas} were made from this config`,
      ),
    ),
    ...(jobs.length === 0 ? [] : [fine('sql-functions', `jobs of pg_cron call them: ${jobs.join(', ')}`)]),
  ];
}
