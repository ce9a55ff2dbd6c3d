import { describe, expect, test } from 'vitest';
import { parseDeployment } from '../../../lib/config/deployment.ts';
import { KeeperError } from '../../../lib/errors.ts';
import { deployment } from '../../support/stack.ts';

function problems(changes: object): string {
  try {
    parseDeployment({ ...deployment, ...changes });
  } catch (error) {
    if (error instanceof KeeperError) return error.message;
    throw error;
  }
  throw new Error('it was taken');
}

test('an object and the text of the command line are read alike', () => {
  expect(parseDeployment(JSON.stringify(deployment))).toEqual(parseDeployment(deployment));
});

test('what is missing is named, all of it, and where to describe it', () => {
  expect(() => parseDeployment(undefined)).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/vpcId.*availabilityZones.*databaseHost.*databaseName/s),
      hint: expect.stringContaining('"deployment" in the config file'),
    }),
  );
  expect(() => parseDeployment('{')).toThrow(/not JSON/);
});

describe('refused', () => {
  test.each<readonly [object, RegExp]>([
    [{ databasePort: 'x' }, /databasePort: must be a number/],
    [{ vpcID: 'x' }, /vpcID: unknown key; known are .*vpcId/],
    [{ secretArn: undefined }, /secretArn: give either secretArn or iamUser/],
    [{ iamUser: 'keeper' }, /secretArn: give either secretArn or iamUser/],
    [{ secretArn: undefined, iamUser: 'keeper' }, /databaseResourceId: is required with iamUser/],
    [{ privateSubnetIds: ['subnet-1'] }, /privateSubnetIds: must have as many entries/],
    [{ freeStorageGiB: 5 }, /databaseInstanceIdentifier: is required with freeStorageGiB/],
    [{ scheduleTimeZone: 'Mars/Olympus' }, /scheduleTimeZone: unknown time zone "Mars\/Olympus"/],
    [{ schedules: { create: '0 25 1 * *' } }, /schedules.create: 0 25 1 \* \* is not a cron expression/],
    [{ schedules: { create: '2 1 * *' } }, /schedules.create: .* is not a cron expression/],
    [{ schedules: { create: '0 2 1 * 1' } }, /one of day and weekday must be \*/],
    [{ schedules: { create: '0 2 L * *' } }, /schedules.create: .* is not a cron expression/],
    [{ schedules: { health: '0 1 * * 5L' } }, /schedules.health: .* is not a cron expression/],
    [{ schedules: { health: '0 1 * * */2' } }, /weekdays without \//],
    [
      { schedules: { daily: '0 1 * * *' } },
      /schedules.daily: unknown key; known are create, cleanup, health/,
    ],
    [
      { logRetentionDays: { cleanup: 3650 } },
      /logRetentionDays.cleanup: must be a number of days that CloudWatch/,
    ],
    [{ alarmEmails: [] }, /alarmEmails: must not be empty/],
    [{ memorySize: 64 }, /memorySize: must be at least 128/],
  ])('%j', (changes, message) => {
    expect(problems(changes)).toMatch(message);
  });
});

test.each(['0 2 1 * *', '0 3 1 1,4,7,10 *', '*/15 * * * *', '30 6 * * MON-FRI', '0 0 15 */3 *'])(
  '%s is taken for a schedule',
  (create) => {
    expect(parseDeployment({ ...deployment, schedules: { create } }).schedules).toEqual({ create });
  },
);
