import { appendFileSync } from 'node:fs';
import { partitionsOf } from './keeper.ts';
import {
  type AuditDatabase,
  type AuditOptions,
  changeAndLog,
  countDeadlocks,
  createAuditDatabase,
  createLeastPrivilege,
  hold,
  logWriter,
  reader,
  startTraffic,
  type TimedStatement,
  userWriter,
  type Work,
} from './traffic.ts';

/** How long the transaction stays open that holds both tables, in milliseconds. */
export const HELD = 10_000;

/** Where an operation is played. */
export interface Surroundings extends AuditOptions {
  readonly defaultPartition: boolean;
  readonly foreignKeys: boolean;
  readonly leastPrivilege: boolean;
}

/** Something that is done to `platform.audit_logs`, and what has to be there before. */
export interface Operation<Report> {
  readonly name: string;
  readonly prepare?: (database: AuditDatabase, url: string) => Promise<unknown>;
  readonly run: (url: string) => Promise<Report>;
}

export interface Outcome<Report> {
  readonly report: Report;
  /** What the application did while the operation went on. */
  readonly statements: readonly TimedStatement[];
  /** The statement of the application that took longest while the operation went on. */
  readonly longest: TimedStatement;
  /** The same, before it began. */
  readonly longestBefore: TimedStatement;
  readonly failures: readonly string[];
  readonly deadlocks: number;
  readonly partitions: readonly string[];
  /** The process of the server that served the long transaction. */
  readonly holder: number;
}

const withoutForeignKeys = `
  DO $$ DECLARE one name; BEGIN
    FOR one IN SELECT conname FROM pg_constraint WHERE conrelid = 'platform.audit_logs'::regclass AND contype = 'f' LOOP
      EXECUTE format('ALTER TABLE platform.audit_logs DROP CONSTRAINT %I', one);
    END LOOP;
  END $$`;

export interface PlayOptions {
  /** How long the transaction stays open, in milliseconds: `HELD` unless given. */
  readonly held?: number;
  /** Clients besides a writer of each table and a reader. */
  readonly clients?: (database: AuditDatabase) => Readonly<Record<string, Work>>;
}

/** Plays an operation in a database of its own, while the application is at work and one transaction is open. */
export async function play<Report>(
  operation: Operation<Report>,
  surroundings: Surroundings,
  { held = HELD, clients = () => ({}) }: PlayOptions = {},
): Promise<Outcome<Report>> {
  await using database = await createAuditDatabase(surroundings);
  if (!surroundings.foreignKeys) await database.query(withoutForeignKeys);
  const { url } = surroundings.leastPrivilege ? (await createLeastPrivilege(database)).keeper : database;
  await operation.prepare?.(database, url);

  const traffic = await startTraffic(database, {
    'log writer': logWriter(database),
    'user writer': userWriter(database),
    reader: reader(database),
    ...clients(database),
  });
  const holder = await hold(database, 'month-end closing', ...changeAndLog(database));
  const longestBefore = traffic.longest();
  const released = new Promise<void>((resolve, reject) => {
    setTimeout(() => holder.end().then(resolve, reject), held);
  });
  traffic.reset();
  const report = await operation.run(url);
  await released;
  const [longest, statements] = [traffic.longest(), traffic.statements()];
  await traffic.stop();
  return {
    report,
    statements,
    longest,
    longestBefore,
    failures: traffic.failures,
    deadlocks: await countDeadlocks(database),
    partitions: Object.keys(await partitionsOf(database, 'platform.audit_logs')),
    holder: holder.pid,
  };
}

/** One line of the file that STALL_RESULTS names. */
export interface Measured extends Surroundings {
  readonly operation: string;
  readonly version: number;
  readonly milliseconds: number;
  readonly before: number;
}

/** Notes what was measured, for whoever wants to make a table of it. */
export function note(measured: Measured): void {
  const { STALL_RESULTS } = process.env;
  if (STALL_RESULTS) appendFileSync(STALL_RESULTS, `${JSON.stringify(measured)}\n`);
}
