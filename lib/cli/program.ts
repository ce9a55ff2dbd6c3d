import { createRequire } from 'node:module';
import { Command, InvalidArgumentError, Option } from 'commander';
import { Temporal } from 'temporal-polyfill';
import { STAGES } from '../convert/unit.ts';
import { DEFAULT_SQL_SCHEMA } from '../sql/schema.ts';
import { convert, health, plan, planned, sql, status, validate } from './commands.ts';
import type { CommonFlags, ConvertFlags, Invocation, LookFlags, SqlFlags, WorkFlags } from './invocation.ts';

/** A date means its first moment in UTC. */
function instant(text: string): Temporal.Instant {
  try {
    return Temporal.Instant.from(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  } catch {
    throw new InvalidArgumentError('Write an instant such as 2026-11-22 (UTC) or 2026-11-22T13:00:00+01:00.');
  }
}

const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
  };

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

const NOW = new Option(
  '--now <instant>',
  "plan as if it were this time, instead of by the server's clock",
).argParser(instant);
const PREMAKE = new Option('--premake <number>', 'partitions to keep ready after the current one').argParser(
  wholeNumber(1, 10_000),
);
const FROM = new Option(
  '--from <instant>',
  'cover from here on, instead of from the oldest partition',
).argParser(instant);
const TO = new Option('--to <instant>', 'cover up to here, instead of the look-ahead').argParser(instant);
const APPROVE = new Option('--approve', 'go on where a guard would refuse');
const DRY_RUN = new Option('--dry-run', 'show what would be done and do nothing');
const MAX_WAIT = new Option(
  '--max-wait <seconds>',
  'how long one step may wait for locks (default: 60)',
).argParser(wholeNumber(1, 86_400));
const EXACT_SIZES = new Option('--exact-sizes', 'measure sizes instead of estimating them from the catalog');

/** What has to do with the config, but not with a database. */
function configCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option('-c, --config <file>', 'config file (default: partitions.config.ts, .js, .mjs or .json)'),
    )
    .addOption(
      new Option('-t, --table <schema.table>', 'only this table of the config; may be repeated').argParser(
        collect,
      ),
    );
}

function command(name: string, description: string): Command {
  return configCommand(name, description)
    .addOption(
      new Option(
        '--database-url <url>',
        'postgresql://... (default: DATABASE_URL, then PGHOST and the other PG* variables)',
      ),
    )
    .addOption(
      new Option('--format <format>', 'output').choices(['pretty', 'json', 'sql']).default('pretty'),
    );
}

const version = (): string => {
  const manifest: { readonly version: string } = createRequire(import.meta.url)(
    'partition-keeper/package.json',
  );
  return manifest.version;
};

const EXIT_CODES = `
Exit codes: 0 ok, 1 failed, 2 usage or config error, 3 health found warnings or critical findings,
4 refused by a guard.`;

/** The whole command line; running a command sets the invocation's exit code. */
export function buildProgram(invocation: Invocation): Command {
  const program = new Command('partition-keeper')
    .description('Creates, removes and watches the time partitions of PostgreSQL tables.')
    .version(version())
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', EXIT_CODES);

  program.addCommand(
    command('validate', 'check the config and, when a database is given, that its tables fit').action(
      (flags: CommonFlags) => validate(invocation, flags),
    ),
  );
  program.addCommand(
    command('plan', 'show what create and cleanup would do, without doing it')
      .argument('[job]', 'create or cleanup; both when left out')
      .addOption(NOW)
      .addOption(PREMAKE)
      .addOption(FROM)
      .addOption(TO)
      .addOption(APPROVE)
      .action((job: string | undefined, flags: WorkFlags) => plan(invocation, job, flags)),
  );
  program.addCommand(
    command('create', 'create the partitions that are missing')
      .addOption(DRY_RUN)
      .addOption(NOW)
      .addOption(PREMAKE)
      .addOption(FROM)
      .addOption(TO)
      .addOption(APPROVE)
      .addOption(MAX_WAIT)
      .action((flags: WorkFlags) => planned(invocation, 'create', flags)),
  );
  program.addCommand(
    command('cleanup', 'remove the partitions that are past retention')
      .addOption(DRY_RUN)
      .addOption(NOW)
      .addOption(APPROVE)
      .addOption(MAX_WAIT)
      .action((flags: WorkFlags) => planned(invocation, 'cleanup', flags)),
  );
  program.addCommand(
    command('health', 'find what is wrong, or soon will be; changes nothing')
      .addOption(NOW)
      .addOption(EXACT_SIZES)
      .action((flags: LookFlags) => health(invocation, flags)),
  );
  program.addCommand(
    command('status', 'show partitions, sizes and a timeline for each table; changes nothing')
      .addOption(NOW)
      .addOption(EXACT_SIZES)
      .action((flags: LookFlags) => status(invocation, flags)),
  );
  const conversion = (job: 'convert' | 'unconvert', description: string): Command =>
    command(job, description)
      .argument('<table>', 'schema.table of the config')
      .addOption(
        new Option('--plan', 'show everything that would be done and do nothing').conflicts('status'),
      )
      .addOption(new Option('--status', 'show how far it is and do nothing'))
      .addOption(new Option('--until <stage>', 'go no further than this').choices(STAGES).default('switch'))
      .addOption(
        new Option('--undo', 'take back what has been prepared, or put the table that was replaced back'),
      )
      .addOption(
        new Option('--finish', 'remove the table that was replaced, when all is well').conflicts('undo'),
      )
      .addOption(
        new Option('--max-rate <rows>', 'rows to copy in a second, at most').argParser(
          wholeNumber(1, 100_000_000),
        ),
      )
      .addOption(
        new Option(
          '--max-replica-lag <seconds>',
          'pause the copy while a replica is further behind (needs pg_monitor)',
        ).argParser(wholeNumber(1, 86_400)),
      )
      .addOption(APPROVE)
      .addOption(MAX_WAIT)
      .action((table: string, flags: ConvertFlags) => convert(invocation, job, table, flags));
  program.addCommand(
    conversion(
      'convert',
      'turn a plain table into a partitioned one while it is in use; goes on where it was',
    ).addOption(
      new Option(
        '--strategy <strategy>',
        'attach: no row is moved; copy: into new partitions; split: a partitioned table, into others',
      ).choices(['attach', 'copy', 'split']),
    ),
  );
  program.addCommand(
    conversion('unconvert', 'turn a partitioned table back into a plain one while it is in use'),
  );
  program.addCommand(
    configCommand('sql', 'print a script that installs functions which do this in the database itself')
      .addOption(new Option('--schema <name>', 'where to put them').default(DEFAULT_SQL_SCHEMA))
      .addOption(new Option('--pg-cron', 'also schedule the jobs with the extension pg_cron'))
      .addOption(
        new Option('--uninstall', 'print the script that removes functions and jobs instead').conflicts(
          'pgCron',
        ),
      )
      .action((flags: SqlFlags) => sql(invocation, flags)),
  );
  for (const sub of [program, ...program.commands]) sub.exitOverride();
  return program;
}
