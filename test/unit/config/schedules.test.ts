import { Temporal } from 'temporal-polyfill';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../lib/config/config.ts';
import { defaultSchedules, type GivenSchedules, schedulesOf } from '../../../lib/config/schedules.ts';
import { KeeperError } from '../../../lib/errors.ts';
import { calendarOf, INTERVALS, toPoint } from '../../../lib/partition/calendar.ts';
import { occurrencesOf } from '../../../lib/serve/occurrences.ts';
import ours from '../../../partitions.config.ts';

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

const DOCUMENT = { create: '0 2 1 * *', cleanup: '0 3 1 1,4,7,10 *', health: '0 1 * * *' };

test('are those of the document unless told otherwise', () => {
  expect(schedulesOf({}, plain)).toEqual({ patterns: DOCUMENT, timeZone: 'UTC' });
  expect(defaultSchedules(ours.tables)).toEqual(DOCUMENT);
});

describe('where intervals are short', () => {
  test.each([
    [['month', 'year'], '0 2 1 * *'],
    [['month', 'week'], '0 2 * * *'],
    [['day', 'quarter'], '0 2 * * *'],
    [['day', 'hour'], '0 * * * *'],
  ] as const)(
    'of %s, create comes as often as they need it, and the other jobs as ever',
    (intervals, create) => {
      const mixed = intervals.map((interval) => ({ ...tables[0], table: interval, interval }));
      const config = parseConfig({ tables: mixed }, 'the config');
      expect(schedulesOf({}, config).patterns).toEqual({ ...DOCUMENT, create });
      expect(schedulesOf({ create: '0 2 1 * *' }, config).patterns).toEqual(DOCUMENT);
      expect(schedulesOf({ create: 'off' }, config).patterns.create).toBeNull();
    },
  );

  test.each(
    INTERVALS.flatMap((interval) =>
      ['UTC', 'America/St_Johns', 'Pacific/Kiritimati'].map((zone) => [interval, zone] as const),
    ),
  )('%s in %s: no more than one begins between two runs of create', (interval, zone) => {
    const { after } = occurrencesOf(defaultSchedules([{ interval }]).create, 'UTC');
    const calendar = calendarOf(interval, zone);
    const currentAt = (instant: number) =>
      calendar.containing(toPoint(Temporal.Instant.fromEpochMilliseconds(instant)));
    // Clocks go back in the days that follow.
    let run = Date.UTC(2026, 9, 24);
    for (let count = 0; count < 200; count++) {
      const next = after(run);
      if (next === null) throw new Error('there is no other run');
      const before = currentAt(run);
      const now = currentAt(next - 1).from;
      expect([before.from, calendar.after(before).from]).toContain(now);
      run = next;
    }
  });
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
