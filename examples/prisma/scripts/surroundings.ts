import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { KeeperError } from 'partition-keeper';

/** The database to work on. Throws if the environment does not say. */
export function databaseUrl(): string {
  const url = process.env['DATABASE_URL'];
  if (!url)
    throw new Error(
      "DATABASE_URL is not set. Write export DATABASE_URL='postgresql://user@host:5432/database'.",
    );
  return url;
}

const textOf = (error: unknown): string => {
  if (error instanceof KeeperError) return `${error.message} ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
};

/** Does the work if the module is the one that was started, and ends with 1 and the reason if that fails. */
export async function ifStarted(module: string, work: () => Promise<unknown>): Promise<void> {
  if (process.argv[1] !== fileURLToPath(module)) return;
  await work().catch((error: unknown) => {
    console.error(textOf(error));
    process.exitCode = 1;
  });
}
