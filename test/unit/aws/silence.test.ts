import { Cron } from 'croner';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { silenceOf } from '../../../lib/aws/silence.ts';
import { defaultSchedules } from '../../../lib/config/schedules.ts';

const DAY = 86_400_000;

/** What CloudWatch makes of the expression on a day with so many successes. */
function valueOn(expression: string, day: number, successes: number): number {
  const date = new Date(day * DAY);
  const readable = expression
    .replaceAll('DATE(m)', String(date.getUTCDate()))
    .replaceAll('MONTH(m)', String(date.getUTCMonth() + 1))
    .replaceAll('==', '===')
    .replaceAll(' OR ', ' || ')
    .replaceAll(' AND ', ' && ')
    .replace(/^IF\((.*), m, 1\)$/, '$1');
  expect(readable).toMatch(/^[0-9=|&() ]+$/);
  return new Function(`return ${readable}`)() === true ? successes : 1;
}

/** The days on which the alarm is on: two in a row with less than one. */
function alarmDays(
  expression: string,
  from: number,
  to: number,
  successOn: (day: number) => boolean,
): number[] {
  const isBad = (day: number): boolean => valueOn(expression, day, successOn(day) ? 1 : 0) < 1;
  return Array.from({ length: to - from }, (_, index) => from + index).filter(
    (day) => isBad(day - 1) && isBad(day),
  );
}

const runDays = (pattern: string, timeZone: string, years: number): number[] =>
  new Cron(pattern, { paused: true, mode: '5-part', timezone: timeZone })
    .nextRuns(years * 30, new Date(Date.UTC(2027, 0, 1)))
    .map((run) => Math.floor(run.getTime() / DAY));

describe('the schedules there are by default', () => {
  const schedules = defaultSchedules([{ interval: 'month' }]);

  test('a daily job may be silent for a day and two hours', () => {
    expect(silenceOf(schedules.health, 'UTC')).toEqual({ kind: 'hours', hours: 26 });
  });

  test('a monthly job must have run by the second day of the month', () => {
    expect(silenceOf(schedules.create, 'UTC')).toEqual({
      kind: 'days',
      expression: 'IF((DATE(m) == 1 OR DATE(m) == 2), m, 1)',
    });
  });

  test.each([
    ['week', 26],
    ['day', 26],
    ['hour', 3],
  ] as const)('with intervals of a %s, create may be silent for %i hours', (interval, hours) => {
    expect(silenceOf(defaultSchedules([{ interval }]).create, 'UTC')).toEqual({ kind: 'hours', hours });
  });

  test('a quarterly one by the second day of its months', () => {
    expect(silenceOf(schedules.cleanup, 'UTC')).toEqual({
      kind: 'days',
      expression:
        'IF(((MONTH(m) == 1 OR MONTH(m) == 4 OR MONTH(m) == 7 OR MONTH(m) == 10) AND (DATE(m) == 1 OR DATE(m) == 2)), m, 1)',
    });
  });
});

test.each([
  ['0 1 * * *', 'Europe/Berlin', 27],
  ['0 */6 * * *', 'UTC', 8],
  ['0 1 * * 1-5', 'UTC', 74],
])('%s in %s may be silent for %i hours', (pattern, zone, hours) => {
  expect(silenceOf(pattern, zone)).toEqual({ kind: 'hours', hours });
});

test.each([
  ['0 3 * * 1', 'UTC', 'an alarm looks back a week, and has no slack then'],
  ['0 3 28 * *', 'UTC', 'in a leap year, two days after it are due in other years'],
  ['30 16 2 * *', 'America/Los_Angeles', 'in winter it is on another date in UTC than in summer'],
])('%s in %s cannot be followed: %s', (pattern, zone) => {
  expect(silenceOf(pattern, zone)).toBeNull();
});

describe('for any date of the month, hour and zone', () => {
  const schedules = fc.record({
    hour: fc.integer({ min: 0, max: 23 }),
    day: fc.integer({ min: 1, max: 26 }),
    month: fc.constantFrom('*', '1', '2,8', '1,4,7,10', '*/2'),
    zone: fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Tokyo', 'America/Los_Angeles', 'Pacific/Kiritimati'),
  });

  test('punctual runs never alarm, and a run left out does, within two days', () => {
    fc.assert(
      fc.property(schedules, fc.nat(), ({ hour, day, month, zone }, pick) => {
        const pattern = `30 ${hour} ${day} ${month} *`;
        const days = runDays(pattern, zone, 1);
        // Daylight saving time must not move it over midnight in UTC.
        const sameDate = days.map((one) => new Date(one * DAY).getUTCDate() === day);
        fc.pre(new Set(sameDate).size === 1);
        const silence = silenceOf(pattern, zone);
        if (silence?.kind !== 'days') throw new Error(`no alarm for ${pattern}`);
        const [first = 0] = days;
        const last = days.at(-1) ?? 0;
        const ran = new Set(days);
        expect(alarmDays(silence.expression, first, last, (one) => ran.has(one))).toEqual([]);

        const among = days.slice(1, -1);
        const missed = among[pick % among.length] ?? 0;
        ran.delete(missed);
        const alarms = alarmDays(silence.expression, first, last, (one) => ran.has(one));
        expect(alarms).not.toEqual([]);
        for (const one of alarms) expect([missed, missed + 1, missed + 2]).toContain(one);
      }),
      { numRuns: 40 },
    );
  });
});
