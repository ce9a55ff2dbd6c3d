/**
 * Lets the worlds of test/integration/world.test.ts happen for long, and then tells lives of a table as
 * test/integration/retention-model.test.ts does: 200 worlds and 150 lives, or 25 and 5 minutes of them, whichever ends
 * first, on one version of PostgreSQL, that of PG_VERSION. WORLD_RUNS, WORLD_SECONDS, RETENTION_RUNS and
 * RETENTION_SECONDS ask for more or less. A script, because there is no way to set a variable in package.json that works
 * on all systems; further arguments go to Vitest.
 */
import { parseCLI, startVitest } from 'vitest/node';

const {
  // Half of each is for tables with a default partition, half for those without.
  WORLD_RUNS = '100',
  WORLD_SECONDS = '750',
  RETENTION_RUNS = '150',
  RETENTION_SECONDS = '300',
} = process.env;
Object.assign(process.env, { WORLD_RUNS, WORLD_SECONDS, RETENTION_RUNS, RETENTION_SECONDS });
const { filter, options } = parseCLI([
  'vitest',
  'run',
  '--project=integration',
  '--no-file-parallelism',
  'test/integration/world.test.ts',
  'test/integration/retention-model.test.ts',
  ...process.argv.slice(2),
]);
const vitest = await startVitest(filter, options);
await vitest.exit();
