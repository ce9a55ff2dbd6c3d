import { Temporal } from 'temporal-polyfill';
import type { Interval } from '../../../lib/partition/calendar.ts';
import type { Span } from '../../../lib/partition/span.ts';
import { LENGTH } from '../../unit/support/arbitraries.ts';
import { createTestDatabase, type TestDatabase } from '../database.ts';
import { type FaultyServer, startProxy } from '../faults/proxy.ts';
import { type Keeper, keeper } from '../keeper.ts';
import { schemaOf, type Wish } from './oracle.ts';
import type { Story, Surroundings } from './story.ts';

/** The one reading of the clock by which a run judges; the age of transactions is measured apart from it. */
const READING = /clock_timestamp\(\)(?=, 'YYYY-MM-DD"T"HH24:MI:SS\.US"Z"'\) AS clock)/;

/** A server whose clock runs do not see as it is. */
export interface MovedServer extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly url: string;
  readonly clock: { now: Temporal.Instant };
}

/** A database, and a proxy before it that tells runs another time. */
export async function startMovedServer(): Promise<MovedServer> {
  const database = await createTestDatabase();
  const clock = { now: Temporal.Now.instant() };
  const proxy: FaultyServer = await startProxy(database.url, {
    rewrite: (statement) => statement.replace(READING, `timestamptz '${clock.now}'`),
  });
  return {
    database,
    url: proxy.url,
    clock,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await database.drop();
    },
  };
}

/** The table in the course of its story. */
export interface Life {
  readonly server: MovedServer;
  readonly database: TestDatabase;
  readonly story: Story;
  /** What the config says at present. */
  wanted: {
    readonly interval: Interval;
    readonly zone: string;
    readonly retention: Span | null;
    readonly premake: number;
  };
  /** Detached by hand, with their bounds. */
  readonly torn: { readonly name: string; readonly bounds: string }[];
  made: number;
}

export async function beginLife(server: MovedServer, story: Story): Promise<Life> {
  const { database, clock } = server;
  const { interval, zone, retention, premake, keyType, begins, surroundings } = story;
  await database.query(`SET TimeZone = '${surroundings[0]?.timeZone}'; ${schemaOf(keyType)}`);
  clock.now = Temporal.Instant.from(begins);
  return { server, database, story, wanted: { interval, zone, retention, premake }, torn: [], made: 0 };
}

export const wishOf = ({ server, wanted }: Life): Wish => ({ ...wanted, now: server.clock.now.toString() });

/** So many hundredths of an interval from now. */
export function shifted({ server, wanted }: Life, hundredths: number): Temporal.Instant {
  const microseconds = (LENGTH[wanted.interval] * BigInt(hundredths)) / 100n;
  return server.clock.now.add({ microseconds: Number(microseconds) });
}

/** Does something with the jobs, whatever the surroundings are. */
export async function within<Result>(
  { server, database, story, wanted }: Life,
  { timeZone, dateStyle, processZone }: Surroundings,
  use: (jobs: Keeper) => Promise<Result>,
): Promise<Result> {
  const { interval, premake, retention, zone } = wanted;
  await database.query(`
    ALTER DATABASE ${database.name} SET TimeZone = '${timeZone}';
    ALTER DATABASE ${database.name} SET DateStyle = '${dateStyle}'`);
  const { TZ } = process.env;
  Object.assign(process.env, { TZ: processZone });
  try {
    return await use(
      keeper(server, {
        interval,
        premake,
        timeZone: zone,
        expired: story.expired,
        ...(retention === null ? {} : { retention }),
      }),
    );
  } finally {
    if (TZ === undefined) Reflect.deleteProperty(process.env, 'TZ');
    else Object.assign(process.env, { TZ });
  }
}
