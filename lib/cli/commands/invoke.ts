import { JOBS, type Job } from '../../contract.ts';
import { usageError } from '../../errors.ts';
import { invokeJob } from '../../invoke/invoke.ts';
import { exitCodeOf } from '../exit-code.ts';
import type { Invocation, InvokeFlags } from '../invocation.ts';
import { render } from '../render/render.ts';

function jobOf(name: string): Job {
  const job = JOBS.find((one) => one === name);
  if (job !== undefined) return job;
  throw usageError('job-unknown', `There is no function for ${name}.`, `Write one of ${JOBS.join(', ')}.`);
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch (error) {
    throw usageError(
      'payload-invalid',
      '--payload is not JSON.',
      `Write it as '{"tables":["schema.table"]}'.`,
      error,
    );
  }
  throw usageError(
    'payload-invalid',
    '--payload is not a JSON object.',
    `Write it as '{"tables":["schema.table"]}'.`,
  );
}

/** The flags as the function knows them; it is checked by the same rules as there. */
function payloadOf({ payload, ...flags }: InvokeFlags): object {
  const { table: tables, partition: partitions, premake, dryRun, approve } = flags;
  const from = flags.from?.toString();
  const to = flags.to?.toString();
  const given = Object.entries({ tables, partitions, premake, from, to, dryRun, approve }).filter(
    ([, value]) => value !== undefined,
  );
  if (payload === undefined) return Object.fromEntries(given);
  if (given.length > 0)
    throw usageError(
      'payload-twice',
      '--payload is given beside flags that are part of it.',
      'Use one or the other.',
    );
  return parsed(payload);
}

/** `invoke`: the same as the command of the job's name, done by the function that is deployed. */
export async function invoke(invocation: Invocation, name: string, flags: InvokeFlags): Promise<void> {
  invocation.format = flags.format;
  const job = jobOf(name);
  const payload = payloadOf(flags);
  invocation.job = job;
  invocation.dryRun = job === 'health' || ('dryRun' in payload && payload.dryRun === true);
  const report = await invokeJob({
    job,
    payload,
    function: flags.function,
    stack: flags.stack,
    region: flags.region,
    profile: flags.profile,
    onLog: (log) => process.stderr.write(`${log.trimEnd()}\n`),
  });
  render(report, { format: invocation.format, env: invocation.env, detailed: flags.table !== undefined });
  invocation.exitCode = exitCodeOf(report);
}
