import { shellWord } from './identifiers.ts';

/** The command line that does `job` for one table, ready to paste into a shell. */
export const keeperCommand = (
  job: string,
  table: { readonly schema: string; readonly name: string },
): string => `npx partition-keeper ${job} --table ${shellWord(`${table.schema}.${table.name}`)}`;
