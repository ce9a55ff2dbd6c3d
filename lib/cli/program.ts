import { createRequire } from 'node:module';
import { Command, Option } from 'commander';
import type { Job } from '../contract.ts';
import { STAGES } from '../convert/unit.ts';
import { defaultSchedules } from '../partition/default-schedules.ts';
import { LEVELS } from '../serve/log.ts';
import { DEFAULT_SQL_SCHEMA } from '../sql/schema.ts';
import type {
  CommonFlags,
  ConvertFlags,
  ExplainFlags,
  Invocation,
  InvokeFlags,
  LookFlags,
  ReindexFlags,
  ServeFlags,
  SqlFlags,
  WorkFlags,
} from './invocation.ts';
import {
  APPROVE,
  CONFIG,
  collect,
  command,
  DATABASE_URL,
  DRY_RUN,
  EXACT_SIZES,
  FROM,
  MAX_WAIT,
  NO_TABLE,
  NOW,
  PARTITION,
  PREMAKE,
  TABLE,
  TO,
  wholeNumber,
} from './options.ts';

/** Loaded when one of them runs: --version and --help need nothing of it. */
const commands = () => import('./commands.ts');

/** The scheduler: it works on all tables, says everything as log records, and goes by the clock alone. */
function serveCommand(): Command {
  const usual = defaultSchedules([]);
  const schedule = (job: Job, orElse = ''): Option =>
    new Option(
      `--${job}-schedule <cron>`,
      `when to run ${job}: five fields, or off (default: as under deployment in the config, else '${usual[job]}'${orElse})`,
    ).env(`PARTITION_KEEPER_${job.toUpperCase()}_SCHEDULE`);
  return new Command('serve')
    .description('run create, cleanup and health by their schedules, with health endpoints and metrics')
    .addOption(CONFIG)
    .addOption(DATABASE_URL)
    .addOption(
      new Option('--listen <host:port>', 'where /healthz, /readyz and /metrics answer')
        .env('PARTITION_KEEPER_LISTEN')
        .default('127.0.0.1:9850'),
    )
    .addOption(schedule('create', ', or daily or hourly where a table has shorter intervals'))
    .addOption(schedule('cleanup'))
    .addOption(schedule('health'))
    .addOption(
      new Option(
        '--time-zone <zone>',
        'whose clock the schedules mean (default: as in the config, else UTC)',
      ).env('PARTITION_KEEPER_TIME_ZONE'),
    )
    .addOption(
      new Option('--log-level <level>', 'log records of this level and above')
        .choices(LEVELS)
        .env('PARTITION_KEEPER_LOG_LEVEL')
        .default('info'),
    )
    .addOption(MAX_WAIT)
    .addOption(new Option('--now <instant>').hideHelp());
}

const version = (): string => {
  const manifest: { readonly version: string } = createRequire(import.meta.url)(
    'partition-keeper/package.json',
  );
  return manifest.version;
};

const EXIT_CODES = `
Exit codes: 0 ok, 1 failed, 2 usage or config error, 3 health, doctor or explain found warnings
or critical findings, 4 refused by a guard.`;

/** The whole command line; running a command sets the invocation's exit code. */
export function buildProgram(invocation: Invocation): Command {
  const program = new Command('partition-keeper')
    .description('Creates, removes and watches the time partitions of PostgreSQL tables.')
    .version(version())
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', EXIT_CODES);

  program.addCommand(
    command('validate', 'check the config and, when a database is given, that its tables fit').action(
      async (flags: CommonFlags) => (await commands()).validate(invocation, flags),
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
      .action(async (job: string | undefined, flags: WorkFlags) =>
        (await commands()).plan(invocation, job, flags),
      ),
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
      .action(async (flags: WorkFlags) => (await commands()).planned(invocation, 'create', flags)),
  );
  program.addCommand(
    command('cleanup', 'remove the partitions that are past retention')
      .addOption(PARTITION)
      .addOption(DRY_RUN)
      .addOption(NOW)
      .addOption(APPROVE)
      .addOption(MAX_WAIT)
      .action(async (flags: WorkFlags) => (await commands()).planned(invocation, 'cleanup', flags)),
  );
  program.addCommand(
    command('health', 'find what is wrong, or soon will be; changes nothing')
      .addOption(NOW)
      .addOption(EXACT_SIZES)
      .action(async (flags: LookFlags) => (await commands()).health(invocation, flags)),
  );
  program.addCommand(
    command('status', 'show partitions, sizes and a timeline for each table; changes nothing')
      .addOption(NOW)
      .addOption(EXACT_SIZES)
      .action(async (flags: LookFlags) => (await commands()).status(invocation, flags)),
  );
  const conversion = (job: 'convert' | 'unconvert', description: string): Command =>
    command(job, description, NO_TABLE)
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
      .action(async (table: string, flags: ConvertFlags) =>
        (await commands()).convert(invocation, job, table, flags),
      );
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
    serveCommand().action(async (flags: ServeFlags) =>
      (await import('./commands/serve.ts')).serve(invocation, flags),
    ),
  );
  program.addCommand(
    command(
      'reindex',
      "rebuild the indexes of a table's partitions while it is in use; goes on where it was",
      NO_TABLE,
    )
      .argument('<target>', 'schema.table of the config, or schema.index of such a table or of a partition')
      .addOption(new Option('--index <index>', 'only this index; may be repeated').argParser(collect))
      .addOption(
        new Option('--partition <schema.partition>', 'only of this partition; may be repeated').argParser(
          collect,
        ),
      )
      .addOption(new Option('--invalid', 'only those that are invalid and so serve no query'))
      .addOption(
        new Option('-j, --jobs <number>', 'partitions to work on at a time (default: 1)').argParser(
          wholeNumber(1, 64),
        ),
      )
      .addOption(new Option('--restart', 'also what an interrupted run has rebuilt already'))
      .addOption(DRY_RUN)
      .addOption(
        new Option(
          '--max-wait <seconds>',
          'how long one index may wait for older transactions (default: 600)',
        ).argParser(wholeNumber(1, 86_400)),
      )
      .action(async (target: string, flags: ReindexFlags) =>
        (await import('./commands/reindex.ts')).reindex(invocation, target, flags),
      ),
  );
  program.addCommand(
    command(
      'doctor',
      'look at what surrounds the tables: server, rights, locks, clocks, others; changes nothing',
    ).action(async (flags: CommonFlags) => (await import('./commands/doctor.ts')).doctor(invocation, flags)),
  );
  program.addCommand(
    new Command('invoke')
      .description('have a job done by its function on AWS, and show the report')
      .argument('<job>', 'create, cleanup or health')
      .addOption(
        new Option('--stack <name>', 'the stack whose outputs name the functions').default('PartitionKeeper'),
      )
      .addOption(new Option('--function <name>', 'name or ARN of the function, instead of the stack'))
      .addOption(new Option('--region <region>', 'default: AWS_REGION, then that of the profile'))
      .addOption(new Option('--profile <name>', 'default: AWS_PROFILE'))
      .addOption(TABLE)
      .addOption(PARTITION)
      .addOption(DRY_RUN)
      .addOption(PREMAKE)
      .addOption(FROM)
      .addOption(TO)
      .addOption(APPROVE)
      .addOption(new Option('--payload <json>', 'the payload itself, instead of the flags'))
      .addOption(new Option('--format <format>', 'output').choices(['pretty', 'json']).default('pretty'))
      .action(async (job: string, flags: InvokeFlags) =>
        (await import('./commands/invoke.ts')).invoke(invocation, job, flags),
      ),
  );
  program.addCommand(
    command('explain', 'show which partitions a query reads, and why not fewer; the query is not run')
      .argument('[query]', 'one statement, in quotes; $1, $2 for parameters')
      .addOption(
        new Option(
          '--top [number]',
          'instead of a query: the most frequent statements without a usable condition on the key, from pg_stat_statements',
        )
          .argParser(wholeNumber(1, 500))
          .preset('10'),
      )
      .addOption(
        new Option(
          '--search-path <schemas>',
          'where names without a schema are looked up (default: as the role and the database have it)',
        ),
      )
      .action(async (query: string | undefined, flags: ExplainFlags) =>
        (await import('./commands/explain.ts')).explain(invocation, query, flags),
      ),
  );
  program.addCommand(
    new Command('sql')
      .description('print a script that installs functions which do this in the database itself')
      .addOption(CONFIG)
      .addOption(TABLE)
      .addOption(new Option('--schema <name>', 'where to put them').default(DEFAULT_SQL_SCHEMA))
      .addOption(new Option('--pg-cron', 'also schedule the jobs with the extension pg_cron'))
      .addOption(
        new Option('--uninstall', 'print the script that removes functions and jobs instead').conflicts(
          'pgCron',
        ),
      )
      .action(async (flags: SqlFlags) => (await import('./commands/sql.ts')).sql(invocation, flags)),
  );
  for (const sub of [program, ...program.commands]) sub.exitOverride();
  return program;
}
