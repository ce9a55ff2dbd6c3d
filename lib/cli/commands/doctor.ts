import type { Config } from '../../config/config.ts';
import { runDoctor } from '../../doctor/doctor.ts';
import { KeeperError, usageError } from '../../errors.ts';
import { finish, prepare } from '../commands.ts';
import { connectionOf } from '../connection.ts';
import type { CommonFlags, Invocation } from '../invocation.ts';

/** Where there is no config, and none was asked for, the server alone is looked at. */
async function configOrNone(invocation: Invocation, flags: CommonFlags): Promise<Config> {
  try {
    return (await prepare(invocation, 'doctor', flags)).config;
  } catch (error) {
    const missing = error instanceof KeeperError && error.code === 'config-missing';
    if (!missing || flags.config !== undefined || flags.table !== undefined) throw error;
    return { tables: [] };
  }
}

export async function doctor(invocation: Invocation, flags: CommonFlags): Promise<void> {
  if (flags.format === 'sql')
    throw usageError(
      'format-sql',
      'doctor has no statements to show as a script.',
      'Use --format pretty or json.',
    );
  const config = await configOrNone(invocation, flags);
  finish(
    invocation,
    flags,
    await runDoctor({ config, tables: flags.table, ...connectionOf(invocation, flags) }),
  );
}
