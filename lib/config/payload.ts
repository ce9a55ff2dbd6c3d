import { Temporal } from 'temporal-polyfill';
import * as v from 'valibot';
import type { Job } from '../contract.ts';
import { usageError } from '../errors.ts';

const instant = v.pipe(
  v.string('must be an instant such as 2026-11-22T00:00:00Z'),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return Temporal.Instant.from(dataset.value);
    } catch {
      addIssue({ message: 'must be an instant such as 2026-11-22T00:00:00Z' });
      return NEVER;
    }
  }),
);

const tables = v.optional(
  v.pipe(
    v.array(v.string('must be schema.table'), 'must be a list of schema.table'),
    v.minLength(1, 'must name at least one table; leave it out for all'),
  ),
);
const partitions = v.optional(
  v.pipe(
    v.array(v.string('must be schema.name'), 'must be a list of schema.name'),
    v.minLength(1, 'must name at least one partition'),
  ),
);
const flag = v.optional(v.boolean('must be true or false'));

const PAYLOADS = {
  create: v.strictObject({
    tables,
    premake: v.optional(
      v.pipe(v.number('must be a number'), v.integer('must be a whole number'), v.minValue(1)),
    ),
    from: v.optional(instant),
    to: v.optional(instant),
    dryRun: flag,
    approve: flag,
  }),
  cleanup: v.strictObject({ tables, partitions, dryRun: flag, approve: flag }),
  health: v.strictObject({ tables }),
};

type Payload<J extends Job> = v.InferOutput<(typeof PAYLOADS)[J]>;

/**
 * The payload of an invocation by hand; a schedule sends none.
 * @throws KeeperError that lists every problem; nothing has been done then
 */
export function parsePayload<J extends Job>(job: J, input: unknown): Payload<J>;
export function parsePayload(job: Job, input: unknown): Payload<Job> {
  const result = v.safeParse(PAYLOADS[job], input ?? {});
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'payload'}: ${issue.message}`);
  throw usageError(
    'payload-invalid',
    `The payload of ${job} is wrong: ${problems.join('; ')}.`,
    `Known keys are ${Object.keys(PAYLOADS[job].entries).join(', ')}; nothing has been done.`,
  );
}
