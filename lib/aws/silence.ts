import { Cron } from 'croner';

/** An alarm on silence: what to look at, and for how long nothing may be heard. */
export type Silence =
  /** No success for so many hours. */
  | { readonly kind: 'hours'; readonly hours: number }
  /** No success on two days in a row, of those on which one is due: an expression over the daily count `m`. */
  | { readonly kind: 'days'; readonly expression: string };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** An alarm looks back seven days at most. */
const LONGEST_HOURS = 7 * 24;
const SLACK_HOURS = 2;
/** Long enough to meet a leap year and every weekday. */
const YEARS = 8;
const FIRST = Date.UTC(2027, 0, 1);
const LAST = Date.UTC(2027 + YEARS, 0, 1);
const MOST_RUNS = 600;

const dayOf = (instant: number): number => Math.floor(instant / DAY_MS);
const monthAndDate = (day: number): readonly [month: number, date: number] => {
  const date = new Date(day * DAY_MS);
  return [date.getUTCMonth() + 1, date.getUTCDate()];
};

/** All runs of some years, or as many as tell how often there are some. */
function runsOf(pattern: string, timeZone: string): number[] {
  const cron = new Cron(pattern, { paused: true, mode: '5-part', timezone: timeZone });
  const runs: number[] = [];
  let run = cron.nextRun(new Date(FIRST));
  while (run !== null && run.getTime() < LAST && runs.length < MOST_RUNS) {
    runs.push(run.getTime());
    run = cron.nextRun(run);
  }
  return runs;
}

const longestGap = (runs: readonly number[]): number =>
  runs.reduce((longest, run, index) => Math.max(longest, run - (runs[index - 1] ?? run)), 0);

/** The dates, by month, on which a success is due: the day of a run in UTC, and the day after. */
function dueDates(days: Iterable<number>): Map<number, Set<number>> {
  const due = new Map<number, Set<number>>();
  for (const day of days) {
    for (const [month, date] of [monthAndDate(day), monthAndDate(day + 1)]) {
      due.set(month, (due.get(month) ?? new Set()).add(date));
    }
  }
  return due;
}

/** Whether any two neighbouring due dates have a run among them: else punctual runs would count as silence. */
function isSound(due: ReadonlyMap<number, ReadonlySet<number>>, runs: ReadonlySet<number>): boolean {
  const isDue = (day: number): boolean => {
    const [month, date] = monthAndDate(day);
    return due.get(month)?.has(date) === true;
  };
  const from = dayOf(FIRST) + 2;
  for (let day = from; day < dayOf(LAST); day++) {
    if (isDue(day) && isDue(day - 1) && !runs.has(day) && !runs.has(day - 1)) return false;
  }
  return true;
}

const anyOf = (name: string, values: Iterable<number>): string =>
  `(${[...values]
    .toSorted((a, b) => a - b)
    .map((value) => `${name}(m) == ${value}`)
    .join(' OR ')})`;

/** Months with the same dates share a term. */
function conditionOf(due: ReadonlyMap<number, ReadonlySet<number>>): string {
  const months = new Map<string, number[]>();
  for (const [month, dates] of due) {
    const term = anyOf('DATE', dates);
    months.set(term, [...(months.get(term) ?? []), month]);
  }
  const terms = [...months].map(([dates, among]) =>
    among.length === 12 ? dates : `(${anyOf('MONTH', among)} AND ${dates})`,
  );
  return terms.join(' OR ');
}

/**
 * How to notice that a job of this schedule has fallen silent. An alarm remembers a week at most; for a job that
 * runs less often, the days after its date are looked at, and all others count as good.
 * @param pattern a valid cron expression of five fields
 * @returns null when the schedule is neither frequent nor bound to dates, such as every second Monday
 */
export function silenceOf(pattern: string, timeZone: string): Silence | null {
  const runs = runsOf(pattern, timeZone);
  const hours = Math.ceil(longestGap(runs) / HOUR_MS) + SLACK_HOURS;
  if (hours <= LONGEST_HOURS) return { kind: 'hours', hours };
  const days = new Set(runs.map(dayOf));
  const due = dueDates(days);
  if (!isSound(due, days)) return null;
  return { kind: 'days', expression: `IF(${conditionOf(due)}, m, 1)` };
}
