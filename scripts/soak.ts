/**
 * Lets the worlds of test/integration/world.test.ts happen for long: 200 of them or half an hour, whichever ends first,
 * on one version of PostgreSQL, that of PG_VERSION. WORLD_RUNS and WORLD_SECONDS ask for more or less. A script, because
 * there is no way to set a variable in package.json that works on all systems; further arguments go to Vitest.
 */
import { parseCLI, startVitest } from 'vitest/node';

/** Half of each is for tables with a default partition, half for those without. */
const { WORLD_RUNS = '100', WORLD_SECONDS = '900' } = process.env;
Object.assign(process.env, { WORLD_RUNS, WORLD_SECONDS });
const { filter, options } = parseCLI([
  'vitest',
  'run',
  '--project=integration',
  'test/integration/world.test.ts',
  ...process.argv.slice(2),
]);
const vitest = await startVitest(filter, options);
await vitest.exit();
