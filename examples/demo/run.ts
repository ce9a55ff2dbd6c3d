import { parseArgs } from 'node:util';
import { startEmbeddedServer, stopOnSignals } from '../../support/embedded-server.ts';
import { tellOfConversion } from './conversion.ts';
import { createDatabase, withClient } from './database.ts';
import { DemoFailure } from './failure.ts';
import { failure, heading, prompt, say } from './narrate.ts';
import { tellOfUpkeep } from './upkeep.ts';

const usage = `Usage: npm start [-- --convert] [--keep]

Starts a PostgreSQL server of its own, fills it with neglected tables and mends them before your eyes.

  --convert  convert a table without partitions instead, while an application is using it
  --keep     leave the server running at the end, to look around
  --help     show this`;

interface Options {
  readonly convert: boolean;
  readonly keep: boolean;
  readonly help: boolean;
}

function keepServer(databaseUrl: string): void {
  heading('The server stays up until you press Ctrl-C here. To use it from another terminal:');
  prompt('$', `export DATABASE_URL='${databaseUrl}'`);
  prompt('$', 'npx partition-keeper status');
}

async function demo({ convert, keep }: Options): Promise<void> {
  say(
    convert
      ? 'Starting a PostgreSQL server and filling a table that has no partitions ...'
      : 'Starting a PostgreSQL server and filling it with tables that nobody looked after ...',
  );
  const server = await startEmbeddedServer();
  let interrupted = false;
  const onSignal = (): void => {
    interrupted = true;
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal).once('SIGHUP', onSignal);
  stopOnSignals(server);
  try {
    const databaseUrl = await createDatabase(server);
    const tell = convert ? tellOfConversion : tellOfUpkeep;
    await withClient(databaseUrl, (client) => tell(databaseUrl, client));
    if (keep) keepServer(databaseUrl);
    else await server.stop();
  } catch (error) {
    await server.stop();
    // What fails because the server was told to stop is no news; the signal ends this process.
    if (interrupted) return;
    throw error;
  }
}

function options(): Options | undefined {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({ options: { convert: flag, keep: flag, help: flag } }).values;
  } catch (error) {
    failure(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return undefined;
  }
}

const chosen = options();
if (chosen === undefined) process.exitCode = 2;
else if (chosen.help) say(usage);
else {
  // The demo speaks to its own server alone, whatever the surroundings say about others.
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name];
  await demo(chosen).catch((error: unknown) => {
    failure(error instanceof DemoFailure ? error.message : String(error));
    process.exitCode = 1;
  });
}
