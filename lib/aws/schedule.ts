import { TimeZone } from 'aws-cdk-lib';
import { ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';

const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];

/** Cron counts weekdays from Sunday as 0, EventBridge from Sunday as 1: names mean the same to both. */
const weekDayNames = (field: string): string =>
  field.replace(/[0-7]/g, (digit) => WEEKDAYS[Number(digit)] ?? digit);

/** EventBridge wants a ? in whichever of day and weekday says nothing. */
export function scheduleExpression(pattern: string, timeZone: string): ScheduleExpression {
  const [minute = '*', hour = '*', day = '*', month = '*', weekDay = '*'] = pattern.trim().split(/\s+/);
  const days = weekDay === '*' ? `${day} ${month} ?` : `? ${month} ${weekDayNames(weekDay)}`;
  return ScheduleExpression.expression(`cron(${minute} ${hour} ${days} *)`, TimeZone.of(timeZone));
}
