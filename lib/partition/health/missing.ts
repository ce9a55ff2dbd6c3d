import type { Finding } from '../../contract.ts';
import type { GridInterval } from '../calendar.ts';
import { MAX_CREATIONS } from '../plan-create.ts';
import { contains, type Point } from '../range.ts';
import { type Gap, gapsIn, type Schedule } from '../schedule.ts';
import { command, finding, iso, type View } from './view.ts';

/** A week, in microseconds. */
const WEEK: Point = 7n * 86_400_000_000n;

/** How long before the next interval its partition must exist: a week, or half of a short interval. */
function leadTime({ current }: Schedule): Point {
  const half = (current.to - current.from) / 2n;
  return half < WEEK ? half : WEEK;
}

/** The next interval if it begins soon and has no partition for all of it. */
function nextMissing({ schedule, usable }: View): GridInterval | null {
  const next = schedule.calendar.after(schedule.current);
  if (next.from - schedule.nowPoint > leadTime(schedule)) return null;
  return gapsIn(schedule.calendar, next, usable).next().done === true ? null : next;
}

const nowIsCovered = ({ schedule, usable }: View): boolean =>
  usable.some((range) => contains(range, schedule.nowPoint));

/** How many intervals of the grid lack a partition that should be there by now. */
export function missingIntervals(view: View): number {
  const next = nextMissing(view);
  return new Set([...view.gaps.map(({ interval }) => interval.from), ...(next === null ? [] : [next.from])])
    .size;
}

function currentFinding(view: View): Finding {
  const effect =
    view.table.defaultPartition === null
      ? 'INSERTs of new rows fail'
      : 'new rows fall into the default partition';
  return finding(
    'missing-current',
    'critical',
    `No partition of ${view.name} covers now: ${effect}.`,
    command(view, 'create'),
    { now: view.now.toString() },
  );
}

function nextFinding(view: View, next: GridInterval): Finding {
  return finding(
    'missing-next',
    'critical',
    `The next ${view.config.interval} begins ${iso(view, next.from)} and ${view.name} has no partition for all of it.`,
    command(view, 'create'),
    { begins: iso(view, next.from) },
  );
}

function restFinding(view: View, gaps: readonly Gap[], first: Gap): Finding {
  const ahead = gaps.filter(({ range }) => range.from > view.schedule.nowPoint).length;
  const holes = gaps.length - ahead;
  const count = gaps.length > MAX_CREATIONS ? `more than ${MAX_CREATIONS}` : String(gaps.length);
  const parts = [
    ...(ahead > 0 ? [`${ahead} of the coming ${view.config.interval}s`] : []),
    ...(holes > 0 ? [`${holes} in the midst of existing ones`] : []),
  ];
  return finding(
    'missing',
    'warning',
    `${count} ${gaps.length === 1 ? 'partition' : 'partitions'} of ${view.name} ${gaps.length === 1 ? 'is' : 'are'} missing: ${parts.join(' and ')}; the first begins ${iso(view, first.range.from)}.`,
    command(view, 'create'),
    { missing: gaps.length, ahead, holes, first: iso(view, first.range.from) },
  );
}

/** What create would make and should have made: each missing interval is told of once, by the worst finding. */
export function missingFindings(view: View): Finding[] {
  const { schedule, gaps } = view;
  const next = nextMissing(view);
  const covered = nowIsCovered(view);
  const rest = gaps.filter(
    ({ interval }) => (covered || interval.from !== schedule.current.from) && interval.from !== next?.from,
  );
  const first = rest[0];
  return [
    ...(covered ? [] : [currentFinding(view)]),
    ...(next === null ? [] : [nextFinding(view, next)]),
    ...(first === undefined ? [] : [restFinding(view, rest, first)]),
  ];
}
