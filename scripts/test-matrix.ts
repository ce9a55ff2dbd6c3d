/**
 * Runs the integration tests on all supported versions of PostgreSQL in one go, or on those in PG_MATRIX. Further
 * arguments go to Vitest. A script, because there is no way to set a variable in package.json that works on all
 * systems; Vitest runs in this process, so that nothing is left running when this process is told to end.
 */
import { parseCLI, startVitest } from 'vitest/node';

const { TEST_DATABASE_URL, PG_MATRIX = 'all' } = process.env;
if (TEST_DATABASE_URL) {
  console.log('TEST_DATABASE_URL is not used: the matrix has an embedded server for each version.');
}
Object.assign(process.env, { PG_MATRIX });
const { filter, options } = parseCLI(['vitest', 'run', '--project=integration-*', ...process.argv.slice(2)]);
const vitest = await startVitest(filter, options);
await vitest.exit();
