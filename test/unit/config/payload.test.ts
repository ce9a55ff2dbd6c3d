import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { parsePayload } from '../../../lib/config/payload.ts';
import { EXIT, JOBS, type Job } from '../../../lib/contract.ts';
import { KeeperError } from '../../../lib/errors.ts';

function errorOf(job: Job, input: unknown): KeeperError {
  try {
    parsePayload(job, input);
  } catch (error) {
    if (error instanceof KeeperError) return error;
    throw error;
  }
  throw new Error('the payload was accepted');
}

test.each(JOBS)('%s needs none', (job) => {
  expect(parsePayload(job, undefined)).toEqual({});
  expect(parsePayload(job, null)).toEqual({});
  expect(parsePayload(job, {})).toEqual({});
});

test('everything can be said', () => {
  expect(
    parsePayload('create', {
      tables: ['logs.events'],
      premake: 5,
      from: '2026-11-22T00:00:00Z',
      to: '2026-11-23T01:00:00+01:00',
      dryRun: true,
      approve: false,
    }),
  ).toEqual({
    tables: ['logs.events'],
    premake: 5,
    from: Temporal.Instant.from('2026-11-22T00:00:00Z'),
    to: Temporal.Instant.from('2026-11-23T00:00:00Z'),
    dryRun: true,
    approve: false,
  });
  expect(parsePayload('cleanup', { tables: ['a.b'], dryRun: false, approve: true })).toEqual({
    tables: ['a.b'],
    dryRun: false,
    approve: true,
  });
  expect(parsePayload('cleanup', { partitions: ['a.b_2020'] })).toEqual({ partitions: ['a.b_2020'] });
  expect(parsePayload('health', { tables: ['a.b'] })).toEqual({ tables: ['a.b'] });
});

describe('refused', () => {
  test.each<readonly [Job, unknown, string]>([
    ['create', { dryrun: true }, 'dryrun'],
    ['create', { premake: 0 }, 'premake'],
    ['create', { premake: 1.5 }, 'premake: must be a whole number'],
    ['create', { premake: '3' }, 'premake: must be a number'],
    ['create', { from: '2026-13-01T00:00:00Z' }, 'from: must be an instant'],
    ['create', { to: 1 }, 'to: must be an instant'],
    ['create', { approve: 'true' }, 'approve: must be true or false'],
    ['create', { tables: 'logs.events' }, 'tables: must be a list of schema.table'],
    ['create', { tables: [1] }, 'tables.0: must be schema.table'],
    ['health', { tables: [] }, 'tables: must name at least one table'],
    ['cleanup', { partitions: [] }, 'partitions: must name at least one partition'],
    ['cleanup', { partitions: 'a.b' }, 'partitions: must be a list of schema.name'],
    ['cleanup', { premake: 3 }, 'premake'],
    ['cleanup', { everything: true }, 'everything'],
    ['health', { dryRun: true }, 'dryRun'],
    ['health', 'tables', 'payload'],
    ['health', ['logs.events'], '0'],
  ])('%s %j', (job, input, expected) => {
    const error = errorOf(job, input);
    expect(error.code).toBe('payload-invalid');
    expect(error.exitCode).toBe(EXIT.usage);
    expect(error.message).toContain(expected);
    expect(error.hint).toContain('nothing has been done');
  });

  test('all problems at once', () => {
    const { message } = errorOf('create', { premake: 0, from: 'soon', approve: 1 });
    expect(message).toContain('premake');
    expect(message).toContain('from');
    expect(message).toContain('approve');
  });
});
