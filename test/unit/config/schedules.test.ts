import { expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';
import { DEFAULT_SCHEDULES, type GivenSchedules, schedulesOf } from '../../../lib/config/schedules.ts';
import { KeeperError } from '../../../lib/errors.ts';

const tables = [{ schema: 'app', table: 'events', partitionKey: 'at', interval: 'month' }] as const;
const plain = parseConfig({ tables }, 'the config');
const deployed = parseConfig(
  {
    tables,
    deployment: {
      vpcId: 'vpc-1',
      availabilityZones: ['eu-central-1a'],
      privateSubnetIds: ['subnet-1'],
      databaseSecurityGroupId: 'sg-1',
      databaseHost: 'db.example.com',
      databaseName: 'app',
      secretArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:keeper',
      schedules: { create: '5 4 * * *', health: '*/10 * * * *' },
      scheduleTimeZone: 'Europe/Berlin',
    },
  },
  'the config',
);

const refusal = (given: GivenSchedules): Pick<KeeperError, 'code' | 'message' | 'exitCode'> => {
  try {
    schedulesOf(given, plain);
  } catch (error) {
    if (error instanceof KeeperError) return error;
  }
  throw new Error('It was not refused.');
};

test('are those of the document unless told otherwise', () => {
  expect(schedulesOf({}, plain)).toEqual({ patterns: DEFAULT_SCHEDULES, timeZone: 'UTC' });
});

test('are those of the deployment where the config has them, and what is given comes before', () => {
  expect(schedulesOf({ health: '0 5 * * *', cleanup: 'off' }, deployed)).toEqual({
    patterns: { create: '5 4 * * *', cleanup: null, health: '0 5 * * *' },
    timeZone: 'Europe/Berlin',
  });
  expect(schedulesOf({ timeZone: 'Asia/Kolkata' }, deployed).timeZone).toBe('Asia/Kolkata');
});

test('are refused by name when they are wrong', () => {
  expect(refusal({ cleanup: '0 3 31 2 *' })).toMatchObject({
    code: 'schedule-invalid',
    exitCode: 2,
    message: expect.stringMatching(/^The schedule of cleanup is wrong: .*no such date ever comes\.$/),
  });
  expect(refusal({ create: '' }).message).toContain('The schedule of create is wrong');
  expect(refusal({ timeZone: 'Nowhere' }).message).toContain('The time zone of the schedules is wrong');
});
