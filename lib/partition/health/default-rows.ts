import type { Finding } from '../../contract.ts';
import { isBounded, type Point } from '../range.ts';
import { requiredWindow } from '../schedule.ts';
import { command, finding, iso, type View } from './view.ts';

/** A date is enough to name a stretch for people. */
function day(view: View, point: Point): string {
  if (isBounded(point)) return iso(view, point).replace(/T.*/, '');
  return point < 0n ? '-infinity' : 'infinity';
}

/** As --from and --to read it: a date means midnight of UTC. */
const moment = (view: View, point: Point): string =>
  iso(view, point).replace(/^(\d{4}-\d\d-\d\d)T00:00:00Z$/, '$1');

/**
 * Rows for which a plain create makes partitions are moved by it. Others lie before the oldest partition or
 * beyond the look-ahead: real ones need a stretch of partitions. No partition is made for those past retention.
 */
function remedyFor(view: View): string {
  const { defaultPartition, partitions } = view.table;
  const keys = defaultPartition?.keys ?? null;
  const create = command(view, 'create');
  if (keys === null) return create;
  const window = requiredWindow(view.schedule, partitions, view.config.premake);
  if (keys.oldest >= window.from && keys.newest < window.to) return create;
  const { cutoff } = view.schedule;
  if (cutoff !== null && keys.newest < view.schedule.pointOf(cutoff)) {
    return 'All of them are past retention, so no partition is made for them: DELETE them from the default partition.';
  }
  if (!isBounded(keys.oldest) || !isBounded(keys.newest)) {
    return 'Correct or DELETE the rows dated infinity, for which there can be no partition; then run create.';
  }
  const { from } = view.schedule.calendar.containing(keys.oldest);
  const { to } = view.schedule.calendar.containing(keys.newest);
  return `${create} --from ${moment(view, from)} --to ${moment(view, to)} (or correct the rows, if their time is a mistake)`;
}

export function defaultFindings(view: View): Finding[] {
  const { defaultPartition } = view.table;
  if (defaultPartition === null || defaultPartition.rows === null || defaultPartition.rows === 0) return [];
  const { rows, keys } = defaultPartition;
  const span = keys === null ? '' : `, from ${day(view, keys.oldest)} to ${day(view, keys.newest)}`;
  return [
    finding(
      'default-rows',
      'warning',
      `The default partition of ${view.name} holds ${rows} ${rows === 1 ? 'row' : 'rows'}${span}: they had no partition to go to, escape retention, and slow every new partition down.`,
      remedyFor(view),
      { rows },
      defaultPartition,
    ),
  ];
}
