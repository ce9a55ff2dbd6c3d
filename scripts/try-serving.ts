import { tryServing } from '../support/try-serving.ts';

/** Tries a command that serves the table `public.events`, given with its arguments, in the folder it is to run in. */
const [cwd, ...words] = process.argv.slice(2);
if (cwd === undefined || words.length === 0)
  throw new Error('Write: node scripts/try-serving.ts <folder> <command> [arguments]');
await tryServing({ words, cwd, env: process.env });
