import { Command, InvalidArgumentError, Option } from 'commander';
import { Temporal } from 'temporal-polyfill';

/** A date means its first moment in UTC. */
function instant(text: string): Temporal.Instant {
  try {
    return Temporal.Instant.from(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  } catch {
    throw new InvalidArgumentError('Write an instant such as 2026-11-22 (UTC) or 2026-11-22T13:00:00+01:00.');
  }
}

export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
  };

export const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

export const TABLE = new Option(
  '-t, --table <schema.table>',
  'only this table of the config; may be repeated',
).argParser(collect);
/** Of commands that take one table as their argument: understood, so as to be refused in words. */
export const NO_TABLE = new Option('-t, --table <schema.table>').argParser(collect).hideHelp();
export const NOW = new Option(
  '--now <instant>',
  "plan as if it were this time, instead of by the server's clock",
).argParser(instant);
export const PREMAKE = new Option(
  '--premake <number>',
  'partitions to keep ready after the current one',
).argParser(wholeNumber(1, 10_000));
export const FROM = new Option(
  '--from <instant>',
  'cover from here on, instead of from the oldest partition',
).argParser(instant);
export const TO = new Option('--to <instant>', 'cover up to here, instead of the look-ahead').argParser(
  instant,
);
export const APPROVE = new Option('--approve', 'go on where a guard would refuse');
export const DRY_RUN = new Option('--dry-run', 'show what would be done and do nothing');
export const PARTITION = new Option(
  '--partition <schema.name>',
  'remove this expired partition only; may be repeated',
).argParser(collect);
export const MAX_WAIT = new Option(
  '--max-wait <seconds>',
  'how long one step may wait for locks (default: 60)',
).argParser(wholeNumber(1, 86_400));
export const EXACT_SIZES = new Option(
  '--exact-sizes',
  'measure sizes instead of estimating them from the catalog',
);

export const CONFIG = new Option(
  '-c, --config <file>',
  'config file (default: partitions.config.ts, .js, .mjs or .json)',
);
export const DATABASE_URL = new Option(
  '--database-url <url>',
  'postgresql://... (default: DATABASE_URL, then PGHOST and the other PG* variables)',
);

/** A command with what all have that work on the tables of the config. */
export function command(name: string, description: string, table = TABLE): Command {
  return new Command(name)
    .description(description)
    .addOption(CONFIG)
    .addOption(DATABASE_URL)
    .addOption(table)
    .addOption(
      new Option('--format <format>', 'output').choices(['pretty', 'json', 'sql']).default('pretty'),
    );
}
